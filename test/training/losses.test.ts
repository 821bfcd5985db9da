import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError } from '../../src/errors.ts';
import { runEagerly } from '../../src/models/eager.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import type { HostTensor } from '../../src/tensor.ts';
import { toyModelTrainable, weightedMse } from '../../src/training/losses.ts';
import { entryOf, normals } from '../models/tensors.ts';

/** mean(weight · (target − output)²), written out in float64. */
function byHand(output: HostTensor, target: HostTensor, weight: HostTensor): number {
  const n = weight.data.length;
  const terms = Array.from(output.data, (value, i) => weight.data[i % n]! * (target.data[i]! - value) ** 2);
  return terms.reduce((sum, term) => sum + term, 0) / terms.length;
}

describe('weightedMse', () => {
  before(() => tf.setBackend('cpu'));

  const weight = normals([4], 3);

  it('is the weighted mean of squares, for any leading dimensions', () => {
    for (const shape of [[4], [7, 4], [3, 2, 4]]) {
      const [output, target] = [normals(shape, 1), normals(shape, 2)];
      const { loss } = runEagerly(
        inputs => ({ loss: weightedMse(inputs['output']!, inputs['target']!, inputs['weight']!) }),
        { output, target, weight },
      );
      expect(loss!.shape).to.deep.equal([]);
      expect(loss!.data[0]).to.be.closeTo(byHand(output, target, weight), 1e-6);
    }
  });

  it('refuses shapes that differ and a weight of another width', () => {
    const of =
      (...shapes: number[][]) =>
      () =>
        tf.tidy(() => weightedMse(...(shapes.map(shape => tf.zeros(shape)) as [tf.Tensor, tf.Tensor, tf.Tensor])));
    expect(of([3, 4], [4], [4])).to.throw(
      InvalidShapeError,
      'output and target must have the same shape, got [3, 4] and [4]',
    );
    expect(of([3, 4], [3, 4], [3])).to.throw(InvalidShapeError, 'weight must have shape [4], got [3]');
    expect(of([3, 4], [3, 4], [1, 4])).to.throw(InvalidShapeError, 'weight must have shape');
    expect(of([3, 4], [3, 4], [])).to.throw(InvalidShapeError, 'weight must have shape');
  });
});

describe('toyModelTrainable', () => {
  it('has for each instance the loss that it has alone', () => {
    const importance = { shape: [4], data: Float32Array.of(1, 0.9, 0.8, 0.7) };
    const toy = new ParallelToyModel({ nInstances: 3, nFeatures: 4, nHidden: 2 }, createRandomSource(1));
    const input = normals([5, 3, 4], 2);
    const { mse } = runEagerly(
      ({ features, ...parameters }) =>
        toyModelTrainable(toy, importance).losses({
          parameters,
          buffers: {},
          batch: { features: features! },
          scalars: {},
        }).losses,
      { ...toy.state.parameters, features: input },
    );
    const of = (tensor: HostTensor, instance: number): HostTensor => ({
      shape: [5, 4],
      data: Float32Array.from([0, 1, 2, 3, 4].flatMap(sample => [...entryOf(entryOf(tensor, sample), instance).data])),
    });
    const { reconstruction } = toy.forward(input);
    expect(mse!.shape).to.deep.equal([3]);
    for (const instance of [0, 1, 2]) {
      const alone = byHand(of(reconstruction, instance), of(input, instance), importance);
      expect(mse!.data[instance]).to.be.closeTo(alone, 1e-6);
    }
  });
});
