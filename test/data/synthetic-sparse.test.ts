import kstest from '@stdlib/stats-kstest';
import { expect } from 'chai';
import { createRandomSource, restoreRandomSource } from '../../src/data/random-source.ts';
import { createSparsityRange } from '../../src/data/schedules.ts';
import { SyntheticSparseDataGenerator } from '../../src/data/synthetic-sparse.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { sizeOf } from '../../src/tensor.ts';

/** Standard errors between an observed count of zeros and its expectation. */
function deviation(zeros: number, count: number, sparsity: number): number {
  return Math.abs(zeros - count * sparsity) / Math.sqrt(count * sparsity * (1 - sparsity));
}

describe('SyntheticSparseDataGenerator', () => {
  it('gives batches of shape [batch, ...S] for any S', () => {
    const random = createRandomSource(1);
    expect(new SyntheticSparseDataGenerator(3, 0.5, random).generateBatch().shape).to.deep.equal([3]);
    expect(new SyntheticSparseDataGenerator(3, [0.5, 0.9], random).generateBatch().shape).to.deep.equal([3, 2]);
    const range = createSparsityRange(0, 0.9, 4, 5);
    const batch = new SyntheticSparseDataGenerator(3, range, random).generateBatch();
    expect(batch.shape).to.deep.equal([3, 4, 5]);
    expect(batch.data).to.have.length(60);
  });

  it('sets each entry to zero with its own probability, and independently of its neighbours', () => {
    // Mixed so that groups interleave, and on both sides of the switch between skipping and drawing.
    const sparsity = [0.9, 0.5, 0.99, 0.9, 0.1, 0.75, 0.85, 0.999, 0.9];
    const rows = 40_000;
    const { data } = new SyntheticSparseDataGenerator(rows, sparsity, createRandomSource(2)).generateBatch();
    sparsity.forEach((p, column) => {
      let zeros = 0;
      let repeated = 0;
      for (let row = 0; row < rows; row++) {
        const zero = data[row * 9 + column] === 0;
        zeros += Number(zero);
        if (zero && row > 0) repeated += Number(data[(row - 1) * 9 + column] === 0);
      }
      expect(deviation(zeros, rows, p), `sparsity ${p} in column ${column}`).to.be.below(4);
      expect(deviation(repeated, rows - 1, p * p) / (1 + p), `zeros in a row, column ${column}`).to.be.below(4);
    });
    let both = 0;
    for (let row = 0; row < rows; row++) both += Number(data[row * 9] === 0 && data[row * 9 + 3] === 0);
    expect(deviation(both, rows, 0.81)).to.be.below(4);
  });

  for (const sparsity of [0, 0.3, 0.7, 0.9, 0.99]) {
    it(`draws values uniform on [0, 1) at sparsity ${sparsity}`, () => {
      const random = createRandomSource(3);
      const generator = new SyntheticSparseDataGenerator(Math.round(3000 / (1 - sparsity)), [sparsity], random);
      const values = Array.from(generator.generateBatch().data).filter(value => value !== 0);
      expect(kstest(values, 'uniform', 0, 1).pValue).to.be.above(1e-3);
      expect(Math.max(...values)).to.be.below(1);
    });
  }

  it('is all zero at sparsity 1 and never zero at sparsity 0', () => {
    const { data } = new SyntheticSparseDataGenerator(1000, [1, 0, 1], createRandomSource(4)).generateBatch();
    expect(data.filter((_, i) => i % 3 !== 1).every(value => value === 0)).to.equal(true);
    expect(data.filter((_, i) => i % 3 === 1).every(value => value > 0 && value < 1)).to.equal(true);
    expect(
      new SyntheticSparseDataGenerator(9, [1, 1], createRandomSource(4)).generateBatch().data.some(Boolean),
    ).to.equal(false);
  });

  it('reaches features far rarer than one a batch at the right rate', () => {
    const generator = new SyntheticSparseDataGenerator(100, [1 - 1e-5, 1 - 1e-5], createRandomSource(5));
    const batches = new Float32Array(200 * 10_000);
    generator.fill(batches);
    const present = batches.reduce((count, value) => count + Number(value !== 0), 0);
    expect(Math.abs(present - 20)).to.be.below(4 * Math.sqrt(20));
  });

  it('gives a seed the same numbers one batch or fifty at a time, and another seed others', () => {
    for (const sparsity of [[0.9, 0.9, 0.9], createSparsityRange(0, 0.99, 4, 3)]) {
      const generator = (seed: number) => new SyntheticSparseDataGenerator(16, sparsity, createRandomSource(seed));
      const size = 16 * (Array.isArray(sparsity) ? 3 : 12);
      const together = new Float32Array(50 * size).fill(7);
      generator(6).fill(together);
      const apart = generator(6);
      for (let batch = 0; batch < 50; batch++) {
        expect(apart.generateBatch().data).to.deep.equal(together.subarray(batch * size, (batch + 1) * size));
      }
      expect(generator(7).generateBatch().data).to.not.deep.equal(together.subarray(0, size));
    }
  });

  it('continues from a restored random source', () => {
    const random = createRandomSource(8);
    const generator = new SyntheticSparseDataGenerator(10, [[0.9, 0.5]], random);
    generator.generateBatch();
    const resumed = new SyntheticSparseDataGenerator(10, [[0.9, 0.5]], restoreRandomSource(random.state()));
    expect(resumed.generateBatch()).to.deep.equal(generator.generateBatch());
  });

  it('refuses what it cannot draw', () => {
    const random = createRandomSource(9);
    for (const batchSize of [0, -1, 1.5, Number.NaN]) {
      expect(() => new SyntheticSparseDataGenerator(batchSize, [0.5], random)).to.throw(
        InvalidValueError,
        'must be positive',
      );
    }
    for (const sparsity of [-0.1, 1.1, Number.NaN]) {
      expect(() => new SyntheticSparseDataGenerator(1, [0.5, sparsity], random)).to.throw(
        InvalidValueError,
        'must be between 0 and 1',
      );
    }
    expect(() => new SyntheticSparseDataGenerator(1, [], random)).to.throw(InvalidShapeError, 'must be positive');
    const generator = new SyntheticSparseDataGenerator(4, [[0.5, 0.5]], random);
    expect(sizeOf(generator.sampleShape)).to.equal(2);
    expect(() => generator.fill(new Float32Array(7))).to.throw(InvalidShapeError, 'samples of 2 values');
  });
});
