import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { trainingCase } from '../../scripts/reference/training-file.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidValueError } from '../../src/errors.ts';
import { runEagerly } from '../../src/models/eager.ts';
import { ParallelToyModel, type ParallelToyModelConfig } from '../../src/models/parallel-toy-model.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { fromNested, type HostTensor, type HostTensors } from '../../src/tensor.ts';
import { weightedMse } from '../../src/training/losses.ts';
import { entryOf, expectClose, normals, readReference } from './tensors.ts';

function create(config: ParallelToyModelConfig, seed = 1): ParallelToyModel {
  return new ParallelToyModel(config, createRandomSource(seed));
}

/** Features of instance `index` of a batch [batch, n_instances, n_features]. */
function ofInstance({ shape, data }: HostTensor, index: number): HostTensor {
  const [batch, instances, width] = shape as [number, number, number];
  const rows = Array.from({ length: batch }, (_, b) => data.slice((b * instances + index) * width).subarray(0, width));
  return { shape: [batch, width], data: Float32Array.from(rows.flatMap(row => [...row])) };
}

describe('ParallelToyModel', () => {
  before(() => tf.setBackend('cpu'));

  it('computes what PyTorch does', () => {
    const { state, batches, expected } = trainingCase('parallel-toy-model', readReference('parallel-toy-model'));
    const [nInstances, nFeatures, nHidden] = state.parameters['weight']!.shape as [number, number, number];
    const toy = create({ nInstances, nFeatures, nHidden });
    toy.state = state;
    const { reconstruction, hidden } = toy.forward(entryOf(batches['features']!, 0));
    expectClose(reconstruction, fromNested(expected.outputs['reconstruction']!));
    expectClose(hidden, fromNested(expected.outputs['hidden']!));
  });

  it('computes for each instance what a toy model with its parameters does', () => {
    const config = { nInstances: 3, nFeatures: 5, nHidden: 2 };
    const parallel = create(config);
    const features = normals([4, 3, 5], 2);
    const { reconstruction, hidden } = parallel.forward(features);
    for (let i = 0; i < 3; i++) {
      const alone = new ToyModel(config, createRandomSource(9));
      alone.state = { parameters: parallel.instance(i), buffers: {} };
      const expected = alone.forward(ofInstance(features, i));
      expectClose(ofInstance(reconstruction, i), expected.reconstruction);
      expectClose(ofInstance(hidden, i), expected.hidden);
    }
  });

  it('trains joined in blocks as it would instance by instance: outputs, losses and gradients', () => {
    // One block, several, and instances that do not divide into blocks.
    for (const [nInstances, nFeatures, nHidden] of [
      [3, 5, 2],
      [24, 20, 3],
      [7, 30, 4],
      [2, 100, 5],
    ] as const) {
      const toy = create({ nInstances, nFeatures, nHidden });
      const importance = { shape: [nFeatures], data: Float32Array.from({ length: nFeatures }, (_, i) => 0.9 ** i) };
      const run = (mode: 'train' | 'frozen'): HostTensors =>
        runEagerly(
          ({ input, weight, bias }) => {
            const forward = (w: tf.Tensor, b: tf.Tensor) =>
              toy.apply({ parameters: { weight: w, bias: b }, buffers: {} }, input!, mode);
            // Of all instances together the mean is their sum by their number.
            const lossOf = (w: tf.Tensor, b: tf.Tensor) =>
              weightedMse(forward(w, b).outputs['reconstruction']!, input!, tf.tensor1d(importance.data));
            const { value, grads } = tf.valueAndGrads(lossOf)([weight!, bias!]);
            const { outputs } = forward(weight!, bias!);
            return { ...outputs, loss: value, weight: grads[0]!, bias: grads[1]! };
          },
          {
            ...toy.state.parameters,
            bias: normals([nInstances, nFeatures], 3),
            input: normals([6, nInstances, nFeatures], 2),
          },
        );
      const joined = run('train');
      for (const [name, tensor] of Object.entries(run('frozen'))) expectClose(joined[name], tensor);
    }
  });

  it('starts each instance as its own model, or all from the spread that PyTorch gives a 3-d tensor', () => {
    const [nInstances, nFeatures, nHidden] = [50, 40, 20];
    const varianceOf = (init: ParallelToyModelConfig['init'] & string): number => {
      const { weight, bias } = create({ nInstances, nFeatures, nHidden, init }).state.parameters;
      expect(weight!.shape).to.deep.equal([nInstances, nFeatures, nHidden]);
      expect(bias!.shape).to.deep.equal([nInstances, nFeatures]);
      return weight!.data.reduce((sum, value) => sum + value ** 2, 0) / weight!.data.length;
    };
    const deviation = 4 * Math.sqrt(2 / (nInstances * nFeatures * nHidden));
    expect(varianceOf('instance') * ((nFeatures + nHidden) / 2)).to.be.closeTo(1, deviation);
    expect(varianceOf('torch3d') * ((nFeatures * nHidden + nInstances * nHidden) / 2)).to.be.closeTo(1, deviation);
  });

  it('takes any leading dimensions', () => {
    const toy = create({ nInstances: 3, nFeatures: 5, nHidden: 2 });
    const { reconstruction, hidden } = toy.forward(normals([2, 4, 3, 5], 2));
    expect([reconstruction.shape, hidden.shape]).to.deep.equal([
      [2, 4, 3, 5],
      [2, 4, 3, 2],
    ]);
    expect(toy.forward(normals([3, 5], 2)).hidden.shape).to.deep.equal([3, 2]);
  });

  it('refuses what does not fit', () => {
    const config = { nInstances: 3, nFeatures: 5, nHidden: 2 };
    for (const name of ['nInstances', 'nFeatures', 'nHidden'] as const) {
      expect(() => create({ ...config, [name]: 0 })).to.throw(InvalidValueError, `${name} must be positive`);
    }
    expect(() => create(config).forward(normals([3, 5, 5], 1))).to.throw('features must have shape [..., 3, 5]');
    expect(() => create(config).instance(3)).to.throw(RangeError, 'instance 3 does not exist: there are 3');
  });
});
