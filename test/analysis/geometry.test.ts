import { expect } from 'chai';
import { featureDimensionality } from '../../src/analysis/feature-dimensionality.ts';
import { polysemanticity, polysemanticityUnnormalised } from '../../src/analysis/polysemanticity.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError } from '../../src/errors.ts';
import { fromNested, hostTensor, zeros } from '../../src/tensor.ts';
import { expectClose, reference } from './reference.ts';

const weight = fromNested(reference.toy_W);
const measures = { polysemanticity, polysemanticityUnnormalised, featureDimensionality };

/** n directions of length `norm`, evenly around a circle. */
const polygon = (n: number, norm: number) =>
  fromNested(
    Array.from({ length: n }, (_, i) => [
      norm * Math.cos((2 * Math.PI * i) / n),
      norm * Math.sin((2 * Math.PI * i) / n),
    ]),
  );

describe('polysemanticity and feature dimensionality', () => {
  it('agree with the reference figures', () => {
    expectClose(polysemanticity(weight).data, reference.polysemanticity);
    expectClose(polysemanticityUnnormalised(weight).data, reference.polysemanticity_paper);
    expectClose(featureDimensionality(weight).data, reference.feature_dimensionality);
  });

  it('do each batch element by itself', () => {
    const pair = hostTensor([...weight.data, ...weight.data.map(value => 2 * value)], [2, 1, 6, 3]);
    for (const [name, measure] of Object.entries(measures)) {
      const { shape, data } = measure(pair);
      expect(shape, name).to.deep.equal([2, 1, 6]);
      expectClose(data.subarray(0, 6), [...measure(weight).data]);
    }
    // Doubling W leaves dimensionality, multiplies the interference by 16 (and its root over the norm by 2).
    expectClose(featureDimensionality(pair).data.subarray(6), reference.feature_dimensionality);
    expectClose(
      polysemanticityUnnormalised(pair).data.subarray(6),
      reference.polysemanticity_paper.map(p => 16 * p),
    );
  });

  it('know the shapes of superposition', () => {
    expectClose(featureDimensionality(polygon(2, 0.7)).data, [0.5, 0.5]);
    expectClose(featureDimensionality(polygon(3, 1)).data, [2 / 3, 2 / 3, 2 / 3]);
    expectClose(featureDimensionality(polygon(5, 1.3)).data, [0.4, 0.4, 0.4, 0.4, 0.4]);
    const orthogonal = hostTensor([2, 0, 0, 3, 0, 0], [3, 2]);
    expectClose(featureDimensionality(orthogonal).data, [1, 1, 0]);
    expectClose(polysemanticity(orthogonal).data, [0, 0, 0]);
    expectClose(polysemanticityUnnormalised(orthogonal).data, [0, 0, 0]);
    // Σ_{j≠i} cos² over a regular pentagon is 5/2 − 1.
    expectClose(polysemanticityUnnormalised(polygon(5, 1)).data, [1.5, 1.5, 1.5, 1.5, 1.5]);
    expectClose(polysemanticity(polygon(5, 1)).data, Array(5).fill(Math.sqrt(1.5) / 1.00001));
  });

  it('never give more dimensions away than there are', () => {
    const random = createRandomSource(1);
    for (let m = 1; m <= 6; m++) {
      const directions = Float32Array.from({ length: 20 * m }, () => random.normal());
      const total = featureDimensionality(hostTensor(directions, [20, m])).data.reduce((sum, d) => sum + d, 0);
      expect(total)
        .to.be.above(0)
        .and.at.most(m + 1e-5);
    }
  });

  it('refuse vectors', () => {
    for (const measure of Object.values(measures)) {
      expect(() => measure(zeros([3]))).to.throw(InvalidShapeError, 'must be at least 2D');
    }
  });
});
