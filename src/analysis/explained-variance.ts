/** The share of the activations' variance that a reconstruction explains. */
import { InvalidShapeError } from '../errors.ts';
import { type HostTensor, sameShape } from '../tensor.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** Explained variance, 1 − E‖x − x̂‖² / (E‖x‖² − ‖E x‖²), over all batches added, in float64. */
export class ExplainedVariance {
  #samples = 0;
  #residual = 0;
  /** Sums of x − origin and of its square; the first sample as the origin keeps a large mean from cancelling the variance. */
  #origin: Float64Array | undefined;
  #sums = new Float64Array(0);
  #squares = 0;

  /**
   * Adds activations and their reconstruction, both [samples, d].
   * @throws InvalidShapeError where shapes differ or d changes
   */
  add(activations: HostTensor, reconstruction: HostTensor): void {
    const width = batchWidth(activations, 'activations', this.#origin?.length);
    if (!sameShape(activations.shape, reconstruction.shape)) {
      throw new InvalidShapeError(
        `activations [${activations.shape.join(', ')}] and reconstruction [${reconstruction.shape.join(', ')}] ` +
          'must have the same shape',
      );
    }
    const x = activations.data;
    if (x.length === 0) return;
    this.#origin ??= Float64Array.from(x.subarray(0, width));
    if (this.#sums.length === 0) this.#sums = new Float64Array(width);
    for (let row = 0; row < x.length; row += width) {
      for (let column = 0; column < width; column++) {
        const value = x[row + column]! - this.#origin[column]!;
        this.#sums[column]! += value;
        this.#squares += value * value;
        const residual = x[row + column]! - reconstruction.data[row + column]!;
        this.#residual += residual * residual;
      }
    }
    this.#samples += x.length / width;
  }

  /**
   * The explained variance of all batches.
   * @returns at most 1, and below 0 where the mean would reconstruct better; `undefined` where the activations do not
   *   vary
   * @throws InvalidValueError where nothing was added
   */
  compute(): number | undefined {
    requireSamples(this.#samples, 'explained variance');
    const squaredMean = this.#sums.reduce((total, sum) => total + (sum / this.#samples) ** 2, 0);
    const variance = this.#squares / this.#samples - squaredMean;
    return variance > 0 ? 1 - this.#residual / this.#samples / variance : undefined;
  }
}
