/** Converts many float32 numbers to float16: the bits of the exponent decide how far the mantissa is shifted. */

/** For each sign and exponent (the upper 9 bits of a float32): what is added, and by how many bits the mantissa is shifted. */
const BASE = new Uint16Array(512);
const SHIFT = new Uint8Array(512);
for (let i = 0; i < 256; i++) {
  const exponent = i - 127;
  const entry: readonly [number, number] =
    exponent < -25
      ? [0, 31]
      : exponent < -14
        ? [0, -exponent - 1]
        : exponent <= 15
          ? [(exponent + 15) << 10, 13]
          : [0x7c00, 31];
  for (const [at, sign] of [
    [i, 0],
    [i | 256, 0x8000],
  ] as const) {
    BASE[at] = entry[0] | sign;
    SHIFT[at] = entry[1];
  }
}

/** The values as the bits of float16, rounded to nearest, ties to even; beyond 65,504 they become infinite, NaN stays NaN. */
export function toHalfFloats(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const top = word >>> 23;
    const exponent = top & 255;
    if (exponent === 255) {
      halves[i] = ((top & 256) << 7) | 0x7c00 | (word & 0x7fffff ? 0x200 : 0);
      continue;
    }
    const shift = SHIFT[top]!;
    if (shift === 31) {
      halves[i] = BASE[top]!;
      continue;
    }
    // Subnormal numbers have no hidden bit, so theirs is shifted in.
    const mantissa = shift === 13 ? word & 0x7fffff : (word & 0x7fffff) | 0x800000;
    const kept = BASE[top]! + (mantissa >>> shift);
    const rest = mantissa & ((1 << shift) - 1);
    const half = 1 << (shift - 1);
    // A carry into the exponent gives the right number.
    halves[i] = rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
  }
  return halves;
}
