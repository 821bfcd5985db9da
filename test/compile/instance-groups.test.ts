import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { compile } from '../../src/compile/compile.ts';
import { groupSize, inGroups } from '../../src/compile/instance-groups.ts';
import { nextName, repeatStep } from '../../src/compile/repeat-step.ts';
import { runGraph } from './run-graph.ts';

describe('groupSize', () => {
  it('is the largest divisor up to 32, or all where that is few or the divisors are too small', () => {
    const sizes = [1, 7, 32, 64, 256, 104, 77, 101, 62].map(groupSize);
    expect(sizes).to.deep.equal([1, 7, 32, 32, 32, 26, 11, 101, 31]);
  });
});

/** Per instance: w ← w − rate · mean(x) with the count of steps beside; the loss is the instances' sum of w². */
const step = (instances: number) =>
  compile(
    ({ w, count, x, rate }) => {
      const next = tf.sub(w!, tf.mul(rate!, tf.mean(x!, 1)));
      const losses = tf.sum(tf.square(next), 1);
      return { 'w.next': next, 'count.next': tf.add(count!, 1), loss: tf.sum(losses), losses };
    },
    {
      name: 'step',
      inputs: { w: [instances, 2], count: [], x: [instances, 5, 2], rate: [] },
      outputs: ['w.next', 'count.next', 'loss', 'losses'],
      fixedShapes: true,
    },
  );

const wave = (length: number, phase: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7 + phase));
const float32 = (data: Float32Array, shape: number[]) => ({ data, shape, dtype: 'float32' as const });

describe('inGroups', () => {
  const [groups, size] = [4, 3];
  const count = groups * size;

  it('gives what all instances give together: sums summed, shared scalars shared', async () => {
    const inputs = {
      w: float32(wave(count * 2, 0), [count, 2]),
      count: float32(Float32Array.of(41), []),
      x: float32(wave(count * 10, 1), [count, 5, 2]),
      rate: float32(Float32Array.of(0.1), []),
    };
    const whole = await runGraph(step(count), inputs);
    const grouped = await runGraph(inGroups(step(size), groups, ['loss', 'losses']), inputs);
    expect(Object.keys(grouped)).to.have.members(Object.keys(whole));
    expect(grouped['count.next']!.data).to.deep.equal([42]);
    for (const [name, { data, shape }] of Object.entries(whole)) {
      expect(grouped[name]!.shape, name).to.deep.equal(shape);
      for (let i = 0; i < data.length; i++) expect(grouped[name]!.data[i], name).to.be.closeTo(data[i]!, 1e-5);
    }
  });

  it('can be repeated, as many steps in one graph', async () => {
    const steps = 3;
    const inputs = {
      w: float32(wave(count * 2, 0), [count, 2]),
      count: float32(Float32Array.of(0), []),
      x: float32(wave(steps * count * 10, 1), [steps, count, 5, 2]),
      rate: float32(Float32Array.of(0.1, 0.2, 0.3), [steps]),
    };
    const repeat = (graph: ReturnType<typeof step>) =>
      repeatStep(graph, { state: ['w', 'count'], perStep: ['x', 'rate'], stacked: ['loss', 'losses'] });
    const whole = await runGraph(repeat(step(count)), inputs);
    const grouped = await runGraph(repeat(inGroups(step(size), groups, ['loss', 'losses'])), inputs);
    expect(grouped[nextName('count')]!.data).to.deep.equal([steps]);
    expect(grouped['losses']!.shape).to.deep.equal([steps, count]);
    for (const [name, { data }] of Object.entries(whole)) {
      for (let i = 0; i < data.length; i++) expect(grouped[name]!.data[i], name).to.be.closeTo(data[i]!, 1e-5);
    }
  });
});
