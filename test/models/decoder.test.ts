/** The three ways of keeping decoder rows at unit norm, seen through whole training steps. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { prepareCpuBackend } from '../../src/engines/backends.ts';
import { createEagerEngine } from '../../src/engines/eager.ts';
import type { DecoderForm } from '../../src/models/decoder.ts';
import { saeTrainable } from '../../src/models/sae-trainable.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { type HostTensors, zeros } from '../../src/tensor.ts';
import { adam, type Optimizer } from '../../src/training/optimizers.ts';
import { trainingStep } from '../../src/training/training-step.ts';
import { entryOf, expectClose, normals, rowNorms } from './tensors.ts';

const BATCH = 32;

function create(decoder: DecoderForm, l1 = 0): SparseAutoencoder {
  const activation = l1 > 0 ? ({ kind: 'relu', l1 } as const) : ({ kind: 'topk', k: 3 } as const);
  return new SparseAutoencoder({ dIn: 4, dSae: 10, activation, decoder }, createRandomSource(3));
}

/** The state after `steps`; `optimizer` sees gradients as training does. */
async function train(sae: SparseAutoencoder, steps: number, optimizer: Optimizer) {
  const engine = createEagerEngine('cpu', await prepareCpuBackend());
  const runner = await engine.prepare(
    trainingStep({
      model: saeTrainable(sae),
      state: sae.state,
      optimizer,
      batch: { activations: [BATCH, 4] },
      constants: Object.fromEntries(Object.entries(sae.architecture.scalars).map(([name, { value }]) => [name, value])),
    }),
  );
  const { loss } = await runner.run(steps, { activations: normals([steps, BATCH, 4], 5).data });
  const state = await runner.read();
  await runner.dispose();
  return { loss: loss!, state };
}

/** Leaves the parameters alone and keeps their gradients as its state. */
const gradientsOnly: Optimizer = {
  options: adam().options,
  init: parameters => Object.fromEntries(Object.entries(parameters).map(([name, { shape }]) => [name, zeros(shape)])),
  update: (parameters, gradients) => ({ parameters, state: gradients }),
};

/** Rows' inner products. */
function alongRows(a: HostTensors[string], b: HostTensors[string]): number[] {
  return Array.from({ length: a!.shape[0]! }, (_, row) =>
    entryOf(a!, row).data.reduce((sum, value, i) => sum + value * entryOf(b!, row).data[i]!, 0),
  );
}

describe('decoder forms', () => {
  it('renormalise: the gradient along each row is removed, and only that', async () => {
    const sae = create('renormalise');
    const free = create('free');
    free.state = sae.state;
    const projected = (await train(sae, 1, gradientsOnly)).state;
    const full = (await train(free, 1, gradientsOnly)).state;
    const rows = sae.state.parameters['W_dec']!;
    const [gradient, before] = [projected['optimizer.W_dec']!, full['optimizer.W_dec']!];
    for (const along of alongRows(gradient, rows)) expect(along).to.be.closeTo(0, 1e-7);
    const removed = alongRows(before, rows);
    expect(Math.max(...removed.map(Math.abs))).to.be.above(1e-3);
    expectClose(gradient, {
      ...before,
      data: before.data.map((value, i) => value - removed[Math.floor(i / 4)]! * rows.data[i]!),
    });
    for (const name of ['W_enc', 'b_enc', 'b_dec'])
      expectClose(projected[`optimizer.${name}`], full[`optimizer.${name}`]!);
  });

  it('renormalise: rows have unit norm after every step', async () => {
    for (const steps of [1, 20]) {
      const { state } = await train(create('renormalise'), steps, adam({ learningRate: 0.05 }));
      for (const norm of rowNorms(state['parameters.W_dec']!)) expect(norm).to.be.closeTo(1, 1e-6);
    }
  });

  it('unprojected: rows have unit norm after every step, and the gradient is whole', async () => {
    const sae = create('unprojected');
    const free = create('free');
    free.state = sae.state;
    const whole = (await train(free, 1, gradientsOnly)).state['optimizer.W_dec']!;
    expectClose((await train(sae, 1, gradientsOnly)).state['optimizer.W_dec'], whole, 0);
    for (const steps of [1, 20]) {
      const { state } = await train(create('unprojected'), steps, adam({ learningRate: 0.05 }));
      for (const norm of rowNorms(state['parameters.W_dec']!)) expect(norm).to.be.closeTo(1, 1e-6);
    }
  });

  it('reparametrise: gradients stand across the rows of V, which are left to grow', async () => {
    const sae = create('reparametrise');
    const { state } = await train(sae, 1, gradientsOnly);
    for (const along of alongRows(state['optimizer.V']!, sae.state.parameters['V']!))
      expect(along).to.be.closeTo(0, 1e-7);
    const after = (await train(sae, 20, adam({ learningRate: 0.05 }))).state;
    expect(Math.max(...rowNorms(after['parameters.V']!))).to.be.above(1.01);
    sae.state = { ...sae.state, parameters: { ...sae.state.parameters, V: after['parameters.V']! } };
    for (const norm of rowNorms(sae.featureDirections())) expect(norm).to.be.closeTo(1, 1e-6);
  });

  it('free: rows are as they come', async () => {
    const sae = create('free');
    const { state } = await train(sae, 20, adam({ learningRate: 0.05 }));
    const norms = rowNorms(state['parameters.W_dec']!);
    expect(Math.max(...norms) - Math.min(...norms)).to.be.above(0.01);
  });

  it('L1 weighs features by the norm of their row, so that growing rows buys nothing', async () => {
    const l1 = 0.1;
    const sae = create('free', l1);
    // Rows twice as long with features half as large: the same reconstruction, and the same penalty.
    const { W_dec, W_enc, b_enc, b_dec } = sae.state.parameters as Record<string, HostTensors[string]>;
    const scaled = create('free', l1);
    scaled.state = {
      buffers: {},
      parameters: {
        W_dec: { ...W_dec!, data: W_dec!.data.map(value => value * 2) },
        W_enc: { ...W_enc!, data: W_enc!.data.map(value => value / 2) },
        b_enc: b_enc!,
        b_dec: b_dec!,
      },
    };
    const losses = await Promise.all([sae, scaled].map(async model => (await train(model, 1, gradientsOnly)).loss[0]!));
    expect(losses[1]).to.be.closeTo(losses[0]!, 1e-6);

    const batch = normals([1, BATCH, 4], 5);
    const { features, reconstruction } = sae.forward(entryOf(batch, 0));
    const squares = reconstruction.data.reduce((sum, value, i) => sum + (value - batch.data[i]!) ** 2, 0) / (BATCH * 4);
    const penalty = features.data.reduce((sum, value) => sum + value, 0) / BATCH;
    expect(losses[0]).to.be.closeTo(squares + l1 * penalty, 1e-5);
    expect((await train(create('reparametrise', l1), 1, gradientsOnly)).loss[0]).to.be.closeTo(losses[0]!, 1e-6);
  });
});
