/** The mean-max-cosine family of scores: how well each true feature is covered by any latent at all (Sharkey et al. 2022). */
import type { HostTensor } from '../tensor.ts';
import { matrixBatch } from './matrix-batch.ts';

/**
 * The largest similarity of each true feature to any latent. One latent may serve several features;
 * `injectiveFeatureMatching` and `optimalMatching` use each once.
 * @param similarity […, n_latents, n_features]
 * @returns […, n_features]; 0 where there are no latents
 */
export function maxFeatureSimilarity(similarity: HostTensor): HostTensor {
  const { batchShape, count, rows, columns } = matrixBatch(similarity, 'similarity');
  const data = new Float32Array(count * columns).fill(rows > 0 ? Number.NEGATIVE_INFINITY : 0);
  for (let matrix = 0; matrix < count; matrix++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const value = similarity.data[(matrix * rows + row) * columns + column]!;
        const at = matrix * columns + column;
        data[at] = Math.max(data[at]!, value);
      }
    }
  }
  return { data, shape: [...batchShape, columns] };
}
