/** s_n^dec: how strongly activations project on latents beyond the n strongest. No truth is needed. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { requireDirections } from './directions.ts';
import { multiplyTransposed } from './row-products.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** The decoder that activations are projected on. */
export interface DecoderProjectionOptions {
  /** The decoder's rows W_dec, [dSae, d]; of norm 1 for the numbers to compare. */
  readonly directions: HostTensor;
  /** b_dec, [d]. Default zeros. */
  readonly bias?: ArrayLike<number>;
  /** The values of n: each positive and at most dSae. Default: the powers of two up to dSae / 2. */
  readonly n?: readonly number[];
}

/**
 * s_n^dec of "Sparse but Wrong" (Chanin and Garriga-Alonso 2025, arXiv 2508.16560): of all products (x − b_dec) W_decᵀ
 * of a batch, [B, dSae], sorted in descending order, the one at position n · B (the first is number 1).
 *
 * Among SAEs that differ in k alone it is smallest near the true L0, for an n slightly above the guess of L0 and at
 * most dSae / 2. Over several batches the mean is given, so that memory is that of one batch.
 */
export class DecoderProjection {
  readonly #directions: HostTensor;
  readonly #bias: ArrayLike<number> | undefined;
  readonly #width: number;
  readonly #latents: number;
  readonly #n: readonly number[];
  readonly #sums: Float64Array;
  #samples = 0;

  /**
   * Prepares the metric for one decoder.
   * @throws InvalidShapeError unless the shapes fit
   * @throws InvalidValueError if an n is not positive or above dSae
   */
  constructor({ directions, bias, n }: DecoderProjectionOptions) {
    const { rows, width } = requireDirections(directions, 'directions');
    if (bias && bias.length !== width) throw new InvalidShapeError(`the bias has ${bias.length} numbers, not ${width}`);
    this.#directions = directions;
    this.#bias = bias;
    this.#width = width;
    this.#latents = rows;
    this.#n = n ?? Array.from({ length: 32 }, (_, i) => 2 ** i).filter(power => power <= rows / 2);
    const wrong = this.#n.find(value => !(value > 0 && value <= rows));
    if (wrong !== undefined) throw new InvalidValueError(`n is ${wrong}: it must be positive and at most ${rows}`);
    this.#sums = new Float64Array(this.#n.length);
  }

  /**
   * Adds a batch of activations [B, d].
   * @throws InvalidShapeError where d is another
   */
  add(activations: HostTensor): void {
    batchWidth(activations, 'activations', this.#width);
    const samples = activations.shape[0]!;
    if (samples === 0) return;
    const centred = Float32Array.from(activations.data, (value, i) => value - (this.#bias?.[i % this.#width] ?? 0));
    const products = new Float32Array(samples * this.#latents);
    multiplyTransposed(centred, this.#directions.data, this.#width, products);
    products.sort();
    for (const [i, n] of this.#n.entries()) {
      const position = Math.max(1, Math.min(products.length, Math.round(n * samples)));
      this.#sums[i]! += samples * products[products.length - position]!;
    }
    this.#samples += samples;
  }

  /**
   * The metric over all batches added.
   * @returns each n and its s_n
   * @throws InvalidValueError where nothing was added
   */
  compute(): { readonly n: number; readonly value: number }[] {
    requireSamples(this.#samples, 'decoder projection');
    return this.#n.map((n, i) => ({ n, value: this.#sums[i]! / this.#samples }));
  }
}
