import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { createRandomSource } from '../../../src/data/random-source.ts';
import { runEagerly } from '../../../src/models/eager.ts';
import { SparseAutoencoder } from '../../../src/models/sparse-autoencoder.ts';
import { type HostTensor, type HostTensors, hostTensor } from '../../../src/tensor.ts';
import { entryOf, expectClose, normals } from '../tensors.ts';

const D_SAE = 6;

/** One training step on pre-activations, which an encoder of identity and without biases hands through. */
function step(k: number, pre: HostTensor, buffers: HostTensors, restartThresholdAt?: number) {
  const settings = { k, ...(restartThresholdAt !== undefined && { restartThresholdAt }) };
  const activation = { kind: 'batchtopk', ...settings } as const;
  const { shape, architecture } = new SparseAutoencoder({ dIn: D_SAE, dSae: D_SAE, activation }, createRandomSource(0));
  const lead = pre.shape.slice(0, -2);
  const { perStep, value } = architecture.scalars['k']!;
  const { features, ...next } = runEagerly(
    ({ pre: input, ...state }) => {
      const identity = tf.tile(tf.reshape(tf.eye(D_SAE), [...lead.map(() => 1), D_SAE, D_SAE]), [...lead, 1, 1]);
      const zeros = tf.zeros([...lead, D_SAE]);
      const forward = architecture.forward({
        shape,
        parameters: { V: identity, W_enc: identity, b_enc: zeros, b_dec: zeros },
        buffers: state,
        input: input!,
        target: input!,
        scalars: { k: { value: perStep!(value, pre.shape.at(-2)!) } },
      });
      return { features: forward.features, ...forward.buffers };
    },
    { pre, ...buffers },
  );
  return { features: features!, buffers: next };
}

function start(lead: readonly number[] = []): HostTensors {
  const zero = () => hostTensor(new Float32Array(lead[0] ?? 1), lead);
  return { threshold: zero(), steps: zero() };
}
const thresholdOf = (buffers: HostTensors): number => buffers['threshold']!.data[0]!;

/** The rule, written out: ReLU, the ⌊k · batch⌋ largest of all. */
function largest(pre: HostTensor, count: number): number[] {
  const sorted = Array.from(pre.data, value => Math.max(value, 0)).sort((a, b) => b - a);
  return sorted.slice(0, count);
}

describe('BatchTopK', () => {
  before(() => tf.setBackend('cpu'));

  it('keeps the ⌊k · batch⌋ largest of the whole batch, however they fall on samples', () => {
    for (const [k, batch] of [
      [1, 7],
      [2.5, 7],
      [0.3, 10],
      [0.1, 10],
      [6, 3],
    ] as const) {
      const pre = normals([batch, D_SAE], Math.round(10 * k));
      const { features } = step(k, pre, start());
      const kept = largest(pre, Math.floor(k * batch));
      const positive = kept.filter(value => value > 0);
      expect(features.shape).to.deep.equal(pre.shape);
      expect(Array.from(features.data.filter(value => value > 0)).sort((a, b) => b - a)).to.deep.equal(positive);
      features.data.forEach((value, i) => {
        expect(value).to.equal(pre.data[i]! >= positive.at(-1)! ? pre.data[i]! : 0);
      });
    }
  });

  it('moves θ to the smallest positive value selected: at once the first time, then by a hundredth', () => {
    let buffers = start();
    let expected = 0;
    for (let i = 0; i < 20; i++) {
      const pre = normals([8, D_SAE], i);
      const smallest = largest(pre, 12)
        .filter(value => value > 0)
        .at(-1)!;
      expected = i === 0 ? smallest : 0.99 * expected + 0.01 * smallest;
      ({ buffers } = step(1.5, pre, buffers));
      expect(thresholdOf(buffers)).to.be.closeTo(expected, 1e-6);
    }
    expect(buffers['steps']!.data[0]).to.equal(20);
  });

  it('leaves zeros out, though they are selected where too few values are positive', () => {
    const pre = hostTensor([-1, -2, 0.25, -3, -1, 0.5, -1, -1, -1, -1, -1, -1], [2, D_SAE]);
    const { buffers, features } = step(3, pre, start());
    expect(thresholdOf(buffers)).to.equal(0.25);
    expect(features.data.filter(value => value !== 0)).to.deep.equal(Float32Array.of(0.25, 0.5));
  });

  it('changes nothing in a step that selects nothing', () => {
    const nothing = hostTensor(new Float32Array(2 * D_SAE).fill(-1), [2, D_SAE]);
    const first = step(2, nothing, start());
    expect(thresholdOf(first.buffers)).to.equal(0);
    const { buffers } = step(2, normals([2, D_SAE], 1), first.buffers);
    expect(thresholdOf(buffers)).to.be.above(0);
    const after = step(2, nothing, buffers);
    expect(thresholdOf(after.buffers)).to.equal(thresholdOf(buffers));
    expect(after.buffers['steps']!.data[0]).to.equal(3);
  });

  it('starts θ again after as many steps as asked', () => {
    let buffers = start();
    const smallest: number[] = [];
    for (let i = 0; i < 6; i++) {
      const pre = normals([8, D_SAE], i);
      smallest.push(
        largest(pre, 12)
          .filter(value => value > 0)
          .at(-1)!,
      );
      ({ buffers } = step(1.5, pre, buffers, 4));
      if (i === 4) expect(thresholdOf(buffers)).to.equal(smallest[4]);
      if (i === 5) expect(thresholdOf(buffers)).to.be.closeTo(0.99 * smallest[4]! + 0.01 * smallest[5]!, 1e-6);
    }
  });

  it('treats instances side by side each on its own', () => {
    const pre = normals([3, 8, D_SAE], 1);
    const together = step(1.5, pre, start([3]));
    expect(together.buffers['threshold']!.shape).to.deep.equal([3]);
    for (let i = 0; i < 3; i++) {
      const alone = step(1.5, entryOf(pre, i), start());
      expectClose(entryOf(together.features, i), alone.features);
      expectClose(entryOf(together.buffers['threshold']!, i), alone.buffers['threshold']!);
    }
  });

  it('refuses a k that keeps nothing', () => {
    expect(() => step(0.1, normals([5, D_SAE], 1), start())).to.throw(
      'k must be positive: 0.1 · 5 samples keeps no feature',
    );
  });
});
