import { expect } from 'chai';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { createSparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import type { ActivationConfig } from '../../src/models/activations/registry.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { hostTensor } from '../../src/tensor.ts';
import { initialSae, type SaeTraining, saeProgram } from '../../src/training/train-sae.ts';
import { normals, uniforms } from './sparse-update-oracle.ts';

type Settings = Pick<SaeTraining, 'activation' | 'decoder' | 'holdBias'>;

/** Dead latents that start with a b_enc too low to fire, and count as dead from the start or soon after. */
const revived = (activation: 'topk' | 'batchtopk', k?: number): ActivationConfig => ({
  kind: activation,
  k: 5,
  auxK: { deadAfter: 2, coefficient: 0.5, ...(k !== undefined && { k }) },
});

const CASES: readonly (readonly [string, Settings])[] = [
  ...(['topk', 'batchtopk'] as const).flatMap(kind =>
    (['reparametrise', 'renormalise', 'free'] as const).map(
      decoder => [`${kind}, ${decoder}`, { activation: { kind, k: 5 }, decoder }] as const,
    ),
  ),
  ...(['reparametrise', 'renormalise', 'free'] as const).map(
    decoder => [`relu, ${decoder}`, { activation: { kind: 'relu', l1: 0.03 }, decoder }] as const,
  ),
  ['relu without a penalty', { activation: { kind: 'relu' } }],
  ['topk, the bias held', { activation: { kind: 'topk', k: 5 }, holdBias: true }],
  ['relu, the bias held', { activation: { kind: 'relu', l1: 0.03 }, holdBias: true }],
  ['topk, dead latents revived', { activation: revived('topk') }],
  ['topk, more dead latents than are revived', { activation: revived('topk', 3) }],
  ['batchtopk, dead latents revived, free', { activation: revived('batchtopk', 7), decoder: 'free' }],
  ['topk, dead latents revived, renormalise', { activation: revived('topk', 4), decoder: 'renormalise' }],
];

describe('the sparse update beside the recorded graph', () => {
  for (const [name, settings] of CASES) {
    it(`gives the same losses and state: ${name}`, async () => {
      const training: SaeTraining = {
        dIn: 21,
        dSae: 96,
        batchSize: 32,
        steps: 10_000,
        seed: 4,
        // A larger eps than usual keeps Adam from turning rounding into whole steps where gradients vanish.
        optimizer: { learningRate: 1e-3, betas: [0.9, 0.999] as const, eps: 1e-5 },
        ...settings,
      };
      const random = uniforms(11);
      const steps = 5;
      const activations = normals(steps * 32 * 21, random);
      const sample = hostTensor(normals(200 * 21, random), [200, 21]);
      const program = saeProgram(training, [initialSae(training, sample)]);
      // Every fourth latent never fires of itself, but for some rows that come near.
      const bias = program.state['parameters.b_enc']!.data;
      for (let latent = 0; latent < bias.length; latent += 4) bias[latent] = -1.5;
      const graph = await createOnnxRuntimeEngine(await loadNodeRuntime()).prepare(program);
      const sparse = await createSparseUpdateRunner(program, { threads: 2, anySize: true });
      try {
        const expected = await graph.run(steps, { activations });
        const got = await sparse.run(steps, { activations });
        for (let step = 0; step < steps; step++) {
          expect(got['loss']![step], `loss ${step}`).to.be.closeTo(expected['loss']![step]!, 1e-5);
        }
        const [theirs, ours] = [await graph.read(), await sparse.read()];
        expect(Object.keys(ours)).to.have.members(Object.keys(theirs));
        for (const [entry, { shape, data }] of Object.entries(theirs)) {
          expect(ours[entry]!.shape, entry).to.deep.equal(shape);
          const worst = data.reduce((most, value, at) => Math.max(most, Math.abs(value - ours[entry]!.data[at]!)), 0);
          expect(worst, entry).to.be.below(1e-5);
        }
        if ('auxK' in settings.activation) {
          expect(Math.max(...theirs['buffers.silent']!.data), 'dead latents').to.be.above(2);
        }
      } finally {
        await graph.dispose();
        await sparse.dispose();
      }
    });
  }
});
