/**
 * The distribution of the number of active latents in a sample: two dictionaries with the same mean may differ in it.
 */
import type { HostTensor } from '../tensor.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** The largest number of bins. */
const MOST_BINS = 32;

/** How many samples have how many active latents. */
export interface L0Distribution {
  /**
   * Bin i holds samples with at least `edges[i]` and fewer than `edges[i + 1]` active latents. Integers in ascending
   * order, one more than there are bins.
   */
  readonly edges: readonly number[];
  /** The number of samples in each bin. */
  readonly counts: readonly number[];
  readonly mean: number;
  /** The 5th percentile: the L0 that a twentieth of the samples does not exceed. */
  readonly p5: number;
  /** The median L0. */
  readonly median: number;
  /** The 95th percentile. */
  readonly p95: number;
}

/**
 * Counts samples by how many of their latents are active (> 0), over all batches added. Memory only grows with the
 * largest L0.
 */
export class L0Histogram {
  #samples = 0;
  /** The number of samples with each L0. */
  #counts = new Float64Array(64);
  #largest = 0;

  /** Adds features [samples, dSae]. */
  add(features: HostTensor): void {
    const width = batchWidth(features, 'features');
    const { data } = features;
    for (let row = 0; row < features.shape[0]!; row++) {
      let active = 0;
      for (let at = row * width; at < (row + 1) * width; at++) if (data[at]! > 0) active++;
      if (active >= this.#counts.length) {
        const grown = new Float64Array(Math.max(active + 1, 2 * this.#counts.length));
        grown.set(this.#counts);
        this.#counts = grown;
      }
      this.#counts[active]!++;
      this.#largest = Math.max(this.#largest, active);
    }
    this.#samples += features.shape[0]!;
  }

  /**
   * The distribution over all batches.
   * @returns at most 32 bins of equal width from 0 to the largest L0
   * @throws InvalidValueError where nothing was added
   */
  compute(): L0Distribution {
    requireSamples(this.#samples, 'the distribution of L0');
    const width = Math.ceil((this.#largest + 1) / MOST_BINS);
    const bins = Math.ceil((this.#largest + 1) / width);
    const counts = new Array<number>(bins).fill(0);
    let sum = 0;
    for (let l0 = 0; l0 <= this.#largest; l0++) {
      counts[Math.floor(l0 / width)]! += this.#counts[l0]!;
      sum += l0 * this.#counts[l0]!;
    }
    return {
      edges: Array.from({ length: bins + 1 }, (_, i) => i * width),
      counts,
      mean: sum / this.#samples,
      p5: this.#quantile(0.05),
      median: this.#quantile(0.5),
      p95: this.#quantile(0.95),
    };
  }

  /** The smallest L0 that a share of at least `share` of the samples does not exceed. */
  #quantile(share: number): number {
    let below = 0;
    for (let l0 = 0; ; l0++) {
      below += this.#counts[l0]!;
      if (below >= share * this.#samples || l0 >= this.#largest) return l0;
    }
  }
}
