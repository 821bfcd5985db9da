/** Random orders and choices of indices (Fisher and Yates), each from a seeded random source. */
import type { RandomSource } from './random-source.ts';

/**
 * Shuffles in place; all orders are equally likely.
 * @returns `values`
 */
export function shuffle<T extends Int32Array | Uint32Array>(values: T, random: RandomSource): T {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const value = values[i]!;
    values[i] = values[j]!;
    values[j] = value;
  }
  return values;
}

/**
 * Draws different indices in random order.
 * @param n the indices are 0 … n − 1
 * @param count how many to draw
 * @returns `count` of them, or all `n` where there are fewer
 */
export function distinctIndices(n: number, count: number, random: RandomSource): Int32Array {
  const indices = Int32Array.from({ length: n }, (_, i) => i);
  const drawn = Math.min(n, count);
  for (let i = 0; i < drawn; i++) {
    const j = i + random.integer(n - i);
    const index = indices[i]!;
    indices[i] = indices[j]!;
    indices[j] = index;
  }
  return indices.subarray(0, drawn);
}
