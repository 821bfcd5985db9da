/**
 * Keeps a uniform sample of rows with the latents that fire on them, for counts that cannot be taken over all rows:
 * rules, and co-activation of very wide dictionaries. A row belongs to the sample if its priority lies below a
 * threshold that falls where the sample grows too large, so the sample depends on seed and rows alone.
 */
import { priorityOf } from './priority.ts';
import type { RuleRow } from './rule.ts';

/** A row of the sample. */
export interface SampledRow extends RuleRow {
  readonly row: number;
  readonly sequence: number;
  /** The latents that fire on the row, ascending. */
  readonly latents: Uint32Array;
}

/** The size of the sample. */
export interface RowSampleOptions {
  /** The most rows. */
  readonly rows: number;
  /** The most activations above 0, over all rows of the sample. */
  readonly entries: number;
  /** The key of random choices, from `priorityKey`. */
  readonly key: number;
}

/** A uniform sample of the rows that are offered. */
export class RowSample {
  readonly #options: RowSampleOptions;
  #threshold = 2 ** 32;
  #kept: { readonly priority: number; readonly row: SampledRow }[] = [];
  #entries = 0;

  constructor(options: RowSampleOptions) {
    this.#options = options;
  }

  /** Whether `row` would be kept: only then `offer` needs to be called. */
  wants(row: number): boolean {
    return priorityOf(this.#options.key, row, -1) < this.#threshold;
  }

  /** Keeps a row; its `latents` must stay as they are. */
  offer(row: SampledRow): void {
    const { rows, entries, key } = this.#options;
    this.#kept.push({ priority: priorityOf(key, row.row, -1), row });
    this.#entries += row.latents.length;
    while (this.#kept.length > rows || (this.#entries > entries && this.#kept.length > 1)) {
      this.#threshold /= 2;
      this.#kept = this.#kept.filter(({ priority }) => priority < this.#threshold);
      this.#entries = this.#kept.reduce((sum, { row: { latents } }) => sum + latents.length, 0);
    }
  }

  /** The sample in the order of rows. */
  rows(): SampledRow[] {
    return this.#kept.map(({ row }) => row);
  }
}
