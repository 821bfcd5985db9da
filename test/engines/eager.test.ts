import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { prepareCpuBackend, prepareWasmBackend } from '../../src/engines/backends.ts';
import { createEagerEngine } from '../../src/engines/eager.ts';
import { itRunsSteps, toyBatches, toyProgram } from './step-runner-contract.ts';

describe('TensorFlow.js on cpu', () => itRunsSteps(async () => createEagerEngine('cpu', await prepareCpuBackend()), 1));
describe('TensorFlow.js on wasm', () =>
  itRunsSteps(async () => createEagerEngine('wasm', await prepareWasmBackend()), 7));

describe('createEagerEngine', () => {
  it('goes on with its own backend where another one was chosen meanwhile', async () => {
    const cpu = await createEagerEngine('cpu', await prepareCpuBackend()).prepare(toyProgram());
    const wasm = await createEagerEngine('wasm', await prepareWasmBackend()).prepare(toyProgram());
    expect([cpu.description.provider, wasm.description.provider]).to.deep.equal(['cpu', 'wasm']);
    for (let step = 0; step < 3; step++) {
      const [a, b] = [await cpu.run(1, { features: toyBatches(1) }), await wasm.run(1, { features: toyBatches(1) })];
      expect(a['loss']![0]).to.be.closeTo(b['loss']![0]!, 1e-6);
    }
    expect(tf.getBackend()).to.equal('wasm');
    await cpu.read();
    expect(tf.getBackend()).to.equal('cpu');
    await Promise.all([cpu.dispose(), wasm.dispose()]);
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
