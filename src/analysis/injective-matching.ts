/** Greedy one-to-one matching of latents to true features. */
import { InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { matrixBatch } from './matrix-batch.ts';

/**
 * Similarity of each true feature to its own latent: `similarity` […, sae, true] to […, true].
 *
 * In each matrix the largest entry is matched first (of equal ones the first in row-major order), each latent and each
 * feature once, until the largest left is below `threshold`; unmatched features get 0. `threshold` "must be between 0 and 1",
 * 0 by default; `similarity` "must be at least 2D" and is left unchanged.
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
