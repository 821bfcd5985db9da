import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { SumTree } from '../../src/models/sum-tree.ts';

describe('SumTree', () => {
  for (const n of [1, 2, 5, 8, 13]) {
    it(`finds each of ${n} indices as often as its weight says`, () => {
      const weights = Array.from({ length: n }, (_, i) => (i % 3 === 1 ? 0 : i + 1));
      const tree = new SumTree(n, 7);
      expect(tree.total).to.equal(7 * n);
      weights.forEach((weight, i) => void tree.setWeight(i, weight));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      expect(tree.total).to.equal(total);
      // Midpoints of the unit intervals of a cumulative sum: exactly `weight` of them fall on each index.
      const counts = weights.map(() => 0);
      for (let k = 0; k < total; k++) counts[tree.find((k + 0.5) / total)]!++;
      expect(counts).to.deep.equal(weights);
    });
  }

  it('never finds a weight of zero, and keeps tiny weights exact', () => {
    const random = createRandomSource(1);
    const tree = new SumTree(100, 1e9);
    for (let i = 0; i < 100; i++) tree.setWeight(i, i === 63 ? 1e-12 : 0);
    expect(tree.total).to.equal(1e-12);
    for (let i = 0; i < 100; i++) expect(tree.find(random.uniform())).to.equal(63);
    expect(tree.find(1 - 2 ** -53)).to.equal(63);
  });
});
