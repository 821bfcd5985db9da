import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { geometricMedian } from '../../src/models/geometric-median.ts';
import { fromNested, hostTensor } from '../../src/tensor.ts';

const reference = JSON.parse(readFileSync(new URL('../reference/geometric-median.json', import.meta.url), 'utf8'));

describe('geometricMedian', () => {
  for (const { name, points, median } of reference) {
    it(`agrees with the reference figures: ${name}`, () => {
      const { data, shape } = geometricMedian(fromNested(points));
      expect(shape).to.deep.equal([median.length]);
      median.forEach((value: number, i: number) => {
        expect(Math.abs(data[i]! - value)).to.be.at.most(1e-5 * Math.max(1, Math.abs(value)));
      });
    });
  }

  it('is the middle of a symmetric cloud, wherever an outlier lies', () => {
    const cross = [0, 0, 1, 0, -1, 0, 0, 1, 0, -1].map(value => value + 3);
    const { data } = geometricMedian(hostTensor([...cross, 1e6, 3], [6, 2]), { maxIterations: 1000 });
    expect(data[0]).to.be.closeTo(3, 0.25);
    expect(data[1]).to.be.closeTo(3, 1e-6);
    for (const value of geometricMedian(hostTensor(cross, [5, 2])).data) expect(value).to.be.closeTo(3, 1e-6);
  });

  it('moves with its points', () => {
    const random = createRandomSource(1);
    const points = Array.from({ length: 300 }, () => random.normal());
    const here = geometricMedian(hostTensor(points, [100, 3])).data;
    const there = geometricMedian(
      hostTensor(
        points.map(value => 2 * value + 10),
        [100, 3],
      ),
    ).data;
    for (let i = 0; i < 3; i++) expect(there[i]).to.be.closeTo(2 * here[i]! + 10, 1e-5);
  });

  it('stops early at a loose tolerance, and takes one more average after the last iteration', () => {
    const points = hostTensor([0, 1, 10], [3, 1]);
    // From the mean 11/3 the weights are 3/11, 3/8, 3/19; an infinite tolerance stops after the second sum of distances.
    const average = (m: number) => {
      const weights = [0, 1, 10].map(x => 1 / Math.abs(x - m));
      return (weights[1]! + 10 * weights[2]!) / (weights[0]! + weights[1]! + weights[2]!);
    };
    const expected = average(average(11 / 3));
    expect(geometricMedian(points, { maxIterations: 1 }).data[0]).to.be.closeTo(expected, 1e-6);
    expect(geometricMedian(points, { tolerance: 1e9 }).data[0]).to.be.closeTo(expected, 1e-6);
    expect(geometricMedian(points, { maxIterations: 5000 }).data[0]).to.be.closeTo(1, 1e-3);
  });

  it('refuses what has no median', () => {
    const points = hostTensor([1, 2], [1, 2]);
    expect(() => geometricMedian(points, { maxIterations: 0 })).to.throw(InvalidValueError, 'must be at least 1');
    expect(() => geometricMedian(points, { eps: 0 })).to.throw(InvalidValueError, 'must be positive');
    expect(() => geometricMedian(points, { tolerance: -1 })).to.throw(InvalidValueError, 'must be at least 0');
    expect(() => geometricMedian(hostTensor([1, Number.NaN], [1, 2]))).to.throw(InvalidValueError, 'must be finite');
    expect(() => geometricMedian(hostTensor([1, 2], [2]))).to.throw(InvalidShapeError, 'expected [n, d]');
    expect(() => geometricMedian(hostTensor([], [0, 2]))).to.throw(InvalidShapeError, 'expected [n, d]');
  });
});
