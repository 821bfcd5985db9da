/** Latents that say the same thing twice. */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { cosineSimilarityMatrix } from './cosine-similarity.ts';

export interface DuplicatePair {
  readonly first: number;
  readonly second: number;
  readonly cosine: number;
}

export interface DuplicateOptions {
  /** Which latents fire, [dSae]; the others are passed over. Default all. */
  readonly alive?: readonly boolean[];
  /** Default 0.95. */
  readonly threshold?: number;
}

/** Every pair of alive latents whose `directions` [dSae, d] have a cosine above the threshold. Takes dSae² · d / 2 operations. */
export function duplicates(directions: HostTensor, options: DuplicateOptions = {}): DuplicatePair[] {
  const { alive, threshold = 0.95 } = options;
  const [dSae, width] = directions.shape;
  if (directions.shape.length !== 2 || dSae === undefined || width === undefined) {
    throw new InvalidShapeError(`directions have shape [${directions.shape.join(', ')}]: expected [dSae, d]`);
  }
  if (alive !== undefined && alive.length !== dSae) {
    throw new InvalidShapeError(`alive has ${alive.length} entries for ${dSae} latents`);
  }
  const pairs: DuplicatePair[] = [];
  for (let first = 0; first < dSae; first++) {
    if (alive?.[first] === false) continue;
    // One row at a time: the whole matrix of a large dictionary would not fit in memory.
    const { data: cosines } = cosineSimilarityMatrix(
      { data: directions.data.subarray(first * width, (first + 1) * width), shape: [1, width] },
      { data: directions.data.subarray((first + 1) * width), shape: [dSae - first - 1, width] },
    );
    cosines.forEach((cosine, offset) => {
      const second = first + 1 + offset;
      if (cosine > threshold && alive?.[second] !== false) pairs.push({ first, second, cosine });
    });
  }
  return pairs;
}
