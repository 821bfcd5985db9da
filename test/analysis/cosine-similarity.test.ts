import { expect } from 'chai';
import { cosineSimilarityMatrix } from '../../src/analysis/cosine-similarity.ts';
import { maxFeatureSimilarity } from '../../src/analysis/max-feature-similarity.ts';
import { InvalidShapeError } from '../../src/errors.ts';
import { fromNested, hostTensor, toNested, zeros } from '../../src/tensor.ts';
import { expectClose, reference } from './reference.ts';

describe('cosineSimilarityMatrix', () => {
  it('agrees with the reference figures', () => {
    const similarity = cosineSimilarityMatrix(
      fromNested(reference.sae_directions),
      fromNested(reference.true_directions),
    );
    expect(similarity.shape).to.deep.equal([9, 6]);
    expectClose(similarity.data, reference.cosine_similarity.flat());
    const largest = maxFeatureSimilarity(similarity);
    expect(largest.shape).to.deep.equal([6]);
    expectClose(largest.data, reference.max_similarity);
  });

  it('does each batch element by itself', () => {
    const a = fromNested(reference.sae_directions.slice(0, 8));
    const b = fromNested(reference.true_directions);
    const batched = cosineSimilarityMatrix({ ...a, shape: [2, 1, 4, 4] }, { ...b, shape: [2, 1, 3, 4] });
    expect(batched.shape).to.deep.equal([2, 1, 4, 3]);
    const expected = reference.cosine_similarity
      .slice(0, 8)
      .flatMap((row, i) => (i < 4 ? row.slice(0, 3) : row.slice(3)));
    expectClose(batched.data, expected);
    expect(maxFeatureSimilarity(batched).shape).to.deep.equal([2, 1, 3]);
  });

  it('is 0 for a zero row, and for no rows empty', () => {
    expect(
      toNested(cosineSimilarityMatrix(hostTensor([0, 0, 3, 0], [2, 2]), hostTensor([5, 0], [1, 2]))),
    ).to.deep.equal([[0], [1]]);
    const none = cosineSimilarityMatrix(zeros([0, 2]), zeros([3, 2]));
    expect(none.shape).to.deep.equal([0, 3]);
    expect([...maxFeatureSimilarity(none).data]).to.deep.equal([0, 0, 0]);
  });

  it('refuses shapes that do not go together', () => {
    const refused: [number[], number[], string][] = [
      [[2], [2, 2], 'must be at least 2D'],
      [[2, 2], [2], 'must be at least 2D'],
      [[1, 2, 2], [2, 2], 'same rank'],
      [[2, 2, 2], [3, 2, 2], 'same batch dimensions'],
      [[2, 3], [2, 2], 'same last dimension'],
    ];
    for (const [a, b, words] of refused) {
      expect(() => cosineSimilarityMatrix(zeros(a), zeros(b)), `${a} and ${b}`).to.throw(InvalidShapeError, words);
    }
    expect(() => maxFeatureSimilarity(zeros([3]))).to.throw(InvalidShapeError, 'must be at least 2D');
  });
});
