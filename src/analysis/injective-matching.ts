/** Greedy one-to-one matching of latents to true features. */
import { InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { matrixBatch } from './matrix-batch.ts';

/**
 * Similarity of each true feature to its own latent. In each matrix the largest entry is matched first (of equal ones
 * the first in row-major order), each latent and each feature once, until the largest left is below `threshold`.
 * @param similarity […, n_latents, n_features]; left unchanged
 * @param threshold in [0, 1]. Default 0
 * @returns […, n_features]; 0 for a feature without a match
 * @throws InvalidValueError for a threshold out of range
 * @throws InvalidShapeError where `similarity` has fewer than two dimensions
 */
export function injectiveFeatureMatching(similarity: HostTensor, threshold = 0): HostTensor {
  const { batchShape, count, rows, columns } = matrixBatch(similarity, 'similarity');
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new InvalidValueError(`threshold is ${threshold}: it must be between 0 and 1`);
  }
  const data = new Float32Array(count * columns);
  for (let matrix = 0; matrix < count; matrix++) {
    const size = rows * columns;
    const values = similarity.data.subarray(matrix * size, (matrix + 1) * size);
    const candidates: number[] = [];
    for (let entry = 0; entry < size; entry++) if (values[entry]! >= threshold) candidates.push(entry);
    candidates.sort((a, b) => values[b]! - values[a]! || a - b);
    const latentUsed = new Uint8Array(rows);
    const featureUsed = new Uint8Array(columns);
    for (const entry of candidates) {
      const latent = Math.floor(entry / columns);
      const feature = entry % columns;
      if (latentUsed[latent] || featureUsed[feature]) continue;
      latentUsed[latent] = 1;
      featureUsed[feature] = 1;
      data[matrix * columns + feature] = values[entry]!;
    }
  }
  return { data, shape: [...batchShape, columns] };
}
