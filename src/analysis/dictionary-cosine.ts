/** c_dec, a measure of how much the directions of a dictionary overlap. It needs no true features. */
import { InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { requireDirections } from './directions.ts';
import { productBlocks, unitRows } from './row-products.ts';

/** How alike the directions of one dictionary are: c_dec. */
export interface DictionaryCosine {
  /** The mean of |cos(d_i, d_j)| over the pairs i < j; `undefined` where there are fewer than two latents. */
  readonly mean: number | undefined;
  /** Latents among which the pairs were taken: all, or `mostLatents` at even distances. */
  readonly latents: number;
}

/** How many latents are compared. */
export interface DictionaryCosineOptions {
  /**
   * The most latents that are compared, at least 2. Of larger dictionaries this many latents at even distances stand
   * for all, because the cost grows with the square. Default 2,048.
   */
  readonly mostLatents?: number;
}

/**
 * c_dec = 2 / (h (h − 1)) · Σ_{i<j} |cos(d_i, d_j)| of a dictionary's directions ("Sparse but Wrong", Chanin and
 * Garriga-Alonso 2025, arXiv 2508.16560). Among SAEs that differ in k alone it is smallest near the true L0, because
 * features that are mixed into one another overlap.
 * @param directions [dSae, d]; a row of zeros has cosine 0 with all
 * @throws InvalidShapeError unless they are a matrix
 * @throws InvalidValueError if `mostLatents` is no integer of at least 2
 */
export function dictionaryCosine(
  directions: HostTensor,
  { mostLatents = 2048 }: DictionaryCosineOptions = {},
): DictionaryCosine {
  const { rows, width } = requireDirections(directions, 'directions');
  if (!(Number.isSafeInteger(mostLatents) && mostLatents >= 2)) {
    throw new InvalidValueError(`mostLatents is ${mostLatents}: it must be a whole number from 2`);
  }
  const latents = Math.min(rows, mostLatents);
  if (latents < 2) return { mean: undefined, latents };
  const chosen = new Float32Array(latents * width);
  for (let i = 0; i < latents; i++) {
    const row = Math.floor((i * rows) / latents);
    chosen.set(directions.data.subarray(row * width, (row + 1) * width), i * width);
  }
  const unit = unitRows(chosen, width);
  let sum = 0;
  for (const { start, count, products } of productBlocks(unit, unit, width)) {
    for (let row = 0; row < count; row++) {
      for (let other = start + row + 1; other < latents; other++) sum += Math.abs(products[row * latents + other]!);
    }
  }
  return { mean: sum / ((latents * (latents - 1)) / 2), latents };
}
