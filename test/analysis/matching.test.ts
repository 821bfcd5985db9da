import { expect } from 'chai';
import { injectiveFeatureMatching } from '../../src/analysis/injective-matching.ts';
import { optimalMatching } from '../../src/analysis/optimal-matching.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { fromNested, type HostTensor, hostTensor, toNested, zeros } from '../../src/tensor.ts';
import { expectClose, reference } from './reference.ts';

function randomSimilarity(seed: number, rows: number, columns: number): HostTensor {
  const random = createRandomSource(seed);
  return hostTensor(
    Float32Array.from({ length: rows * columns }, () => 2 * random.uniform() - 1),
    [rows, columns],
  );
}

/** Largest total over all ways to give min(rows, columns) columns a row of their own, by trying them all. */
function bestTotal({ data, shape }: HostTensor): number {
  const [rows, columns] = shape as [number, number];
  const search = (column: number, used: number, unmatched: number): number => {
    if (column === columns) return 0;
    let best = unmatched > 0 ? search(column + 1, used, unmatched - 1) : Number.NEGATIVE_INFINITY;
    for (let row = 0; row < rows; row++) {
      if (used & (1 << row)) continue;
      best = Math.max(best, data[row * columns + column]! + search(column + 1, used | (1 << row), unmatched));
    }
    return best;
  };
  return search(0, 0, Math.max(0, columns - rows));
}

describe('optimalMatching', () => {
  it("agrees with SciPy's linear_sum_assignment", () => {
    const { latents, mean } = optimalMatching(fromNested(reference.cosine_similarity));
    const pairs = Array.from(latents, (latent, feature) => [latent, feature]).sort((a, b) => a[0]! - b[0]!);
    expect(pairs).to.deep.equal(reference.hungarian.pairs);
    expectClose([mean], [reference.hungarian.mean_max_cosine]);
  });

  it('finds the largest total of all one-to-one matchings, whichever side is longer', () => {
    for (let seed = 0; seed < 60; seed++) {
      const rows = 1 + (seed % 6);
      const columns = 1 + ((seed * 7) % 5);
      const similarity = randomSimilarity(seed, rows, columns);
      const { latents, similarities, mean } = optimalMatching(similarity);
      const matched = [...latents].filter(latent => latent >= 0);
      expect(matched).to.have.length(Math.min(rows, columns));
      expect(new Set(matched).size).to.equal(matched.length);
      const total = similarities.reduce((sum, value) => sum + value, 0);
      expect(total, `${rows} × ${columns}`).to.be.closeTo(bestTotal(similarity), 1e-5);
      expect(mean).to.be.closeTo(total / matched.length, 1e-6);
      latents.forEach((latent, feature) => {
        expect(similarities[feature]).to.equal(latent < 0 ? 0 : similarity.data[latent * columns + feature]);
      });
    }
  });

  it('does better than greedy where greedy is tempted', () => {
    const similarity = fromNested([
      [0.9, 0.8],
      [0.8, 0],
    ]);
    expectClose(optimalMatching(similarity).similarities, [0.8, 0.8]);
    expectClose(injectiveFeatureMatching(similarity).data, [0.9, 0]);
  });

  it('leaves features of an empty side unmatched', () => {
    expect([...optimalMatching(zeros([0, 2])).latents]).to.deep.equal([-1, -1]);
    expect(optimalMatching(zeros([3, 0])).mean).to.equal(0);
  });

  it('refuses what is not a finite matrix', () => {
    expect(() => optimalMatching(zeros([2, 2, 2]))).to.throw(InvalidShapeError, 'expected [latents, features]');
    expect(() => optimalMatching(hostTensor([Number.NaN], [1, 1]))).to.throw(InvalidValueError, 'must be finite');
  });
});

describe('injectiveFeatureMatching', () => {
  it('takes the largest entry first, each latent and each feature once, and leaves its input', () => {
    const similarity = fromNested([
      [0.9, 0.85, 0.1],
      [0.8, 0.7, 0.2],
      [0.6, 0.5, -0.3],
    ]);
    const before = Float32Array.from(similarity.data);
    expectClose(injectiveFeatureMatching(similarity).data, [0.9, 0.7, 0]);
    expect(similarity.data).to.deep.equal(before);
  });

  it('stops below the threshold, but not at it', () => {
    const similarity = fromNested([
      [0.9, 0],
      [0, 0.5],
    ]);
    expectClose(injectiveFeatureMatching(similarity, 0.5).data, [0.9, 0.5]);
    expectClose(injectiveFeatureMatching(similarity, 0.6).data, [0.9, 0]);
  });

  it('does each batch element by itself', () => {
    const first = randomSimilarity(1, 4, 3);
    const second = randomSimilarity(2, 4, 3);
    const both = injectiveFeatureMatching(hostTensor([...first.data, ...second.data], [2, 4, 3]));
    expect(toNested(both)).to.deep.equal([first, second].map(one => toNested(injectiveFeatureMatching(one))));
  });

  it('gives zeros for empty sides and no more matches than the shorter side has', () => {
    expect(injectiveFeatureMatching(zeros([0, 2]))).to.deep.equal(zeros([2]));
    expect(injectiveFeatureMatching(zeros([2, 0]))).to.deep.equal(zeros([0]));
    const { data } = injectiveFeatureMatching(hostTensor(new Float32Array(10).fill(0.5), [2, 5]));
    expect(data.filter(value => value > 0)).to.have.length(2);
  });

  it('refuses vectors and thresholds that are no similarity', () => {
    expect(() => injectiveFeatureMatching(zeros([2]))).to.throw(InvalidShapeError, 'must be at least 2D');
    for (const threshold of [-0.1, 1.1, Number.NaN]) {
      expect(() => injectiveFeatureMatching(zeros([2, 2]), threshold)).to.throw(
        InvalidValueError,
        'must be between 0 and 1',
      );
    }
  });
});
