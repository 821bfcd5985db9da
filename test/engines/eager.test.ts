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
});
