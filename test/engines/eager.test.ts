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
});
