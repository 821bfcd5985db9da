/** Finds latents that have nearly the same direction. */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { cosineSimilarityMatrix } from './cosine-similarity.ts';

/** Two latents of nearly one direction: their indices, `first` < `second`, and the cosine between them. */
export interface DuplicatePair {
  readonly first: number;
  readonly second: number;
  readonly cosine: number;
}

/** Which latents are compared, and from which cosine on two count as duplicates. */
export interface DuplicateOptions {
  /** Which latents fire, [dSae]; the others are ignored. Default: all. */
  readonly alive?: readonly boolean[];
  /** Two latents are duplicates above this cosine. Default 0.95. */
  readonly threshold?: number;
}

/** How many rows are compared at once: the whole matrix of a large dictionary would not fit in memory. */
const BLOCK = 256;

/**
 * Every pair of alive latents whose directions have a cosine above the threshold. Takes dSae² · d / 2 operations.
 * @param directions [dSae, d]
 * @throws InvalidShapeError where `directions` is no matrix, or `alive` does not have one entry for each latent
 */
export function duplicates(directions: HostTensor, options: DuplicateOptions = {}): DuplicatePair[] {
  const { alive, threshold = 0.95 } = options;
  const [dSae, width] = directions.shape;
  if (directions.shape.length !== 2 || dSae === undefined || width === undefined) {
    throw new InvalidShapeError(`directions have shape [${directions.shape.join(', ')}]: expected [dSae, d]`);
  }
  if (alive !== undefined && alive.length !== dSae) {
    throw new InvalidShapeError(`alive has ${alive.length} entries for ${dSae} latents`);
  }
  const living = Array.from({ length: dSae }, (_, latent) => latent).filter(latent => alive?.[latent] !== false);
  const data = new Float32Array(living.length * width);
  living.forEach((latent, row) => {
    data.set(directions.data.subarray(latent * width, (latent + 1) * width), row * width);
  });
  const rows = (from: number, to: number): HostTensor => ({
    data: data.subarray(from * width, to * width),
    shape: [to - from, width],
  });

  const pairs: DuplicatePair[] = [];
  for (let start = 0; start < living.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, living.length);
    const { data: cosines } = cosineSimilarityMatrix(rows(start, end), rows(start, living.length));
    for (let row = 0; row < end - start; row++) {
      for (let other = row + 1; other < living.length - start; other++) {
        const cosine = cosines[row * (living.length - start) + other]!;
        if (cosine > threshold) pairs.push({ first: living[start + row]!, second: living[start + other]!, cosine });
      }
    }
  }
  return pairs;
}
