import { expect } from 'chai';
import { trainingCase } from '../../scripts/reference/training-file.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { fromNested } from '../../src/tensor.ts';
import { entryOf, expectClose, normals, readReference, rowsOf } from './tensors.ts';

describe('ToyModel', () => {
  it('computes what PyTorch does', () => {
    const { state, batches, expected } = trainingCase('toy-model', readReference('toy-model'));
    const [nFeatures, nHidden] = state.parameters['weight']!.shape as [number, number];
    const toy = new ToyModel({ nFeatures, nHidden }, createRandomSource(0));
    toy.state = state;
    const { reconstruction, hidden } = toy.forward(entryOf(batches['features']!, 0));
    expectClose(reconstruction, fromNested(expected.outputs['reconstruction']!));
    expectClose(hidden, fromNested(expected.outputs['hidden']!));
  });

  it('starts from a Xavier-normal weight and no bias', () => {
    const [nFeatures, nHidden] = [300, 200];
    const { weight, bias } = new ToyModel({ nFeatures, nHidden }, createRandomSource(1)).state.parameters;
    expect(weight!.shape).to.deep.equal([nFeatures, nHidden]);
    const n = weight!.data.length;
    const mean = weight!.data.reduce((sum, value) => sum + value, 0) / n;
    const variance = weight!.data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n;
    const expected = 2 / (nFeatures + nHidden);
    // Four standard errors of a mean and of a variance of normal draws.
    expect(Math.abs(mean)).to.be.below(4 * Math.sqrt(expected / n));
    expect(variance / expected).to.be.closeTo(1, 4 * Math.sqrt(2 / n));
    expect(bias).to.deep.equal({ shape: [nFeatures], data: new Float32Array(nFeatures) });
  });

  it('repeats for a seed and differs between seeds', () => {
    const weightOf = (seed: number) =>
      new ToyModel({ nFeatures: 5, nHidden: 2 }, createRandomSource(seed)).state.parameters['weight']!.data;
    expect(weightOf(1)).to.deep.equal(weightOf(1));
    expect(weightOf(1)).to.not.deep.equal(weightOf(2));
  });

  it('takes any leading dimensions', () => {
    const toy = new ToyModel({ nFeatures: 5, nHidden: 2 }, createRandomSource(1));
    const features = normals([2, 3, 5], 2);
    const { reconstruction, hidden } = toy.forward(features);
    expect(reconstruction.shape).to.deep.equal([2, 3, 5]);
    expect(hidden.shape).to.deep.equal([2, 3, 2]);
    const flat = toy.forward({ ...features, shape: [6, 5] });
    expect(reconstruction.data).to.deep.equal(flat.reconstruction.data);
    const alone = toy.forward(entryOf(rowsOf({ ...features, shape: [6, 5] }, 4, 5), 0));
    expectClose(alone.hidden, { shape: [2], data: flat.hidden.data.slice(8, 10) });
    expect(alone.reconstruction.data.every(value => value >= 0)).to.equal(true);
    expect(toy.featureDirections()).to.equal(toy.state.parameters['weight']);
  });

  it('refuses dimensions and inputs that do not fit', () => {
    const make = (nFeatures: number, nHidden: number) => () =>
      new ToyModel({ nFeatures, nHidden }, createRandomSource(1));
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      expect(make(bad, 2)).to.throw(InvalidValueError, `nFeatures must be positive and an integer, got ${bad}`);
      expect(make(5, bad)).to.throw(InvalidValueError, 'nHidden must be positive');
    }
    expect(() => make(5, 2)().forward(normals([3, 4], 1))).to.throw(
      InvalidShapeError,
      'features must have shape [..., 5], got [3, 4]',
    );
    expect(() => make(5, 2)().forward(normals([], 1))).to.throw(InvalidShapeError);
  });
});
