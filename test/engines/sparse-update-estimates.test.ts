/** Products of bytes say which latents may be active: they must never rule out one that is, and rule out nearly all that are not. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { createSparseUpdateRunner, type SparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import type { HostTensors } from '../../src/tensor.ts';
import { saeProgram } from '../training/sae-program.ts';
import { normals, uniforms } from './sparse-update-oracle.ts';

const D_IN = 256;
const D_SAE = 1024;
const BATCH = 50;
const STEPS = 4;
/** A batch whose candidates fill several pages of memory. */
const FULL = { batchSize: 512, threads: 1 } as const;
/** Work of which bytes of 6 bits leave too much. */
const FINE = { needsFine: true } as const;

interface Outcome {
  readonly losses: Float32Array;
  readonly state: HostTensors;
  /** Steps that estimates decided, and what they left to be computed exactly, in all shards. */
  readonly steps: number;
  readonly candidates: number;
  /** Whether bytes have all their 8 bits. Processors without VNNI leave them 6 and a sign: what such bytes cannot rule out may be too much. */
  readonly isFine: boolean;
}

interface Work {
  readonly activation: ActivationConfig;
  readonly decoder?: 'free';
  readonly threads?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly change?: (state: HostTensors) => void;
  readonly activations?: Float32Array;
  /** Whether estimates decide every step only where bytes have all their bits. */
  readonly needsFine?: true;
}

async function train(work: Work, estimates: boolean): Promise<Outcome> {
  const { activation, decoder = 'reparametrise', threads = 2, batchSize = BATCH, learningRate = 1e-3 } = work;
  const sae = new SparseAutoencoder({ dIn: D_IN, dSae: D_SAE, activation, decoder }, createRandomSource(4), {});
  const optimizer = { learningRate, betas: [0.9, 0.999], eps: 1e-5 } as const;
  const { program } = saeProgram({ batchSize, optimizer, reports: { l0: true, deadAfter: 2 * batchSize } }, [sae]);
  work.change?.(program.state);
  const runner: SparseUpdateRunner = await createSparseUpdateRunner(program, { threads, anySize: true, estimates });
  try {
    const activations = work.activations ?? normals(STEPS * batchSize * D_IN, uniforms(11));
    const { loss } = await runner.run(STEPS, { activations });
    const counts = await runner.estimated();
    return {
      losses: loss!,
      state: await runner.read(),
      steps: Math.min(...counts.map(({ steps }) => steps)),
      candidates: counts.reduce((sum, { candidates }) => sum + candidates, 0),
      isFine: counts.every(({ reach }) => reach === 127),
    };
  } finally {
    await runner.dispose();
  }
}

/** Sets b_enc, so that about as many latents fire as are asked for by a threshold. */
function bias(value: number): (state: HostTensors) => void {
  return state => void state['parameters.b_enc']!.data.fill(value);
}

/** One weight of every third encoder row is far larger than the rest: bytes say little of such a row. */
function outliers(state: HostTensors): void {
  const encoder = state['parameters.W_enc']!.data;
  for (let latent = 0; latent < D_SAE; latent += 3) encoder[(latent % D_IN) * D_SAE + latent]! *= 30;
}

function expectSame(got: Outcome, expected: Outcome): void {
  for (let step = 0; step < STEPS; step++) expect(got.losses[step]).to.be.closeTo(expected.losses[step]!, 2e-6);
  for (const [name, { data }] of Object.entries(expected.state)) {
    const theirs = got.state[name]!.data;
    const scale = data.reduce((most: number, value) => Math.max(most, Math.abs(value)), 1e-3);
    for (let at = 0; at < data.length; at++) {
      // Without a call of chai for each of a million numbers.
      if (!(Math.abs(theirs[at]! - data[at]!) <= 2e-5 * scale)) expect(theirs[at], `${name}[${at}]`).to.equal(data[at]);
    }
  }
}

describe('the sparse update by estimates', () => {
  const cases: readonly (readonly [string, Work])[] = [
    ['topk', { activation: { kind: 'topk', k: 8 } }],
    ['topk, one thread', { activation: { kind: 'topk', k: 8 }, threads: 1 }],
    ['topk, three threads', { activation: { kind: 'topk', k: 8 }, threads: 3 }],
    ['topk by norms', { activation: { kind: 'topk', k: 8, rescaleByDecoderNorm: true }, decoder: 'free' }],
    [
      'topk, few dead latents',
      { activation: { kind: 'topk', k: 8, auxK: { deadAfter: 1, k: 16, form: 'saelens' } }, change: deadTail(30) },
    ],
    [
      'topk, many dead latents',
      { activation: { kind: 'topk', k: 8, auxK: { deadAfter: 1, k: 16, form: 'saelens' } }, change: deadTail(600) },
    ],
    ['topk, rows with outliers', { activation: { kind: 'topk', k: 8 }, change: outliers, ...FINE }],
    // Bytes of encoder rows as they were a step ago would be of no use.
    ['topk, long steps', { activation: { kind: 'topk', k: 8 }, learningRate: 0.03 }],
    ['batchtopk', { activation: { kind: 'batchtopk', k: 8 } }],
    ['batchtopk by norms', { activation: { kind: 'batchtopk', k: 8, rescaleByDecoderNorm: true }, decoder: 'free' }],
    ['relu', { activation: { kind: 'relu', l1: 0.01 }, change: bias(-2.4) }],
    ['jumprelu', { activation: { kind: 'jumprelu', l0: 0.01, bandwidth: 0.1, threshold: 0.2 }, change: bias(-2.2) }],
    // Nearly as many candidates as there is room for, in one memory: an array that is too short for them ends beyond it.
    ['relu, many', { activation: { kind: 'relu', l1: 0.01 }, change: bias(-1.9), ...FULL }],
    [
      'jumprelu, many',
      {
        activation: { kind: 'jumprelu', l0: 0.01, bandwidth: 0.1, threshold: 0.2 },
        change: bias(-1.7),
        ...FULL,
        ...FINE,
      },
    ],
    ['topk, many', { activation: { kind: 'topk', k: 16 }, ...FULL, ...FINE }],
    ['batchtopk, many', { activation: { kind: 'batchtopk', k: 16 }, ...FULL, ...FINE }],
  ];

  for (const [name, work] of cases) {
    it(`trains as products of floats do: ${name}`, async () => {
      const [byFloats, byEstimates] = [await train(work, false), await train(work, true)];
      expect(byFloats.steps).to.equal(0);
      if (byEstimates.isFine || !work.needsFine) expect(byEstimates.steps).to.equal(STEPS);
      // A sixteenth of all would be too many to be worth it.
      expect(byEstimates.candidates / (STEPS * (work.batchSize ?? BATCH))).to.be.lessThan(D_SAE / 10);
      expectSame(byEstimates, byFloats);
    });
  }

  it('repeats to the bit', async () => {
    const work: Work = { activation: { kind: 'batchtopk', k: 8 } };
    expect((await train(work, true)).state).to.deep.equal((await train(work, true)).state);
  });

  it('computes everything where too much cannot be ruled out', async () => {
    // In the first step every latent is as good as every other.
    const work: Work = {
      activation: { kind: 'topk', k: 8 },
      change(state) {
        state['parameters.W_enc']!.data.fill(0);
        state['parameters.b_enc']!.data.fill(0.01);
      },
    };
    const [byFloats, byEstimates] = [await train(work, false), await train(work, true)];
    expect(byEstimates.steps).to.be.lessThan(STEPS);
    expectSame(byEstimates, byFloats);
  });
});

/** The last latents are below all that are active, and count as dead from the start. In SAELens's form they are revived all the same. */
function deadTail(count: number): (state: HostTensors) => void {
  return state => {
    state['parameters.b_enc']!.data.fill(-4, D_SAE - count);
    state['buffers.silent']!.data.fill(1e6, D_SAE - count);
  };
}
