/** What the machine can train on: everything is tried, and each failure is one line that says what to do. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type EngineProbe, probeEngines, timeStep } from '../../src/engines/available-engines.ts';
import { ENGINE_NAMES } from '../../src/engines/create-engine.ts';
import type { StepProgram } from '../../src/engines/engine.ts';
import { tensorFlowBinding } from '../../src/engines/tensorflow.ts';

/** x ← x / 2, whose loss says how many steps were run. */
const HALVING: StepProgram = {
  step: ({ x, input }) => {
    const next = tf.div(x!, 2);
    return { x: next, loss: tf.add(tf.mean(next), tf.mul(0, tf.sum(input!))) };
  },
  state: { x: { data: Float32Array.of(1), shape: [1] } },
  batch: { input: [3] },
  metrics: ['loss'],
};

describe('available engines', () => {
  let probes: readonly EngineProbe[];
  const find = (engine: string, provider: string): EngineProbe | undefined =>
    probes.find(probe => probe.engine === engine && probe.provider === provider);

  before(async () => {
    probes = await probeEngines();
  });

  it('are all tried', () => {
    expect(new Set(probes.map(({ engine }) => engine))).to.deep.equal(new Set(ENGINE_NAMES));
    for (const provider of ['cuda', 'webgpu', 'cpu']) expect(find('onnxruntime', provider)).to.exist;
  });

  it('are ready where nothing but this package is needed', () => {
    for (const [engine, provider] of [
      ['onnxruntime', 'cpu'],
      ['wasm', 'wasm'],
      ['cpu', 'cpu'],
    ] as const) {
      expect(find(engine, provider)!.ready, engine).to.exist;
    }
    const tensorFlowWorks = probes.some(({ engine, ready }) => engine === 'tensorflow' && ready);
    expect(tensorFlowWorks).to.equal(tensorFlowBinding('@tensorflow/tfjs-node') !== undefined);
  });

  it('say in one line what they are, or why they do not work', () => {
    for (const { detail } of probes) expect(detail).to.match(/^[^\n]{5,}$/);
  });

  it('can be timed', async () => {
    for (const { engine, provider, ready } of probes) {
      if (!ready) continue;
      expect(await timeStep(ready, HALVING, { budget: 10 }), `${engine} ${provider}`).to.be.greaterThan(0);
    }
  });
});
