import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { prepareCpuBackend, prepareWasmBackend } from '../../src/engines/backends.ts';
import { createEagerEngine } from '../../src/engines/eager.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { itRunsSteps, toyBatches, toyProgram } from './step-runner-contract.ts';

describe('TensorFlow.js on cpu', () => itRunsSteps(async () => createEagerEngine('cpu', await prepareCpuBackend()), 1));
describe('TensorFlow.js on wasm', () =>
  itRunsSteps(async () => createEagerEngine('wasm', await prepareWasmBackend()), 7));

/** Trains in calls of one step, with a read between them: everything that awaits. */
async function trained(engine: Engine, seed: number): Promise<unknown> {
  const runner = await engine.prepare(toyProgram(seed));
  const batches = toyBatches(6);
  const size = batches.length / 6;
  const losses: number[] = [];
  for (let step = 0; step < 6; step++) {
    const { loss } = await runner.run(1, { features: batches.slice(step * size, (step + 1) * size) });
    losses.push(loss![0]!);
    await runner.read();
  }
  const state = Object.entries(await runner.read()).map(([name, { data }]) => [name, Array.from(data)]);
  await runner.dispose();
  return { losses, state };
}

describe('createEagerEngine', () => {
  it('trains on several backends at once as on each alone, and leaves the selected one selected', async () => {
    const engines = [
      createEagerEngine('cpu', await prepareCpuBackend()),
      createEagerEngine('wasm', await prepareWasmBackend()),
    ];
    await tf.setBackend('cpu');
    const runs = [0, 1, 2, 3].map(seed => ({ engine: engines[seed % 2]!, seed }));
    const alone: unknown[] = [];
    for (const { engine, seed } of runs) alone.push(await trained(engine, seed));
    const tensors = tf.memory().numTensors;
    const together = Promise.all(runs.map(({ engine, seed }) => trained(engine, seed)));
    // The application's own work, on its own backend.
    for (let turn = 0; turn < 20; turn++) {
      expect(tf.getBackend()).to.equal('cpu');
      expect(tf.tidy(() => tf.scalar(turn).square().dataSync()[0])).to.equal(turn ** 2);
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(await together).to.deep.equal(alone);
    expect(tf.memory().numTensors).to.equal(tensors);
    expect(tf.getBackend()).to.equal('cpu');
  });

  it('starts a backend that takes its time without selecting it by halves', async () => {
    const cpu = await prepareCpuBackend();
    const { constructor: CpuBackend } = tf.findBackend('cpu') as unknown as { constructor: new () => tf.KernelBackend };
    let start!: () => void;
    const slowly = new Promise<void>(resolve => {
      start = resolve;
    });
    tf.registerBackend('slow', () => slowly.then(() => new CpuBackend()));
    tf.copyRegisteredKernels('cpu', 'slow');
    try {
      const starting = createEagerEngine('cpu', { ...cpu, backendName: 'slow' }).prepare(toyProgram());
      await tf.setBackend('cpu');
      start();
      const runner = await starting;
      expect(tf.getBackend()).to.equal('cpu');
      expect(tf.backend()).to.equal(tf.findBackend('cpu'));
      await runner.dispose();
    } finally {
      await tf.setBackend('cpu');
      tf.removeBackend('slow');
    }
  });

  it('keeps a state that is given as a metric too', async () => {
    const runner = await createEagerEngine('cpu', await prepareCpuBackend()).prepare({
      step: ({ sum, input }) => {
        const loss = tf.add(sum!, tf.sum(input!));
        return { sum: loss, loss };
      },
      state: { sum: { data: Float32Array.of(1), shape: [] } },
      batch: { input: [2] },
      metrics: ['loss'],
    });
    const { loss } = await runner.run(3, { input: Float32Array.of(1, 1, 2, 2, 3, 3) });
    expect([...loss!]).to.deep.equal([3, 7, 13]);
    expect((await runner.read())['sum']!.data[0]).to.equal(13);
    await runner.dispose();
  });

  it('goes back to the state before a call in which a step throws', async () => {
    let steps = 0;
    const runner = await createEagerEngine('cpu', await prepareCpuBackend()).prepare({
      step: ({ x, input }) => {
        if (++steps === 3) throw new Error('out of memory');
        const next = tf.add(x!, tf.sum(input!));
        return { x: next, loss: tf.mul(next, 1) };
      },
      state: { x: { data: Float32Array.of(0), shape: [] } },
      batch: { input: [1] },
      metrics: ['loss'],
    });
    const tensors = tf.memory().numTensors;
    const error = await runner.run(4, { input: Float32Array.of(1, 1, 1, 1) }).catch((cause: Error) => cause.message);
    expect(error).to.equal('out of memory');
    expect(tf.memory().numTensors).to.equal(tensors);
    expect([...(await runner.run(1, { input: Float32Array.of(5) }))['loss']!]).to.deep.equal([5]);
    await runner.dispose();
  });
});
