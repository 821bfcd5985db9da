/**
 * Counts which latents fire on the same rows: exactly for dictionaries up to 16,384 latents, over a sample of rows
 * beyond.
 */

/** The widest dictionary whose pairs are all counted: 134 million, 512 MiB. */
export const EXACT_COACTIVATION_LATENTS = 16_384;

/**
 * The number of pairs after which counting stops being exact: dense codes have L0² / 2 of them per row. At some 5 ns a
 * pair this is five minutes.
 */
const MOST_PAIRS = 6e10;

/**
 * For each latent those that fire together with it, by Jaccard index, largest first; ties go to the smaller latent.
 * Arrays are [d_sae, most]; unused entries are −1, 0 and NaN.
 */
export interface Coactive {
  readonly latents: Int32Array;
  readonly counts: Int32Array;
  readonly jaccard: Float32Array;
}

/** Counts of every pair i < j of latents. */
export class PairCounts {
  readonly #dSae: number;
  readonly #pairs: Uint32Array;
  readonly #single: Float64Array;
  #counted = 0;
  rows = 0;

  constructor(dSae: number) {
    this.#dSae = dSae;
    this.#pairs = new Uint32Array((dSae * (dSae - 1)) / 2);
    this.#single = new Float64Array(dSae);
  }

  /** Whether more rows can be counted in bearable time. */
  get isBearable(): boolean {
    return this.#counted < MOST_PAIRS;
  }

  /** Counts one row's latents, `latents[start]` to `latents[end - 1]`, ascending. */
  add(latents: Uint32Array, start: number, end: number): void {
    const pairs = this.#pairs;
    const width = this.#dSae;
    for (let a = start; a < end; a++) {
      const first = latents[a]!;
      this.#single[first]!++;
      // Pair (i, j) is number i · (2n − i − 1) / 2 + j − i − 1.
      const base = (first * (2 * width - first - 1)) / 2 - first - 1;
      for (let b = a + 1; b < end; b++) pairs[base + latents[b]!]!++;
    }
    const count = end - start;
    this.#counted += (count * (count - 1)) / 2;
    this.rows++;
  }

  /** The `most` latents that fire together with each. */
  nearest(most: number): Coactive {
    const width = this.#dSae;
    const single = this.#single;
    const best = new BestOfEach(width, most);
    let pair = 0;
    // The loop follows the order in memory; each latent still meets its partners in ascending order.
    for (let i = 0; i < width; i++) {
      for (let j = i + 1; j < width; j++) {
        const count = this.#pairs[pair++]!;
        if (count === 0) continue;
        const jaccard = count / (single[i]! + single[j]! - count);
        best.offer(i, j, count, jaccard);
        best.offer(j, i, count, jaccard);
      }
    }
    return best;
  }
}

/** Co-activation over a sample of rows, of any number of latents. */
export class SampledPairs {
  readonly #rows: readonly Uint32Array[];
  readonly #single: Float64Array;
  /** Rows of each latent: entries `starts[i]` to `starts[i + 1]` of `rowsOf`. */
  readonly #starts: Uint32Array;
  readonly #rowsOf: Uint32Array;

  constructor(dSae: number, rows: readonly Uint32Array[]) {
    this.#rows = rows;
    this.#single = new Float64Array(dSae);
    for (const latents of rows) for (const latent of latents) this.#single[latent]!++;
    this.#starts = new Uint32Array(dSae + 1);
    for (let latent = 0; latent < dSae; latent++) {
      this.#starts[latent + 1] = this.#starts[latent]! + this.#single[latent]!;
    }
    const next = this.#starts.slice();
    this.#rowsOf = new Uint32Array(this.#starts[dSae]!);
    rows.forEach((latents, row) => {
      for (const latent of latents) this.#rowsOf[next[latent]!++] = row;
    });
  }

  /** The `most` latents that fire together with each. */
  nearest(most: number): Coactive {
    const dSae = this.#single.length;
    const together = new Uint32Array(dSae);
    const best = new BestOfEach(dSae, most);
    for (let latent = 0; latent < dSae; latent++) {
      const seen: number[] = [];
      for (let at = this.#starts[latent]!; at < this.#starts[latent + 1]!; at++) {
        for (const other of this.#rows[this.#rowsOf[at]!]!) if (together[other]!++ === 0) seen.push(other);
      }
      for (const other of seen.sort((a, b) => a - b)) {
        const count = together[other]!;
        together[other] = 0;
        if (other !== latent) {
          best.offer(latent, other, count, count / (this.#single[latent]! + this.#single[other]! - count));
        }
      }
    }
    return best;
  }
}

/** The few partners of each latent with the largest Jaccard index, of those offered in ascending order. */
class BestOfEach implements Coactive {
  readonly latents: Int32Array;
  readonly counts: Int32Array;
  readonly jaccard: Float32Array;
  /** Jaccard indices in float64, so that differences below float32's precision still order the partners. */
  readonly #exact: Float64Array;
  readonly #most: number;

  constructor(dSae: number, most: number) {
    this.latents = new Int32Array(dSae * most).fill(-1);
    this.counts = new Int32Array(dSae * most);
    this.jaccard = new Float32Array(dSae * most).fill(Number.NaN);
    this.#exact = new Float64Array(dSae * most).fill(-1);
    this.#most = most;
  }

  offer(latent: number, other: number, count: number, jaccard: number): void {
    const exact = this.#exact;
    const start = latent * this.#most;
    let at = start + this.#most;
    if (at === start || !(jaccard > exact[at - 1]!)) return;
    for (at--; at > start && exact[at - 1]! < jaccard; at--) {
      this.latents[at] = this.latents[at - 1]!;
      this.counts[at] = this.counts[at - 1]!;
      this.jaccard[at] = this.jaccard[at - 1]!;
      exact[at] = exact[at - 1]!;
    }
    this.latents[at] = other;
    this.counts[at] = count;
    this.jaccard[at] = jaccard;
    exact[at] = jaccard;
  }
}
