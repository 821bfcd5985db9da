/**
 * Random numbers that do not depend on an order: a row's priority follows from the seed and the row's number alone. The
 * rows with the k smallest priorities are a uniform sample without replacement, whatever order the rows came in
 * (bottom-k sampling).
 */

/** A bijection of 32-bit words that spreads every input bit over the output (Wellons' lowbias32). */
function mix(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}

/** The seed as a word to start from. */
export function priorityKey(seed: number, purpose: number): number {
  return mix(mix(mix(seed | 0) ^ Math.floor(seed / 2 ** 32)) ^ purpose);
}

/** A number from 0 to 2^32 − 1 for `row` (a safe integer) and `latent`. */
export function priorityOf(key: number, row: number, latent: number): number {
  const low = row | 0;
  const high = row < 2 ** 32 ? 0 : Math.floor(row / 2 ** 32);
  return mix(mix(mix(key ^ low) + high) ^ Math.imul(latent + 1, 0x9e3779b1)) >>> 0;
}
