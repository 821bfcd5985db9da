/** How far bytes may reach so that this processor adds their products exactly. */
import type { ByteProduct } from './products.ts';
import type { ShardMemory } from './shard-memory.ts';

/**
 * Instructions of AVX2, and of AVX-512 without VNNI, add two products of bytes in 16 bits and cut off what does not fit; with 6 bits and a sign
 * on one side everything fits.
 */
const REACHES = [127, 63] as const;
/** The encoder's bytes count from here: 128 stands for zero, and 255 for the largest number. */
const ZERO = 128;
const LARGEST = 255;

/**
 * The largest number that bytes of the batch may stand for; undefined where not even small ones are multiplied exactly. Tried
 * with `latents` latents; uses up the arrays.
 */
export async function findByteReach(
  memory: ShardMemory,
  product: ByteProduct,
  latents: number,
): Promise<number | undefined> {
  const { layout, columns, width, samples } = memory;
  const encoder = memory.bytesAt(layout.encoderBytes, columns * width);
  const activations = memory.bytesAt(layout.activationBytes, width * samples);
  const products = memory.integers('byteProducts', latents * samples);
  try {
    encoder.fill(LARGEST);
    for (const reach of REACHES) {
      // Every other sample is negative, as two's complement has it.
      for (let at = 0; at < activations.length; at++) activations[at] = at % 2 === 0 ? reach : 256 - reach;
      await product.run(0, latents);
      const expected = (LARGEST - ZERO) * reach * width;
      if (products.every((value, at) => value === (at % 2 === 0 ? expected : -expected))) return reach;
    }
    return undefined;
  } finally {
    for (const array of [encoder, activations, products]) array.fill(0);
  }
}
