/** L0, a measure of sparsity. */
import type { HostTensor } from '../tensor.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** The mean number of active latents (features > 0) per sample, over all batches added. */
export class L0 {
  #samples = 0;
  #active = 0;

  /** Adds features [samples, dSae]. */
  add(features: HostTensor): void {
    batchWidth(features, 'features');
    this.#samples += features.shape[0]!;
    for (const value of features.data) if (value > 0) this.#active++;
  }

  /**
   * The mean L0 over all batches.
   * @throws InvalidValueError where nothing was added
   */
  compute(): number {
    requireSamples(this.#samples, 'L0');
    return this.#active / this.#samples;
  }
}
