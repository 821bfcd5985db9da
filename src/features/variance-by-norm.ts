/**
 * Explained variance with and without sinks in one pass. Sinks are rows whose norm exceeds ten times the median, as language models have
 * at a few positions; their variance hides everything else. The median is known only in the end, so sums are kept for each of 64 bins per
 * octave of the norm.
 */

const BINS_PER_OCTAVE = 64;
const SINK_FACTOR = 10;

interface NormBin {
  rows: number;
  /** Σ ‖x‖², Σ ‖x − x̂‖² and Σ x, all in float64; x less the origin. */
  squares: number;
  residual: number;
  readonly sums: Float64Array;
}

/** Explained variance with and without sinks. */
export interface VarianceReport {
  readonly medianNorm: number;
  readonly sinkNorm: number;
  readonly sinkRows: number;
  /** The explained variance; `undefined` where the rows do not vary or no reconstruction was given. */
  readonly explained: number | undefined;
  readonly explainedWithoutSinks: number | undefined;
}

/** Measures explained variance with and without sinks. */
export class VarianceByNorm {
  readonly #width: number;
  readonly #bins = new Map<number, NormBin>();
  /** The first row, so that a large mean does not cancel the variance. */
  #origin: Float32Array | undefined;
  #rows = 0;
  #hasReconstruction = true;

  constructor(width: number) {
    this.#width = width;
  }

  /**
   * Adds rows.
   * @param rows [n, width], the tensor that is reconstructed
   * @param reconstruction [n, width], where there is one
   */
  add(rows: Float32Array, reconstruction: Float32Array | undefined): void {
    const width = this.#width;
    if (rows.length === 0) return;
    this.#origin ??= rows.slice(0, width);
    const origin = this.#origin;
    if (reconstruction === undefined) this.#hasReconstruction = false;
    for (let start = 0; start < rows.length; start += width) {
      let norm = 0;
      for (let i = start; i < start + width; i++) norm += rows[i]! * rows[i]!;
      const bin = this.#binOf(Math.sqrt(norm));
      const { sums } = bin;
      let [squares, residual] = [0, 0];
      for (let i = 0; i < width; i++) {
        const x = rows[start + i]!;
        const centred = x - origin[i]!;
        sums[i]! += centred;
        squares += centred * centred;
        if (reconstruction !== undefined) {
          const error = x - reconstruction[start + i]!;
          residual += error * error;
        }
      }
      bin.rows++;
      bin.squares += squares;
      bin.residual += residual;
    }
    this.#rows += rows.length / width;
  }

  #binOf(norm: number): NormBin {
    // Rows of zeros have a bin of their own below all others.
    const index = norm === 0 ? Number.NEGATIVE_INFINITY : Math.floor(Math.log2(norm) * BINS_PER_OCTAVE);
    let bin = this.#bins.get(index);
    if (bin === undefined) {
      bin = { rows: 0, squares: 0, residual: 0, sums: new Float64Array(this.#width) };
      this.#bins.set(index, bin);
    }
    return bin;
  }

  compute(): VarianceReport {
    const bins = [...this.#bins].sort(([a], [b]) => a - b);
    // The lower median's bin, and its middle on the logarithmic scale.
    let below = 0;
    let medianIndex = bins[0]![0];
    for (const [index, { rows }] of bins) {
      medianIndex = index;
      below += rows;
      if (2 * below >= this.#rows) break;
    }
    const medianNorm = 2 ** ((medianIndex + 0.5) / BINS_PER_OCTAVE);
    const sinkNorm = SINK_FACTOR * medianNorm;
    const isSink = ([index]: readonly [number, NormBin]): boolean => 2 ** ((index + 0.5) / BINS_PER_OCTAVE) > sinkNorm;
    const ordinary = bins.filter(entry => medianNorm === 0 || !isSink(entry)).map(([, bin]) => bin);
    const ordinaryRows = ordinary.reduce((sum, { rows }) => sum + rows, 0);
    return {
      medianNorm,
      sinkNorm,
      sinkRows: this.#rows - ordinaryRows,
      explained: this.#explained(bins.map(([, bin]) => bin)),
      explainedWithoutSinks: this.#explained(ordinary),
    };
  }

  #explained(bins: readonly NormBin[]): number | undefined {
    if (!this.#hasReconstruction) return undefined;
    const total = { rows: 0, squares: 0, residual: 0, sums: new Float64Array(this.#width) };
    for (const { rows, squares, residual, sums } of bins) {
      total.rows += rows;
      total.squares += squares;
      total.residual += residual;
      for (let i = 0; i < sums.length; i++) total.sums[i]! += sums[i]!;
    }
    const squaredMean = total.sums.reduce((sum, value) => sum + (value / total.rows) ** 2, 0);
    const variance = total.squares / total.rows - squaredMean;
    return variance > 0 ? 1 - total.residual / total.rows / variance : undefined;
  }
}
