/** How often each latent fires, and which never do. */
import type { HostTensor } from '../tensor.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** How often each latent fires. */
export interface Firing {
  /** Share of samples on which each latent is active (> 0), [dSae]. */
  readonly density: Float64Array;
  /** Whether each latent fired at least once, [dSae]. */
  readonly alive: readonly boolean[];
  /** Indices of the latents that never fired. */
  readonly dead: readonly number[];
  readonly samples: number;
}

/**
 * Counts how often latents fire over all batches added. Which latents are dead depends on the number of samples: report
 * it together with the number.
 */
export class FiringDensity {
  #samples = 0;
  #counts: Float64Array | undefined;

  /**
   * Adds features [samples, dSae].
   * @throws InvalidShapeError where dSae changes
   */
  add(features: HostTensor): void {
    const width = batchWidth(features, 'features', this.#counts?.length);
    this.#counts ??= new Float64Array(width);
    this.#samples += features.shape[0]!;
    const { data } = features;
    for (let row = 0; row < data.length; row += width) {
      for (let latent = 0; latent < width; latent++) if (data[row + latent]! > 0) this.#counts[latent]!++;
    }
  }

  /**
   * The densities over all batches.
   * @throws InvalidValueError where nothing was added
   */
  compute(): Firing {
    requireSamples(this.#samples, 'firing density');
    const counts = this.#counts!;
    const alive = Array.from(counts, count => count > 0);
    return {
      density: counts.map(count => count / this.#samples),
      alive,
      dead: alive.flatMap((fired, latent) => (fired ? [] : [latent])),
      samples: this.#samples,
    };
  }
}
