import { expect } from 'chai';
import { recovery } from '../../src/analysis/recovery.ts';
import { generatedBatches } from '../../src/data/batch-source.ts';
import { hiddenActivations } from '../../src/data/hidden-activations.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { SyntheticSparseDataGenerator } from '../../src/data/synthetic-sparse.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import type { ActivationConfig } from '../../src/models/activations/registry.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { HostTensor } from '../../src/tensor.ts';
import type { Checkpoint } from '../../src/training/checkpoint.ts';
import {
  type ActivationData,
  initialSae,
  type SaeTraining,
  trainSae,
  trainSaes,
} from '../../src/training/train-sae.ts';
import { trainToyModels } from '../../src/training/train-toy-models.ts';

/** Five directions at equal angles. */
const STAR: HostTensor = {
  data: Float32Array.from({ length: 10 }, (_, i) =>
    i % 2 === 0 ? Math.cos((Math.PI * i) / 5) : Math.sin((Math.PI * (i - 1)) / 5),
  ),
  shape: [5, 2],
};

function starActivations(batchSize: number): ActivationData {
  const make = (random: ReturnType<typeof createRandomSource>) =>
    hiddenActivations(STAR, new SyntheticSparseDataGenerator(batchSize, [0.9, 0.9, 0.9, 0.9, 0.9], random));
  const data = new Float32Array(4000 * 2);
  make(createRandomSource(99)).fill(data);
  return {
    sample: { data, shape: [4000, 2] },
    batches: seed => generatedBatches('activations', createRandomSource(seed), make),
  };
}

const SETTINGS: SaeTraining = {
  dIn: 2,
  dSae: 5,
  activation: { kind: 'topk', k: 1 },
  init: 'gaussian',
  batchSize: 256,
  steps: 50,
  seed: 0,
};

const of = (settings: SaeTraining, seeds: readonly number[]): SaeTraining[] =>
  seeds.map(seed => ({ ...settings, seed }));

function expectWithin(actual: HostTensor, expected: HostTensor, tolerance: number, what: string): void {
  expect(actual.shape, what).to.deep.equal(expected.shape);
  expected.data.forEach((value, i) => {
    expect(Math.abs(actual.data[i]! - value), `${what}[${i}]`).to.be.at.most(tolerance * Math.max(1, Math.abs(value)));
  });
}

describe('autoencoders side by side', () => {
  let engine: Engine;

  before(async () => {
    engine = createOnnxRuntimeEngine(await loadNodeRuntime());
  });

  const activations: readonly ActivationConfig[] = [
    { kind: 'topk', k: 1 },
    { kind: 'topk', k: 2 },
    { kind: 'relu', l1: 0.01 },
    { kind: 'batchtopk', k: 1 },
  ];
  for (const activation of activations) {
    it(`have the parameters of each trained alone after 50 steps: ${JSON.stringify(activation)}`, async () => {
      const data = starActivations(256);
      const seeds = [5, 1, 42, 7, 8, 9, 10];
      await expectAsAlone(
        seeds.map(seed => ({ ...SETTINGS, activation, seed })),
        data,
      );
    });
  }

  it('have the parameters of each trained alone with an auxiliary loss too', async () => {
    // With a larger ε: dead latents have gradients that are 0 but for rounding, of which Adam makes whole steps.
    const optimizer = { learningRate: 0.005, betas: [0, 0.999], eps: 1e-3 } as const;
    const runs = [1, 2, 1, 3].map((k, seed) => {
      const activation = { kind: 'topk', k, auxK: { deadAfter: 4, coefficient: 1 } } as const;
      return { ...SETTINGS, dSae: 9, activation, optimizer, seed };
    });
    await expectAsAlone(runs, starActivations(64));
  });

  const mixed: readonly (readonly ActivationConfig[])[] = [
    [1, 2, 5, 3, 1, 2, 4].map(k => ({ kind: 'topk', k })),
    [1, 0.5, 2, 1.7, 1, 5, 3].map(k => ({ kind: 'batchtopk', k })),
    [0, 0.01, 0.3, 0.1, 0, 0.02, 0.003].map(l1 => ({ kind: 'relu', l1 })),
  ];
  for (const own of mixed) {
    it(`that differ in sparsity, seed and start have the parameters of each trained alone: ${own[0]!.kind}`, async () => {
      const starts = ['gaussian', 'activations', 'spread'] as const;
      const runs = own.map((activation, i) => ({ ...SETTINGS, activation, seed: i >> 1, init: starts[i % 3]! }));
      await expectAsAlone(runs, starActivations(256));
    });
  }

  /** In parameters, thresholds, directions and losses. */
  async function expectAsAlone(runs: readonly SaeTraining[], data: ActivationData): Promise<void> {
    const together = await trainSaes(runs, data, { engine, snapshotAt: [0, 50] });
    for (const [i, run] of runs.entries()) {
      const what = `run ${i}`;
      const alone = await trainSae(run, data, { engine, snapshotAt: [0, 50] });
      const { sae, start, loss, directions } = together[i]!;
      expect(sae.config, what).to.deep.equal(alone.sae.config);
      expect(start.state, what).to.deep.equal(alone.start.state);
      for (const part of ['parameters', 'buffers'] as const) {
        expect(Object.keys(sae.state[part])).to.deep.equal(Object.keys(alone.sae.state[part]));
        for (const [name, expected] of Object.entries(alone.sae.state[part])) {
          expectWithin(sae.state[part][name]!, expected, 1e-5, `${what}, ${name}`);
        }
      }
      expectWithin(directions[1]!.value, alone.directions[1]!.value, 1e-5, `directions of ${what}`);
      expect(loss).to.have.length(50);
      alone.loss.forEach((expected, step) => {
        expect(loss[step], `loss of ${what}`).to.be.closeTo(expected, 1e-5);
      });
    }
  }

  it('are refused where they differ in something else', async () => {
    const data = starActivations(64);
    const refused = async (...runs: SaeTraining[]) =>
      String(await trainSaes(runs, data, { engine }).catch((error: unknown) => error));
    expect(await refused()).to.include('InvalidValueError: there must be at least one run');
    expect(await refused(SETTINGS, { ...SETTINGS, dSae: 6 })).to.include(
      'InvalidValueError: dSae must be the same for all that train side by side, got 5 in run 0 and 6 in run 1',
    );
    expect(await refused(SETTINGS, { ...SETTINGS, holdBias: true }))
      .to.include('holdBias')
      .and.include('its default');
    const batchTopk = { kind: 'batchtopk', k: 1 } as const;
    expect(await refused(SETTINGS, { ...SETTINGS, activation: batchTopk }))
      .to.include('"topk"')
      .and.include('"batchtopk"');
  });

  it('go on from a checkpoint to the same bits, each as sparse as it was', async () => {
    const data = starActivations(64);
    const runs = [1, 3, 2].map(k => ({ ...SETTINGS, activation: { kind: 'topk', k } as const, batchSize: 64 }));
    const whole = await trainSaes(runs, data, { engine });
    const kept: Checkpoint[] = [];
    const save = async (checkpoint: Checkpoint) => void kept.push(structuredClone(checkpoint));
    await trainSaes(runs, data, { engine, checkpoint: { every: 20, experiment: {}, where: 'memory', save } });
    const resumed = await trainSaes(runs, data, { engine, resume: kept[0]! });
    expect(kept[0]!.step).to.equal(20);
    expect(resumed.map(({ sae }) => sae.state)).to.deep.equal(whole.map(({ sae }) => sae.state));
    const others = runs.map(run => ({ ...run, activation: { kind: 'topk', k: 1 } as const }));
    const refused = await trainSaes(others, data, { engine, resume: kept[0]! }).catch((error: unknown) => error);
    expect(String(refused)).to.include('FileFormatError').and.include('"buffers.kept", which this step does not have');
  });

  it('recover as many directions as those trained alone', async () => {
    const data = starActivations(128);
    const settings = { ...SETTINGS, batchSize: 128, steps: 600 };
    const seeds = Array.from({ length: 24 }, (_, i) => i);
    const recovered = (directions: HostTensor): number =>
      recovery({ directions, trueDirections: STAR, alive: Array<boolean>(5).fill(true), threshold: 0.9 }).recovered;
    const together = (await trainSaes(of(settings, seeds), data, { engine })).map(({ sae }) =>
      recovered(sae.featureDirections()),
    );
    const alone: number[] = [];
    for (const seed of seeds) {
      alone.push(recovered((await trainSae({ ...settings, seed }, data, { engine })).sae.featureDirections()));
    }
    // Float rounding may send a seed elsewhere in the end; the distribution stays.
    const mean = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0) / counts.length;
    expect(mean(together)).to.be.closeTo(mean(alone), 0.5);
    expect(mean(together)).to.be.above(1);
  });

  it('train toy models alike too', async () => {
    const settings = { nFeatures: 5, nHidden: 2, sparsity: 0.9, batchSize: 256, steps: 400, seed: 4 };
    const together = await trainToyModels({ ...settings, nInstances: 24 }, { engine });
    const alone: number[] = [];
    for (let seed = 0; seed < 12; seed++) {
      alone.push((await trainToyModels({ ...settings, seed }, { engine })).losses[0]!);
    }
    const mean = (losses: readonly number[]): number => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    expect(mean(together.losses)).to.be.closeTo(mean(alone), 0.15 * mean(alone));
    expect(together.best).to.equal(together.losses.indexOf(Math.min(...together.losses)));
  });

  it('are the same in several groups, to the last of hundreds', async () => {
    const data = starActivations(32);
    const settings = { ...SETTINGS, batchSize: 32, schedule: { warmUpSteps: 5 } };
    const seeds = Array.from({ length: 104 }, (_, i) => 1000 - i);
    const runs = of(settings, seeds).map((run, i) => ({
      ...run,
      activation: { kind: 'topk', k: 1 + (i % 3) } as const,
    }));
    const together = await trainSaes(runs, data, { engine, stepsPerCall: 20 });
    for (const i of [0, 25, 26, 27, 51, 52, 102, 103]) {
      const alone = await trainSae(runs[i]!, data, { engine });
      for (const [name, expected] of Object.entries(alone.sae.state.parameters)) {
        expectWithin(together[i]!.sae.state.parameters[name]!, expected, 1e-5, `seed ${seeds[i]}, ${name}`);
      }
      const { loss, losses } = together[i]!.run.metrics;
      expect(losses![49 * 104 + i]).to.be.closeTo(alone.run.metrics['loss']![49]!, 1e-5);
      const sum = losses!.subarray(49 * 104).reduce((total, one) => total + one, 0);
      expect(loss![49]).to.be.closeTo(sum, 1e-4 * sum);
    }
  });

  it('keep b_dec where it starts when it is held, alone and side by side; the first step of all else is the same', async () => {
    const data = starActivations(256);
    const held = { ...SETTINGS, holdBias: true };
    const start = initialSae(SETTINGS, data.sample).state.parameters;
    const { sae, run } = await trainSae(held, data, { engine });
    expect(sae.state.parameters['b_dec']).to.deep.equal(start['b_dec']);
    expect(sae.state.parameters['W_enc']).to.not.deep.equal(start['W_enc']);
    expect(Object.keys(run.state)).to.include('optimizer.v.V').and.not.include('optimizer.v.b_dec');

    const one = { steps: 1 };
    const [trained, still] = [SETTINGS, held].map(settings => trainSae({ ...settings, ...one }, data, { engine }));
    const [a, b] = [(await trained!).sae.state.parameters, (await still!).sae.state.parameters];
    for (const name of ['V', 'W_enc', 'b_enc']) expectWithin(b[name]!, a[name]!, 1e-6, name);
    expect(a['b_dec']).to.not.deep.equal(start['b_dec']);

    const together = await trainSaes(of(held, [0, 1]), data, { engine });
    for (const { sae: each } of together) expect(each.state.parameters['b_dec']).to.deep.equal(start['b_dec']);
    expectWithin(together[0]!.sae.state.parameters['V']!, sae.state.parameters['V']!, 1e-5, 'V');
  });

  it('follow a schedule of learning rates, resumed or not', async () => {
    const data = starActivations(64);
    const schedule = { warmUpSteps: 10, decay: 'cosine' } as const;
    const [constant, scheduled] = [
      await trainSae({ ...SETTINGS, batchSize: 64 }, data, { engine, stepsPerCall: 7 }),
      await trainSae({ ...SETTINGS, batchSize: 64, schedule }, data, { engine, stepsPerCall: 7 }),
    ];
    expect(scheduled.run.metrics['loss']![0]).to.equal(constant.run.metrics['loss']![0]);
    expect(scheduled.sae.state).to.not.deep.equal(constant.sae.state);
    const again = await trainSae({ ...SETTINGS, batchSize: 64, schedule }, data, { engine, stepsPerCall: 50 });
    expect(again.sae.state).to.deep.equal(scheduled.sae.state);
  });
});
