import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { prepareCpuBackend } from '../../src/engines/backends.ts';
import { createEagerEngine } from '../../src/engines/eager.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { HostTensor, HostTensors } from '../../src/tensor.ts';
import { joinState, modelState } from '../../src/training/training-step.ts';
import { expectClose, normals } from '../models/tensors.ts';
import { type RecordedStep, recordedSteps } from './recorded-steps.ts';
import { saeProgram } from './sae-program.ts';

const STEPS = 4;

/** After one step the first moment is a tenth of the gradient. */
function times10({ shape, data }: HostTensor): HostTensor {
  return { shape, data: data.map(value => value * 10) };
}

function expectMetrics(actual: Record<string, Float32Array>, expected: Record<string, Float32Array>): void {
  expect(actual).to.have.all.keys(Object.keys(expected));
  for (const [name, data] of Object.entries(expected)) {
    expectClose({ shape: [data.length], data: actual[name]! }, { shape: [data.length], data }, 1e-6);
  }
}

async function runOn(engine: Engine, { program, inputs }: RecordedStep, steps: number, maxSteps: number) {
  const runner = await engine.prepare(program, { maxSteps });
  const metrics = await runner.run(steps, inputs(steps, 1));
  const state = await runner.read();
  await runner.dispose();
  return { metrics, state };
}

describe('a training step', () => {
  let eager: Engine;
  let compiled: Engine;

  before(async () => {
    eager = createEagerEngine('cpu', await prepareCpuBackend());
    compiled = createOnnxRuntimeEngine(await loadNodeRuntime());
  });

  for (const recorded of recordedSteps()) {
    const { name } = recorded;
    it(`gives the same gradients and losses compiled as run eagerly: ${name}`, async () => {
      const [expected, actual] = [await runOn(eager, recorded, 1, 1), await runOn(compiled, recorded, 1, 1)];
      expectMetrics(actual.metrics, expected.metrics);
      const gradients = Object.entries(expected.state).filter(([entry]) => entry.startsWith('optimizer.m.'));
      expect(gradients).to.have.length.at.least(2);
      for (const [entry, moment] of gradients) expectClose(times10(actual.state[entry]!), times10(moment), 1e-6);
    });

    it(`trains alike, one step or several a call: ${name}`, async () => {
      const expected = await runOn(eager, recorded, STEPS, 1);
      for (const maxSteps of [1, STEPS]) {
        const { metrics, state } = await runOn(compiled, recorded, STEPS, maxSteps);
        expectMetrics(metrics, expected.metrics);
        expect(Object.keys(state)).to.have.members(Object.keys(expected.state));
        for (const [entry, value] of Object.entries(expected.state)) expectClose(state[entry], value, 1e-6);
      }
    });
  }

  it('reports the norm of the gradient before it is clipped, of each instance by itself', async () => {
    const saes = [1, 2].map(
      seed =>
        new SparseAutoencoder({ dIn: 4, dSae: 10, activation: { kind: 'relu', l1: 0.01 } }, createRandomSource(seed)),
    );
    const optimizer = { learningRate: 0.005, betas: [0.9, 0.999] } as const;
    const activations = normals([2, 8, 4], 3).data;
    const normsOf = async (engine: Engine, count: number, clip: number) => {
      const settings = { batchSize: 8, optimizer, clip, reportsGradientNorm: true };
      const { program } = saeProgram(settings, saes.slice(0, count));
      const runner = await engine.prepare(program);
      const metrics = await runner.run(1, { activations: activations.slice(0, count * 32) });
      const state = await runner.read();
      await runner.dispose();
      const moments = Object.entries(state).filter(([entry]) => entry.startsWith('optimizer.m.'));
      const taken = Array.from({ length: count }, (_, instance) =>
        Math.hypot(
          ...moments.flatMap(([, { data }]) => {
            const size = data.length / count;
            return Array.from(data.subarray(instance * size, (instance + 1) * size), value => value * 10);
          }),
        ),
      );
      return { reported: Array.from(metrics['gradient_norm']!), taken };
    };
    for (const engine of [eager, compiled]) {
      for (const count of [1, 2]) {
        const free = await normsOf(engine, count, 0);
        const clipped = await normsOf(engine, count, 0.01);
        expect(free.reported).to.have.length(count);
        for (const [i, norm] of free.taken.entries()) {
          expect(norm).to.be.above(0.1);
          expect(free.reported[i]).to.be.closeTo(norm, 1e-5);
          expect(clipped.reported[i]).to.be.closeTo(norm, 1e-5);
          expect(clipped.taken[i]).to.be.closeTo(0.01, 1e-5);
        }
      }
    }
  });

  it('leaves no tensors behind, however many steps it takes', async () => {
    for (const recorded of recordedSteps()) {
      const { name } = recorded;
      await tf.setBackend('cpu');
      const before = tf.memory().numTensors;
      await runOn(compiled, recorded, STEPS, STEPS);
      expect(tf.memory().numTensors, `compiled ${name}`).to.equal(before);
      await runOn(eager, recorded, STEPS, 1);
      expect(tf.memory().numTensors, `eager ${name}`).to.equal(before);
    }
  });

  it('names the parts of its state, and takes them apart again', () => {
    const state = { parameters: { W: normals([2], 1) }, buffers: { threshold: normals([], 2) } };
    const optimizer: HostTensors = { 'v.W': normals([2], 3), c2: normals([], 4) };
    const joined = joinState(state, optimizer);
    expect(Object.keys(joined)).to.have.members(['parameters.W', 'buffers.threshold', 'optimizer.v.W', 'optimizer.c2']);
    expect(modelState(joined)).to.deep.equal(state);
  });
});
