/** Dead latents that begin anew: where, with what left untouched, and the same bits however a run is cut. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { activationSource } from '../../src/data/activation-data.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { createEngine } from '../../src/engines/create-engine.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { InvalidValueError } from '../../src/errors.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { type HostTensor, type HostTensors, hostTensor } from '../../src/tensor.ts';
import { trainSae, trainSaes } from '../../src/training/node.ts';
import { type ResampledRun, resampled, resolveResampling } from '../../src/training/resample.ts';
import { saeProgram } from './sae-program.ts';

const [ROWS, WIDTH, LATENTS, BATCH] = [200, 6, 70, 32];

function normals(seed: number, shape: readonly [number, number]): HostTensor {
  const random = createRandomSource(seed);
  return hostTensor(
    Float32Array.from({ length: shape[0] * shape[1] }, () => random.normal() + 0.5),
    shape,
  );
}

const norm = (values: readonly number[]): number => Math.hypot(...values);
const column = ({ data, shape }: HostTensor, j: number): number[] =>
  Array.from({ length: shape[0]! }, (_, i) => data[i * shape[1]! + j]!);
const row = ({ data, shape }: HostTensor, i: number): number[] => [...data.slice(i * shape[1]!, (i + 1) * shape[1]!)];

describe('resampling', () => {
  let engine: Engine;
  const rows = normals(3, [ROWS, WIDTH]);
  const options = resolveResampling({ every: 10 });
  const sae = new SparseAutoencoder(
    { dIn: WIDTH, dSae: LATENTS, activation: { kind: 'relu', l1: 0.1 } },
    createRandomSource(1),
    {
      bias: Float32Array.from({ length: WIDTH }, (_, i) => i / 10),
    },
  );
  const run: ResampledRun = { sae, seed: 4, batchSize: BATCH, rows: { fed: rows, encoded: rows } };
  const DEAD = [2, 30, 69];

  /** A state in which every number of a moment is 1, and latents are silent for `samples`. */
  function stateWith(samples: (latent: number) => number): HostTensors {
    const { program } = saeProgram({ batchSize: BATCH }, [sae]);
    return Object.fromEntries(
      Object.entries(program.state).map(([name, { data, shape }]) => {
        if (name === 'buffers.silent')
          return [
            name,
            hostTensor(
              data.map((_, i) => samples(i)),
              shape,
            ),
          ];
        return [
          name,
          /^optimizer\.[mv]\./.test(name)
            ? hostTensor(
                data.map(() => 1),
                shape,
              )
            : { data, shape },
        ];
      }),
    );
  }

  before(async () => {
    engine = await createEngine({ engine: 'onnxruntime', provider: 'cpu' });
  });

  it('takes latents silent for more than half the steps between two, and none that was so for just that', async () => {
    const limit = 5 * BATCH;
    const none = await resampled(
      run,
      stateWith(latent => (DEAD.includes(latent) ? limit : 0)),
      10,
      options,
      engine,
    );
    expect(none.count).to.equal(0);
    const some = await resampled(
      run,
      stateWith(latent => (DEAD.includes(latent) ? limit + 1 : 0)),
      10,
      options,
      engine,
    );
    expect(some.count).to.equal(3);
  });

  it('turns their weights along rows less b_dec, at a fifth of the living columns’ norm, and empties their moments', async () => {
    const state = stateWith(latent => (DEAD.includes(latent) ? 1e6 : 0));
    const { state: after } = await resampled(run, state, 10, options, engine);
    const encoder = after['parameters.W_enc']!;
    const decoder = after['parameters.V']!;
    const bias = state['parameters.b_dec']!.data;
    const alive = Array.from({ length: LATENTS }, (_, i) => i).filter(latent => !DEAD.includes(latent));
    const mean = alive.reduce((sum, i) => sum + norm(column(encoder, i)), 0) / alive.length;
    for (const latent of DEAD) {
      const towards = column(encoder, latent);
      expect(norm(towards)).to.be.closeTo(0.2 * mean, 1e-6);
      expect(norm(row(decoder, latent))).to.be.closeTo(1, 1e-6);
      const cosines = Array.from({ length: ROWS }, (_, i) => {
        const centred = row(rows, i).map((value, j) => value - bias[j]!);
        return centred.reduce((sum, value, j) => sum + value * towards[j]!, 0) / norm(centred) / norm(towards);
      });
      expect(Math.max(...cosines), 'a row').to.be.closeTo(1, 1e-6);
      expect(after['parameters.b_enc']!.data[latent]).to.equal(0);
      expect(after['buffers.silent']!.data[latent]).to.equal(0);
      expect(norm(column(after['optimizer.v.W_enc']!, latent))).to.equal(0);
      expect(norm(row(after['optimizer.v.V']!, latent))).to.equal(0);
      expect(after['optimizer.v.b_enc']!.data[latent]).to.equal(0);
    }
    for (const latent of alive) {
      expect(column(encoder, latent)).to.deep.equal(column(state['parameters.W_enc']!, latent));
      expect(row(decoder, latent)).to.deep.equal(row(state['parameters.V']!, latent));
      expect(norm(column(after['optimizer.v.W_enc']!, latent))).to.equal(Math.sqrt(WIDTH));
    }
    expect(after['parameters.b_dec']).to.equal(state['parameters.b_dec']);
    expect(after['optimizer.v.b_dec']).to.equal(state['optimizer.v.b_dec']);
    expect(new Set(DEAD.map(latent => column(encoder, latent).join())).size, 'different rows').to.equal(3);
  });

  it('draws rows in proportion to the norm of their error', async () => {
    // Nothing fires, so that an error is the row less b_dec: half of the rows have three times the norm of the others.
    const state = { ...stateWith(latent => (latent === 0 ? 1e6 : 0)) };
    state['parameters.b_enc'] = hostTensor(new Float32Array(LATENTS).fill(-1e3), [LATENTS]);
    const bias = state['parameters.b_dec']!.data;
    const long = hostTensor(
      Float32Array.from({ length: BATCH * WIDTH }, (_, at) => {
        const [i, j] = [Math.floor(at / WIDTH), at % WIDTH];
        return bias[j]! + (j === 0 ? (i % 2 === 0 ? 3 : -1) : 0);
      }),
      [BATCH, WIDTH],
    );
    let drawnLong = 0;
    const TRIES = 300;
    for (let step = 1; step <= TRIES; step++) {
      const { state: after } = await resampled(
        { ...run, rows: { fed: long, encoded: long } },
        state,
        step,
        options,
        engine,
      );
      if (after['parameters.W_enc']!.data[0]! > 0) drawnLong++;
    }
    // Three quarters: within 4.5 standard deviations.
    expect(drawnLong / TRIES).to.be.closeTo(0.75, 4.5 * Math.sqrt((0.75 * 0.25) / TRIES));
  });

  const SETTINGS = {
    data: rows,
    dSae: LATENTS,
    batchSize: BATCH,
    holdOut: 0,
    learningRate: 0.05,
    activation: { kind: 'relu', l1: 20 },
    resample: { every: 10, deadAfter: 3 },
    schedules: { learningRate: { warmUpSteps: 3 } },
  } as const;

  it('gives the same bits resumed at a resampling, between two, and not at all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'resample-'));
    try {
      const told: [number, number][] = [];
      const whole = await trainSae({ ...SETTINGS, steps: 35 }, { onResample: (...given) => told.push(given) });
      expect(told.map(([step]) => step)).to.deep.equal([20, 30]);
      expect(Math.min(...told.map(([, latents]) => latents))).to.be.above(0);
      for (const stop of [10, 17]) {
        const checkpoint = join(folder, String(stop));
        await trainSae({ ...SETTINGS, steps: stop }, { checkpoint });
        const again = await trainSae({ ...SETTINGS, steps: 35 }, { checkpoint, resume: true });
        for (const [name, { data }] of Object.entries(whole.sae.state.parameters)) {
          expect(again.sae.state.parameters[name]!.data, `${name} after ${stop}`).to.deep.equal(data);
        }
        expect([...again.history.loss]).to.deep.equal([...whole.history.loss]);
      }
      const without = await trainSae({ ...SETTINGS, resample: undefined as never, steps: 35 });
      expect(without.sae.state.parameters['W_enc']!.data).not.to.deep.equal(whole.sae.state.parameters['W_enc']!.data);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('resamples each of several side by side as alone, also where few latents are counted for it alone', async () => {
    const settings = { ...SETTINGS, dSae: 12, steps: 25 };
    const source = sparseFeatures({ nFeatures: WIDTH, sparsity: 0.7 });
    const vary = [{ seed: 1 }, { seed: 2 }];
    const told: number[] = [];
    const together = await trainSaes(
      { ...settings, data: source, vary },
      { onResample: (_, count) => told.push(count) },
    );
    expect(told.reduce((sum, count) => sum + count, 0)).to.be.above(0);
    for (const [i, own] of vary.entries()) {
      const alone = await trainSae({ ...settings, data: source, ...own });
      const { W_enc } = together[i]!.sae.state.parameters;
      for (const [at, value] of alone.sae.state.parameters['W_enc']!.data.entries()) {
        expect(W_enc!.data[at]).to.be.closeTo(value, 1e-5);
      }
    }
  });

  it('refuses what it cannot do', async () => {
    expect(() => resolveResampling({ every: 1 })).to.throw(
      InvalidValueError,
      'resample.every must be a whole number from 2, got 1',
    );
    expect(() => resolveResampling({ every: 5, deadAfter: 0 })).to.throw(InvalidValueError, 'got 0');
    expect(() => resolveResampling({ every: 5, encoderShare: 0 })).to.throw(
      InvalidValueError,
      'encoderShare must be positive',
    );
    const pairs = activationSource({ input: rows, target: rows } as never);
    await trainSae({ ...SETTINGS, data: pairs, steps: 1 }).then(
      () => expect.fail('a transcoder was resampled'),
      error => expect(error).to.be.instanceOf(InvalidValueError),
    );
  });
});
