import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { createSparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { saeProgram } from '../training/sae-program.ts';
import { normals, uniforms } from './sparse-update-oracle.ts';

describe('the sparse update beside the recorded graph', () => {
  for (const kind of ['topk', 'batchtopk'] as const) {
    for (const decoder of ['reparametrise', 'renormalise'] as const) {
      it(`gives the same losses and state: ${kind}, ${decoder}`, async () => {
        const settings = {
          batchSize: 32,
          // A larger eps than usual keeps Adam from turning rounding into whole steps where gradients vanish.
          optimizer: { learningRate: 1e-3, betas: [0.9, 0.999] as const, eps: 1e-5 },
        };
        const random = uniforms(11);
        const steps = 5;
        const activations = normals(steps * 32 * 21, random);
        // Enough latents for their firing to be counted.
        const config = { dIn: 21, dSae: 96, activation: { kind, k: 5 }, decoder };
        const { program } = saeProgram(settings, [new SparseAutoencoder(config, createRandomSource(4))]);
        expect(Object.keys(program.state)).to.include('buffers.silent');
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
          for (const [name, { shape, data }] of Object.entries(theirs)) {
            expect(ours[name]!.shape, name).to.deep.equal(shape);
            const worst = data.reduce((most, value, at) => Math.max(most, Math.abs(value - ours[name]!.data[at]!)), 0);
            expect(worst, name).to.be.below(1e-5);
          }
        } finally {
          await graph.dispose();
          await sparse.dispose();
        }
      });
    }
  }
});
