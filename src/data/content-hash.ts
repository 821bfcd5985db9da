/**
 * A short hash of numbers, by which data are told from other data of the same size. It is MurmurHash3 (x86, 32 bits; Appleby 2011) with two
 * seeds, 64 bits in all: fast, the same everywhere, and no protection against somebody who wants two data sets to look alike.
 */

const SECOND_SEED = 0x9e3779b9;

/** A hash of the bits of `values`, 16 hexadecimal digits. */
export function contentHash(values: Float32Array): string {
  return hashOf(new Uint32Array(values.buffer, values.byteOffset, values.length));
}

/** As `contentHash` for text. */
export function textHash(text: string): string {
  return hashOf(Uint32Array.from(text, character => character.codePointAt(0)!));
}

function hashOf(words: Uint32Array): string {
  return [0, SECOND_SEED].map(seed => murmur3(words, seed).toString(16).padStart(8, '0')).join('');
}

/** MurmurHash3 of 32-bit words, little-endian bytes of which it would hash alike. */
export function murmur3(words: Uint32Array, seed: number): number {
  let hash = seed | 0;
  for (let i = 0; i < words.length; i++) {
    let word = Math.imul(words[i]!, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash ^= word;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash ^= words.length * 4;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
