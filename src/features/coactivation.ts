/** Which latents fire on the same rows: pairs counted exactly for dictionaries up to 16,384 latents, over a sample of rows beyond. */

/** The widest dictionary whose pairs are all counted: 134 million, 512 MiB. */
export const EXACT_COACTIVATION_LATENTS = 16_384;

/**
 * Pairs after which counting stops being exact: dense codes have L0² / 2 of them a row. At some 5 ns a pair this is five minutes.
 */
const MOST_PAIRS = 6e10;

/** Latents that fire together with one, by Jaccard index, largest first; ties go to the smaller latent. */
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

  /** The `most` latents that fire most often together with `latent`. */
  nearest(latent: number, most: number): Coactive {
    const width = this.#dSae;
    const best = new Best(most);
    for (let other = 0; other < width; other++) {
      if (other === latent) continue;
      const [i, j] = other < latent ? [other, latent] : [latent, other];
      const count = this.#pairs[(i * (2 * width - i - 1)) / 2 + j - i - 1]!;
      if (count > 0) best.offer(other, count, count / (this.#single[latent]! + this.#single[other]! - count));
    }
    return best.result();
  }
}

/** Co-activation over a sample of rows, of any number of latents. */
export class SampledPairs {
  readonly #rows: readonly Uint32Array[];
  readonly #single: Float64Array;
  /** Rows of each latent: entries `starts[i]` to `starts[i + 1]` of `rowsOf`. */
  readonly #starts: Uint32Array;
  readonly #rowsOf: Uint32Array;
  readonly #together: Uint32Array;

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
    this.#together = new Uint32Array(dSae);
  }

  nearest(latent: number, most: number): Coactive {
    const together = this.#together;
    const seen: number[] = [];
    for (let at = this.#starts[latent]!; at < this.#starts[latent + 1]!; at++) {
      for (const other of this.#rows[this.#rowsOf[at]!]!) if (together[other]!++ === 0) seen.push(other);
    }
    const best = new Best(most);
    for (const other of seen.sort((a, b) => a - b)) {
      const count = together[other]!;
      together[other] = 0;
      if (other !== latent) {
        best.offer(other, count, count / (this.#single[latent]! + this.#single[other]! - count));
      }
    }
    return best.result();
  }
}

/** The few with the largest Jaccard index of those offered in ascending order. */
class Best {
  readonly #most: number;
  readonly #entries: { readonly latent: number; readonly count: number; readonly jaccard: number }[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  offer(latent: number, count: number, jaccard: number): void {
    const entries = this.#entries;
    if (entries.length === this.#most && !(jaccard > (entries.at(-1)?.jaccard ?? Number.POSITIVE_INFINITY))) return;
    let at = entries.length;
    while (at > 0 && entries[at - 1]!.jaccard < jaccard) at--;
    entries.splice(at, 0, { latent, count, jaccard });
    if (entries.length > this.#most) entries.pop();
  }

  result(): Coactive {
    const latents = new Int32Array(this.#most).fill(-1);
    const counts = new Int32Array(this.#most);
    const jaccard = new Float32Array(this.#most).fill(Number.NaN);
    this.#entries.forEach((entry, i) => {
      latents[i] = entry.latent;
      counts[i] = entry.count;
      jaccard[i] = entry.jaccard;
    });
    return { latents, counts, jaccard };
  }
}
