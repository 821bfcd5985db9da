import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { recovery } from '../../src/analysis/recovery.ts';
import type { ActivationSource } from '../../src/data/activation-source.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { toyModelActivations } from '../../src/data/toy-model-activations.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { loadSae } from '../../src/inference/node.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { fromNested, type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSae, trainSaes } from '../../src/training/node.ts';
import type { SaeSettings } from '../../src/training/sae-settings.ts';
import { rejection } from '../experiments/rejection.ts';
import { normals, rowNorms } from '../models/tensors.ts';

/** Five directions at equal angles. */
const STAR: HostTensor = {
  data: Float32Array.from({ length: 10 }, (_, i) =>
    i % 2 === 0 ? Math.cos((Math.PI * i) / 5) : Math.sin((Math.PI * (i - 1)) / 5),
  ),
  shape: [5, 2],
};

const DATA: ActivationSource = toyModelActivations(STAR, sparseFeatures({ nFeatures: 5, sparsity: 0.9 }));

const SETTINGS = {
  data: DATA,
  dSae: 5,
  activation: { kind: 'topk', k: 1 },
  start: { directions: 'gaussian' },
  batchSize: 256,
  steps: 50,
  sampleSize: 4000,
  seed: 0,
} as const satisfies SaeSettings;

/** An entry that a selection decided otherwise moves by more than rounding; such runs are counted apart. */
const TOLERANCE = 1e-5;

function farthest(actual: HostTensor, expected: HostTensor, what: string): number {
  expect(actual.shape, what).to.deep.equal(expected.shape);
  return expected.data.reduce(
    (most, value, i) => Math.max(most, Math.abs(actual.data[i]! - value) / Math.max(1, Math.abs(value))),
    0,
  );
}

function expectWithin(actual: HostTensor, expected: HostTensor, tolerance: number, what: string): void {
  expect(farthest(actual, expected, what), what).to.be.at.most(tolerance);
}

describe('trainSae', () => {
  let engine: Engine;

  before(async () => {
    engine = createOnnxRuntimeEngine(await loadNodeRuntime());
  });

  const activations: readonly ActivationConfig[] = [
    { kind: 'topk', k: 1 },
    { kind: 'topk', k: 2 },
    { kind: 'relu', l1: 0.01 },
    { kind: 'batchtopk', k: 1 },
    { kind: 'jumprelu', l0: 0.01, bandwidth: 0.2, threshold: 0.05 },
  ];
  for (const activation of activations) {
    it(`trains side by side to the parameters of each alone after 50 steps: ${JSON.stringify(activation)}`, async () => {
      await expectAsAlone(
        SETTINGS,
        [5, 1, 42, 7, 8, 9, 10].map(seed => ({ activation, seed })),
      );
    });
  }

  it('does so with an auxiliary loss too', async () => {
    // With a larger ε: dead latents have gradients that are 0 but for rounding, of which Adam makes whole steps.
    const optimizer = { learningRate: 0.005, betas: [0, 0.999], eps: 1e-3 } as const;
    await expectAsAlone(
      { ...SETTINGS, dSae: 9, batchSize: 64, optimizer },
      [1, 2, 1, 3].map((k, seed) => ({
        seed,
        activation: { kind: 'topk', k, auxK: { deadAfter: 4, coefficient: 1 + seed } },
      })),
    );
  });

  const mixed: readonly (readonly ActivationConfig[])[] = [
    [1, 2, 5, 3, 1, 2, 4].map(k => ({ kind: 'topk', k })),
    [1, 0.5, 2, 1.7, 1, 5, 3].map(k => ({ kind: 'batchtopk', k })),
    [0, 0.01, 0.3, 0.1, 0, 0.02, 0.003].map(l1 => ({ kind: 'relu', l1 })),
    [0, 0.01, 0.3, 0.1, 0, 0.02, 0.003].map(l0 => ({ kind: 'jumprelu', l0, bandwidth: 0.2, threshold: 0.05 })),
  ];
  for (const own of mixed) {
    it(`that differ in sparsity, rate, seed and start too: ${own[0]!.kind}`, async () => {
      const starts = ['gaussian', 'activations', 'spread'] as const;
      await expectAsAlone(
        SETTINGS,
        own.map((activation, i) => ({
          activation,
          seed: i >> 1,
          learningRate: 0.005 / (1 + (i % 2)),
          start: { directions: starts[i % 3]! },
        })),
      );
    });
  }

  /** In parameters, thresholds, directions and losses; but where a selection flips, which is counted and reported. */
  async function expectAsAlone(base: SaeSettings, vary: readonly Partial<SaeSettings>[]): Promise<void> {
    const options = { engine, snapshotAt: [0, 50] };
    const together = await trainSaes({ ...base, vary }, options);
    let flipped = 0;
    for (const [i, own] of vary.entries()) {
      const what = `run ${i}`;
      const alone = await trainSae({ ...base, ...own }, options);
      const { sae, start, history } = together[i]!;
      expect(sae.config, what).to.deep.equal(alone.sae.config);
      expect(start.state, what).to.deep.equal(alone.start.state);
      expect(history.loss).to.have.length(50);
      const [first, expectedFirst] = [history.loss[0]!, alone.history.loss[0]!];
      expect(first, `first loss of ${what}`).to.be.closeTo(expectedFirst, TOLERANCE);
      let worst = 0;
      for (const part of ['parameters', 'buffers'] as const) {
        expect(Object.keys(sae.state[part])).to.deep.equal(Object.keys(alone.sae.state[part]));
        for (const [name, expected] of Object.entries(alone.sae.state[part])) {
          worst = Math.max(worst, farthest(sae.state[part][name]!, expected, `${what}, ${name}`));
        }
      }
      const { directions } = history.snapshots[1]!;
      worst = Math.max(worst, farthest(directions, alone.history.snapshots[1]!.directions, `directions of ${what}`));
      expect(Object.keys(history.losses)).to.deep.equal(Object.keys(alone.history.losses));
      for (const [name, expected] of Object.entries(alone.history.losses)) {
        const losses = { data: history.losses[name]!, shape: [50] };
        worst = Math.max(worst, farthest(losses, { data: expected, shape: [50] }, `${name} of ${what}`));
      }
      if (worst > TOLERANCE) flipped++;
    }
    if (flipped > 0) console.warn(`${flipped} of ${vary.length} runs chose otherwise side by side`);
    expect(flipped).to.be.at.most(Math.floor(vary.length / 7));
  }

  it('gives a run the same batches and start in any company and in any order of seeds', async () => {
    const seeds = [3, 1, 2];
    const [forward, backward] = [seeds, [...seeds].reverse()].map(order =>
      trainSaes({ ...SETTINGS, steps: 1, vary: order.map(seed => ({ seed })) }, { engine }),
    );
    const [there, back] = [await forward!, await backward!];
    for (const [i, { start, history }] of there.entries()) {
      const other = back[seeds.length - 1 - i]!;
      expect(other.start.state).to.deep.equal(start.state);
      expect(other.history.loss).to.deep.equal(history.loss);
    }
  });

  it('groups what cannot train side by side, and gives all in the order of vary', async () => {
    const vary = [
      { dSae: 6 },
      {},
      { activation: { kind: 'batchtopk', k: 1 } },
      { dSae: 6, seed: 4 },
      { decoder: 'free' },
      { start: { directions: 'gaussian', holdBias: true } },
      { batchSize: 64 },
      { data: toyModelActivations(STAR, sparseFeatures({ nFeatures: 5, sparsity: 0.5 })) },
    ] as const;
    const all = await trainSaes({ ...SETTINGS, steps: 3, vary }, { engine });
    for (const [i, own] of vary.entries()) {
      const alone = await trainSae({ ...SETTINGS, steps: 3, ...own }, { engine });
      expect(all[i]!.sae.config, `run ${i}`).to.deep.equal(alone.sae.config);
      for (const [name, value] of Object.entries(alone.sae.state.parameters)) {
        expectWithin(all[i]!.sae.state.parameters[name]!, value, TOLERANCE, `run ${i}, ${name}`);
      }
    }
    expect((await rejection(trainSaes({ ...SETTINGS, vary: [] }, { engine }))).message).to.include('at least one');
  });

  it('reports each term of the loss by name; together they are the loss', async () => {
    const relu = await trainSae({ ...SETTINGS, activation: { kind: 'relu', l1: 0.1 } }, { engine });
    expect(Object.keys(relu.history.losses)).to.deep.equal(['mse', 'l1']);
    relu.history.loss.forEach((loss, step) => {
      const { mse, l1 } = relu.history.losses;
      expect(mse![step]! + l1![step]!).to.be.closeTo(loss, 1e-6);
      expect(l1![step]).to.be.above(0);
    });
    const topk = await trainSae(SETTINGS, { engine });
    expect(topk.history.losses).to.deep.equal({ mse: topk.history.loss });
    expect(topk.history.steps).to.equal(50);
  });

  it('sums the squared error over d_out where it is told to, and takes coefficients in that unit', async () => {
    const relu = { ...SETTINGS, steps: 20, activation: { kind: 'relu', l1: 0.3 / 2 } } as const;
    const mean = await trainSae({ ...relu, optimizer: { eps: 1e-12 } }, { engine });
    const sum = await trainSae(
      { ...relu, activation: { kind: 'relu', l1: 0.3 }, reconstructionLoss: 'sum', optimizer: { eps: 2e-12 } },
      { engine },
    );
    mean.history.loss.forEach((loss, step) => {
      expect(sum.history.loss[step]).to.be.closeTo(2 * loss, 1e-5);
    });
    expect(sum.sae.training['reconstruction_loss']).to.equal('sum');
  });

  it('starts where the settings say', async () => {
    const start = async (settings: Partial<SaeSettings>) =>
      (await trainSae({ ...SETTINGS, steps: 0, ...settings }, { engine })).start.state.parameters;
    const free = await start({ decoder: 'free', start: { directions: 'spread', decoderNorm: 0.1 } });
    for (const norm of rowNorms(free['W_dec']!)) expect(norm).to.be.closeTo(0.1, 1e-6);
    for (let i = 0; i < 5; i++) expect(free['W_enc']!.data[i]).to.equal(free['W_dec']!.data[2 * i]);
    const small = await start({ start: { encoderNorm: 0.1, bias: 'zero' } });
    for (const norm of rowNorms(small['V']!)) expect(norm).to.be.closeTo(1, 1e-6);
    expect(Math.hypot(small['W_enc']!.data[0]!, small['W_enc']!.data[5]!)).to.be.closeTo(0.1, 1e-6);
    expect([...small['b_dec']!.data]).to.deep.equal([0, 0]);
    const given = await start({ start: { directions: STAR, bias: [1, 2] } });
    expectWithin(given['V']!, STAR, 1e-6, 'V');
    expect([...given['b_dec']!.data]).to.deep.equal([1, 2]);
    const rows = [...Array(30)].map((_, i) => [i, 1]);
    const mean = await start({ data: rows, holdOut: 0, start: { directions: 'gaussian', bias: 'mean' } });
    expect([...mean['b_dec']!.data]).to.deep.equal([14.5, 1]);
    const none = await trainSae({ ...SETTINGS, steps: 5, start: { biases: false } }, { engine });
    for (const name of ['b_enc', 'b_dec'])
      expect(new Set(none.sae.state.parameters[name]!.data)).to.deep.equal(new Set([0]));
    const refused = await rejection(trainSae({ ...SETTINGS, start: { decoderNorm: 0.1 } }, { engine }));
    expect(refused.message).to.include('a norm of 0.1 needs decoder free');
  });

  it('starts a handful of latents spread over the activations, more than 64 Gaussian, and transcoders too', async () => {
    const { start: _, ...settings } = { ...SETTINGS, steps: 0 };
    const rows = normals([300, 2], 3);
    const pairs = { input: rows, target: rows };
    const inits = await Promise.all([
      trainSae({ ...settings, dSae: 64 }),
      trainSae({ ...settings, dSae: 65 }),
      trainSae({ ...settings, data: pairs, dSae: 5 }),
    ]);
    expect(inits.map(({ sae }) => sae.init)).to.deep.equal(['spread', 'gaussian', 'gaussian']);
    // Rows that are spread are of the data: they point where its directions do.
    const named = await trainSae({ ...settings, dSae: 64, start: { directions: 'spread' } });
    expect(inits[0]!.sae.featureDirections()).to.deep.equal(named.sae.featureDirections());
  });

  it('takes rows, tensors, iterables and functions that make them', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => Array.from(normals([3], i).data));
    const settings = { dSae: 6, activation: { kind: 'topk', k: 2 }, steps: 4, batchSize: 16, holdOut: 0 } as const;
    const tensor = fromNested(rows);
    const [fromRows, fromTensor] = [
      await trainSae({ ...settings, data: rows }, { engine }),
      await trainSae({ ...settings, data: tensor }, { engine }),
    ];
    expect(fromTensor.sae.state).to.deep.equal(fromRows.sae.state);
    const iterable = async function* () {
      for (const row of rows) yield row;
    };
    const streamed = await trainSae({ ...settings, sampleSize: 64, data: iterable }, { engine });
    expect(streamed.sae.config.dIn).to.equal(3);
    expect(streamed.history.loss.every(Number.isFinite)).to.equal(true);
  });

  it('trains for no steps, and ends before the first where it is aborted, with the autoencoder as it started', async () => {
    const none = await trainSae({ ...SETTINGS, steps: 0 }, { engine });
    expect(none.sae.state.parameters).to.deep.equal(none.start.state.parameters);
    expect([none.history.steps, none.history.loss.length, none.stopped]).to.deep.equal([0, 0, false]);
    const aborted = new AbortController();
    const onProgress = () => aborted.abort();
    const stopped = await trainSae({ ...SETTINGS, steps: 5000 }, { engine, signal: aborted.signal, onProgress });
    expect(stopped.stopped).to.equal(true);
    expect(stopped.history.steps).to.be.above(0).and.below(5000);
  });

  it('keeps b_dec where it starts when it is held, alone and side by side; the first step of all else is the same', async () => {
    const held = { ...SETTINGS, start: { directions: 'gaussian', holdBias: true } } as const;
    const { sae, start } = await trainSae(held, { engine });
    const before = start.state.parameters;
    expect(sae.state.parameters['b_dec']).to.deep.equal(before['b_dec']);
    expect(sae.state.parameters['W_enc']).to.not.deep.equal(before['W_enc']);
    const [trained, still] = [SETTINGS, held].map(settings => trainSae({ ...settings, steps: 1 }, { engine }));
    const [a, b] = [(await trained!).sae.state.parameters, (await still!).sae.state.parameters];
    for (const name of ['V', 'W_enc', 'b_enc']) expectWithin(b[name]!, a[name]!, 1e-6, name);
    expect(a['b_dec']).to.not.deep.equal(before['b_dec']);
    const together = await trainSaes({ ...held, sampleSeed: 0, vary: [{ seed: 0 }, { seed: 1 }] }, { engine });
    for (const { sae: each } of together) expect(each.state.parameters['b_dec']).to.deep.equal(before['b_dec']);
    expectWithin(together[0]!.sae.state.parameters['V']!, sae.state.parameters['V']!, TOLERANCE, 'V');
  });

  it('follows schedules of the learning rate, of coefficients and of k, however steps are divided into calls', async () => {
    const learningRate = { warmUpSteps: 10, decay: 'cosine' } as const;
    const [constant, scheduled, again] = [
      await trainSae(SETTINGS, { engine, stepsPerCall: 7 }),
      await trainSae({ ...SETTINGS, schedules: { learningRate } }, { engine, stepsPerCall: 7 }),
      await trainSae({ ...SETTINGS, schedules: { learningRate } }, { engine, stepsPerCall: 50 }),
    ];
    expect(scheduled.history.loss[0]).to.equal(constant.history.loss[0]);
    expect(scheduled.sae.state).to.not.deep.equal(constant.sae.state);
    expect(again.sae.state).to.deep.equal(scheduled.sae.state);

    const relu = { ...SETTINGS, activation: { kind: 'relu', l1: 0.2 } } as const;
    const warm = await trainSae({ ...relu, schedules: { l1: { from: 0, steps: 10 } } }, { engine });
    const full = await trainSae(relu, { engine });
    expect(warm.history.losses['l1']![0]).to.equal(0);
    // After one step of another coefficient the autoencoders differ, but not by much.
    expect(warm.history.losses['l1']![1]! / full.history.losses['l1']![1]!).to.be.closeTo(0.1, 0.02);

    const annealed = await trainSae({ ...SETTINGS, schedules: { k: { from: 5, steps: 20 } } }, { engine });
    expect(annealed.history.loss[0]).to.equal(
      (await trainSae({ ...SETTINGS, activation: { kind: 'topk', k: 5 } }, { engine })).history.loss[0],
    );
    expect(annealed.sae.config.activation).to.deep.equal({ kind: 'topk', k: 1 });
    const unknown = { ...SETTINGS, schedules: { l0: { from: 0, steps: 3 } } };
    expect((await rejection(trainSae(unknown, { engine }))).message).to.include('there is no number l0 to schedule');
  });

  it('counts, in samples, which latents have fired of late', async () => {
    // The latents from 5 on look away from every activation and never fire.
    const dSae = 70;
    const directions = hostTensor(
      Float32Array.from({ length: 2 * dSae }, (_, i) => (i < 10 ? STAR.data[i]! : [0, 1][i % 2]!)),
      [dSae, 2],
    );
    const data = Array.from({ length: 400 }, (_, i) => [1 + (i % 7), -0.01]);
    const settings = { data, dSae, holdOut: 0, activation: { kind: 'topk', k: 1 }, steps: 10, batchSize: 32 } as const;
    const { dead, sae } = await trainSae({ ...settings, start: { directions, bias: 'zero' } }, { engine });
    expect(dead!.window).to.equal(5 * 32);
    expect(dead!.count)
      .to.be.at.least(dSae - 5)
      .and.below(dSae);
    expect(sae.training['dead_latents']).to.equal(dead!.count);
    expect(sae.training['dead_window_samples']).to.equal(160);
    expect(sae.state.buffers['silent']!.data.filter(samples => samples === 320)).to.have.length(dead!.count);
  });

  it('recovers as many directions side by side as alone', async () => {
    const settings = { ...SETTINGS, batchSize: 128, steps: 600 };
    const seeds = Array.from({ length: 24 }, (_, i) => i);
    const recovered = (directions: HostTensor): number =>
      recovery({ directions, trueDirections: STAR, alive: Array<boolean>(5).fill(true), threshold: 0.9 }).recovered;
    const together = (await trainSaes({ ...settings, vary: seeds.map(seed => ({ seed })) }, { engine })).map(
      ({ sae }) => recovered(sae.featureDirections()),
    );
    const alone: number[] = [];
    for (const seed of seeds) {
      alone.push(recovered((await trainSae({ ...settings, seed }, { engine })).sae.featureDirections()));
    }
    // Float rounding may send a seed elsewhere in the end; the distribution stays.
    const mean = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0) / counts.length;
    expect(mean(together)).to.be.closeTo(mean(alone), 0.5);
    expect(mean(together)).to.be.above(1);
  });

  it('is the same in several groups, to the last of hundreds', async () => {
    const settings = { ...SETTINGS, batchSize: 32, schedules: { learningRate: { warmUpSteps: 5 } } };
    const vary = Array.from({ length: 104 }, (_, i) => ({
      seed: 1000 - i,
      activation: { kind: 'topk', k: 1 + (i % 3) } as const,
    }));
    const together = await trainSaes({ ...settings, vary }, { engine, stepsPerCall: 20 });
    for (const i of [0, 25, 26, 27, 51, 52, 102, 103]) {
      const alone = await trainSae({ ...settings, ...vary[i]! }, { engine });
      for (const [name, expected] of Object.entries(alone.sae.state.parameters)) {
        expectWithin(together[i]!.sae.state.parameters[name]!, expected, TOLERANCE, `run ${i}, ${name}`);
      }
      expect(together[i]!.history.loss[49]).to.be.closeTo(alone.history.loss[49]!, 1e-5);
    }
  });
});

describe('what trainSae leaves on disk', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'train-sae-'));
  });

  after(() => rm(folder, { recursive: true }));

  it('saves a model that any runtime reads, with how it was trained', async () => {
    const { sae } = await trainSae({ ...SETTINGS, steps: 20 });
    const file = join(folder, 'sae.onnx');
    await sae.save(file);
    await using loaded = await loadSae(file);
    const rows = normals([7, 2], 3);
    expectWithin(await loaded.encode(rows), sae.encode(rows), 1e-6, 'features');
    const training = loaded.metadata.config!['training'] as Record<string, unknown>;
    expect(training).to.include({ seed: 0, steps: 20, batch: 256 });
    expect(training['data']).to.include({ kind: 'toy-model-activations' });
    expect((await rejection(sae.save(join(folder, 'missing', 'sae.onnx')))).name).to.equal('FileWriteError');
  });

  it('begins where there is no checkpoint, goes on where there is one, and for more steps', async () => {
    const settings = { ...SETTINGS, vary: [1, 3, 2].map(k => ({ activation: { kind: 'topk', k } as const })) };
    const checkpoint = join(folder, 'runs', 'a');
    const whole = await trainSaes(settings);
    const interruption = new AbortController();
    await trainSaes(settings, {
      checkpoint,
      resume: true,
      signal: interruption.signal,
      stepsPerCall: 5,
      onProgress: ({ step }) => step >= 20 && interruption.abort(),
    });
    expect(existsSync(join(checkpoint, 'sae.checkpoint.safetensors'))).to.equal(true);
    const resumed = await trainSaes(settings, { checkpoint, resume: true });
    expect(resumed.map(({ sae }) => sae.state)).to.deep.equal(whole.map(({ sae }) => sae.state));
    const longer = await trainSaes({ ...settings, steps: 60 }, { checkpoint, resume: true });
    expect(longer[0]!.history.loss.subarray(0, 50)).to.deep.equal(whole[0]!.history.loss);
    const other = trainSaes({ ...settings, batchSize: 64 }, { checkpoint, resume: true });
    expect((await rejection(other)).message).to.include('batchSize is 256 there and 64 here');
    const bytes = await readFile(join(checkpoint, 'sae.checkpoint.safetensors'));
    expect(bytes.length).to.be.above(1000);
  });
});
