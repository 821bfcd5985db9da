/** The logits that a latent writes directly: its decoder row times the unembedding, W_dec · W_U. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { Runtime } from '../sessions/runtime.ts';
import type { HostTensor } from '../tensor.ts';
import { rowProducts } from './row-products.ts';

/** The largest and smallest logits of each latent, [d_sae, n] each. */
export interface DirectLogits {
  readonly topTokens: Int32Array;
  readonly topValues: Float32Array;
  readonly bottomTokens: Int32Array;
  readonly bottomValues: Float32Array;
  /** Logits of the whole vocabulary in equal bins of `range`, the last one closed. */
  readonly histogram: Int32Array;
  /** Smallest and largest logit of each latent. */
  readonly range: Float32Array;
}

/** How many logits are wanted. */
export interface DirectLogitOptions {
  /** The number of tokens at each end. */
  readonly most: number;
  readonly bins: number;
  /** The size of the vocabulary, which tells the orientation of a square unembedding where that is possible. */
  readonly vocabulary?: number | undefined;
  readonly threads?: number | undefined;
}

/**
 * Whether `unembedding` is [vocabulary, d_out], not [d_out, vocabulary].
 * @throws InvalidShapeError where neither dimension is d_out, or both are
 */
function isVocabularyFirst(unembedding: HostTensor, dOut: number): boolean {
  const { shape } = unembedding;
  if (shape.length === 2 && (shape[0] === dOut) !== (shape[1] === dOut)) return shape[1] === dOut;
  throw new InvalidShapeError(
    `the unembedding has the shape [${shape.join(', ')}]; expected [vocabulary, ${dOut}] or [${dOut}, vocabulary]`,
  );
}

/**
 * Multiplies every decoder row with the unembedding, in blocks.
 * @param directions W_dec, [d_sae, d_out]
 * @param unembedding [vocabulary, d_out] or [d_out, vocabulary]
 * @throws InvalidShapeError as `isVocabularyFirst`
 * @throws InvalidValueError where the vocabulary has fewer than `most` entries
 */
export async function directLogits(
  runtime: Runtime,
  directions: HostTensor,
  unembedding: HostTensor,
  { most, bins, threads }: DirectLogitOptions,
): Promise<DirectLogits> {
  const [dSae = 0, dOut = 0] = directions.shape;
  const isTransposed = isVocabularyFirst(unembedding, dOut);
  const vocabulary = unembedding.shape[isTransposed ? 0 : 1]!;
  if (vocabulary < most) throw new InvalidValueError(`the vocabulary has ${vocabulary} entries, fewer than ${most}`);
  const result = {
    topTokens: new Int32Array(dSae * most),
    topValues: new Float32Array(dSae * most),
    bottomTokens: new Int32Array(dSae * most),
    bottomValues: new Float32Array(dSae * most),
    histogram: new Int32Array(dSae * bins),
    range: new Float32Array(dSae * 2),
  };
  for await (const block of rowProducts(runtime, {
    left: directions,
    right: unembedding,
    isTransposed,
    largest: most,
    smallest: most,
    all: true,
    threads,
  })) {
    const at = block.start * most;
    result.topTokens.set(Int32Array.from(block.largest.columns as ArrayLike<bigint>, Number), at);
    result.topValues.set(block.largest.values, at);
    result.bottomTokens.set(Int32Array.from(block.smallest!.columns as ArrayLike<bigint>, Number), at);
    result.bottomValues.set(block.smallest!.values, at);
    for (let row = 0; row < block.rows; row++) {
      const latent = block.start + row;
      const logits = block.products!.subarray(row * vocabulary, (row + 1) * vocabulary);
      const [least, largest] = [block.smallest!.values[row * most]!, block.largest.values[row * most]!];
      result.range.set([least, largest], 2 * latent);
      const scale = largest > least ? bins / (largest - least) : 0;
      const counts = result.histogram.subarray(latent * bins, (latent + 1) * bins);
      for (let token = 0; token < vocabulary; token++) {
        counts[Math.min(bins - 1, Math.floor((logits[token]! - least) * scale))]!++;
      }
    }
  }
  return result;
}
