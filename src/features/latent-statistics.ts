/** Counts, sums, maxima and histograms of every latent's activations in one pass, in memory that depends on d_sae alone. */

/** The number of bins while counting: more than are shown, so that the shown ones fit the maximum to a ninth. */
const FINE_BINS = 800;

/** A latent's histogram as it is shown. */
export interface ShownHistogram {
  /** The width of a bin: bin b counts activations in [b · width, (b + 1) · width). 0 where the latent never fired. */
  readonly width: number;
  readonly counts: Int32Array;
}

/**
 * Statistics of the activations above 0 of each latent.
 *
 * Histograms are exact although the maximum is not known beforehand: there are 800 bins of width 2^e each, and where an activation lies
 * beyond the last one, pairs of bins are joined and e grows by one. Floors of v / 2^e are exact in floating point, so the counts do not
 * depend on the order of rows; in the end e is the smallest with max < 800 · 2^e. What is shown joins groups of these bins.
 */
export class LatentStatistics {
  readonly count: Float64Array;
  readonly sum: Float64Array;
  readonly max: Float32Array;
  readonly #fine: Int32Array;
  readonly #exponent: Int16Array;
  /** 2^−e. */
  readonly #scale: Float64Array;

  constructor(dSae: number) {
    this.count = new Float64Array(dSae);
    this.sum = new Float64Array(dSae);
    this.max = new Float32Array(dSae);
    this.#fine = new Int32Array(dSae * FINE_BINS);
    this.#exponent = new Int16Array(dSae);
    this.#scale = new Float64Array(dSae);
  }

  /** Counts activations `values[start]` to `values[end - 1]` of one latent, all above 0. */
  add(latent: number, values: Float32Array, start: number, end: number): void {
    const base = latent * FINE_BINS;
    let sum = this.sum[latent]!;
    let max = this.max[latent]!;
    let scale = this.#scale[latent]!;
    for (let at = start; at < end; at++) {
      const value = values[at]!;
      sum += value;
      if (value > max) {
        max = value;
        if (value * scale >= FINE_BINS || scale === 0) {
          this.#widen(latent, value);
          scale = this.#scale[latent]!;
        }
      }
      this.#fine[base + Math.floor(value * scale)]!++;
    }
    this.sum[latent] = sum;
    this.max[latent] = max;
    this.count[latent]! += end - start;
  }

  /** Joins pairs of bins until `value` has one. */
  #widen(latent: number, value: number): void {
    if (this.#scale[latent] === 0) {
      let exponent = Math.floor(Math.log2(value)) - Math.floor(Math.log2(FINE_BINS));
      // Logarithms are rounded, so the exponent is corrected to the smallest one that fits.
      while (value * 2 ** -exponent < FINE_BINS / 2) exponent--;
      while (value * 2 ** -exponent >= FINE_BINS) exponent++;
      this.#exponent[latent] = exponent;
    } else {
      const bins = this.#fine.subarray(latent * FINE_BINS, (latent + 1) * FINE_BINS);
      while (value * 2 ** -this.#exponent[latent]! >= FINE_BINS) {
        for (let bin = 0; bin < FINE_BINS / 2; bin++) bins[bin] = bins[2 * bin]! + bins[2 * bin + 1]!;
        bins.fill(0, FINE_BINS / 2);
        this.#exponent[latent]!++;
      }
    }
    this.#scale[latent] = 2 ** -this.#exponent[latent]!;
  }

  /**
   * The histogram in `bins` bins; each joins the smallest number of fine bins with which all of them reach beyond the
   * maximum.
   */
  histogram(latent: number, bins: number): ShownHistogram {
    const counts = new Int32Array(bins);
    const scale = this.#scale[latent]!;
    if (scale === 0) return { width: 0, counts };
    const used = Math.floor(this.max[latent]! * scale) + 1;
    const group = Math.ceil(used / bins);
    for (let bin = 0; bin < used; bin++) counts[Math.floor(bin / group)]! += this.#fine[latent * FINE_BINS + bin]!;
    return { width: group / scale, counts };
  }

  /**
   * Share of the activations in each of `intervals` equal parts of [0, max]. A fine bin that an edge cuts is divided in proportion.
   */
  intervalShares(latent: number, intervals: number): Float32Array {
    const shares = new Float64Array(intervals);
    const scale = this.#scale[latent]!;
    if (scale === 0 || intervals === 0) return Float32Array.from(shares);
    const top = this.max[latent]! * scale;
    const width = top / intervals;
    for (let bin = 0; bin <= Math.floor(top); bin++) {
      const count = this.#fine[latent * FINE_BINS + bin]!;
      if (count === 0) continue;
      // The last bin ends at the maximum.
      const end = Math.min(bin + 1, top);
      const extent = Math.max(end - bin, Number.EPSILON);
      for (let i = Math.min(Math.floor(bin / width), intervals - 1); i < intervals && i * width <= end; i++) {
        const upper = i === intervals - 1 ? end : Math.min(end, (i + 1) * width);
        const overlap = upper - Math.max(bin, i * width);
        if (overlap > 0) shares[i]! += (count * overlap) / extent;
        else if (end === bin) shares[i]! += count;
      }
    }
    const total = this.count[latent]!;
    return Float32Array.from(shares, share => share / total);
  }
}
