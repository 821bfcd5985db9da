/**
 * A run of an autoencoder over rows, which grows block by block. It holds counts, sums, errors and every firing, from
 * which everything that the page says about a latent is made.
 */
import { createRandomSource } from '../../../src/data/random-source.ts';
import type { Example, FiringBlock, FiringSummary, Histogram, LatentFirings } from './firings.ts';

const TOP = 20;
const GROUPS = 5;
const PER_GROUP = 5;
const BINS = 50;
const TOGETHER = 10;
const BEST_LABELS = 5;
const L0_BINS = 40;
/** Rows of more than this many times the median norm are attention sinks (dictionary_learning, SAEDashboard). */
const SINK = 10;
/** The largest table of latents by labels that is kept, in cells. Beyond it, latents have no labels. */
const MOST_LABEL_CELLS = 2 ** 24;

interface Labels {
  readonly names: readonly string[];
  readonly of: Int32Array;
}

/** The sizes of a run that are known before it begins. */
export interface RunSize {
  readonly rows: number;
  readonly width: number;
  readonly dSae: number;
  readonly labels?: Labels | undefined;
}

function histogramOf(values: ArrayLike<number>, from: number, to: number, bins: number): Histogram {
  const counts = new Array<number>(bins).fill(0);
  const span = to - from;
  for (let i = 0; i < values.length; i++) {
    const bin = span > 0 ? Math.floor((bins * (values[i]! - from)) / span) : 0;
    counts[Math.max(0, Math.min(bins - 1, bin))]! += 1;
  }
  return { from, to, counts };
}

const stronger = (a: Example, b: Example): number => b.value - a.value || a.row - b.row;

/** What is known of a run over rows so far. */
export class FiringRun {
  readonly #size: RunSize;
  readonly #blocks: FiringBlock[] = [];
  readonly #counts: Uint32Array;
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  readonly #max: Float32Array;
  readonly #rowSum: Float64Array;
  readonly #labelCounts: Uint32Array | undefined;
  readonly #labelTotals: Uint32Array;
  #rows = 0;
  #firings = 0;
  #sinks: { readonly rows: ReadonlySet<number>; readonly sum: Float64Array } | undefined;

  constructor(size: RunSize) {
    const { dSae, width, labels } = size;
    this.#size = size;
    this.#counts = new Uint32Array(dSae);
    this.#sums = new Float64Array(dSae);
    this.#squares = new Float64Array(dSae);
    this.#max = new Float32Array(dSae);
    this.#rowSum = new Float64Array(width);
    const cells = (labels?.names.length ?? 0) * dSae;
    this.#labelCounts = labels && cells <= MOST_LABEL_CELLS ? new Uint32Array(cells) : undefined;
    this.#labelTotals = new Uint32Array(labels?.names.length ?? 0);
  }

  get rows(): number {
    return this.#rows;
  }

  add(block: FiringBlock): void {
    const { first, count, offsets, indices, values } = block;
    const { labels, dSae } = this.#size;
    this.#blocks.push(block);
    this.#rows += count;
    this.#firings += values.length;
    for (let i = 0; i < this.#rowSum.length; i++) this.#rowSum[i]! += block.sum[i]!;
    for (let at = 0; at < values.length; at++) {
      const latent = indices[at]!;
      const value = values[at]!;
      this.#counts[latent]! += 1;
      this.#sums[latent]! += value;
      this.#squares[latent]! += value * value;
      if (value > this.#max[latent]!) this.#max[latent] = value;
    }
    if (!labels || !this.#labelCounts) return;
    for (let row = 0; row < count; row++) {
      const label = labels.of[first + row]!;
      this.#labelTotals[label]! += 1;
      for (let at = offsets[row]!; at < offsets[row + 1]!; at++) this.#labelCounts[label * dSae + indices[at]!]! += 1;
    }
  }

  /** The rows so far whose norm is above ten times the median. */
  sinkRows(): number[] {
    const norms = new Float64Array(this.#rows);
    let at = 0;
    for (const { squares } of this.#blocks) {
      norms.set(squares, at);
      at += squares.length;
    }
    const sorted = norms.slice().sort();
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    // Where most rows are zero, no norm can be called far above the median.
    if (median === 0) return [];
    const limit = median * SINK ** 2;
    const found: number[] = [];
    for (const { first, squares } of this.#blocks) {
      for (let row = 0; row < squares.length; row++) if (squares[row]! > limit) found.push(first + row);
    }
    return found;
  }

  setSinks(rows: readonly number[], sum: Float64Array): void {
    this.#sinks = { rows: new Set(rows), sum };
  }

  /** 1 − Σ‖x − x̂‖² / Σ‖x − mean‖² over the rows that are not left out. */
  #explained(without: ReadonlySet<number> | undefined, withoutSum: Float64Array | undefined): number | undefined {
    let error = 0;
    let squares = 0;
    let rows = 0;
    for (const block of this.#blocks) {
      if (!block.errors) return undefined;
      for (let row = 0; row < block.count; row++) {
        if (without?.has(block.first + row)) continue;
        error += block.errors[row]!;
        squares += block.squares[row]!;
        rows += 1;
      }
    }
    let mean = 0;
    for (let i = 0; i < this.#rowSum.length; i++) mean += (this.#rowSum[i]! - (withoutSum?.[i] ?? 0)) ** 2;
    const total = squares - mean / rows;
    // A difference of two nearly equal sums would be rounding and nothing else.
    return rows > 0 && total > 1e-9 * squares ? 1 - error / total : undefined;
  }

  #bestLabels(): FiringSummary['labels'] {
    const { labels, dSae } = this.#size;
    if (!labels || !this.#labelCounts) return undefined;
    const best = new Int32Array(dSae).fill(-1);
    const f1 = new Float32Array(dSae);
    for (let label = 0; label < labels.names.length; label++) {
      for (let latent = 0; latent < dSae; latent++) {
        const both = this.#labelCounts[label * dSae + latent]!;
        if (both === 0) continue;
        const score = (2 * both) / (this.#counts[latent]! + this.#labelTotals[label]!);
        if (score > f1[latent]!) {
          f1[latent] = score;
          best[latent] = label;
        }
      }
    }
    return { names: labels.names, best, f1 };
  }

  summary(): FiringSummary {
    const { dSae, rows: of } = this.#size;
    const rows = this.#rows;
    const density = new Float32Array(dSae);
    const mean = new Float32Array(dSae);
    let silent = 0;
    for (let latent = 0; latent < dSae; latent++) {
      const count = this.#counts[latent]!;
      if (count === 0) silent += 1;
      density[latent] = rows > 0 ? count / rows : 0;
      mean[latent] = count > 0 ? this.#sums[latent]! / count : 0;
    }
    const active = new Float64Array(rows);
    let at = 0;
    let most = 0;
    for (const { offsets, count } of this.#blocks) {
      for (let row = 0; row < count; row++) {
        active[at] = offsets[row + 1]! - offsets[row]!;
        most = Math.max(most, active[at]!);
        at += 1;
      }
    }
    // Whole numbers: a bin for each, or for as many as make it a readable number of bins.
    const step = Math.max(1, Math.ceil((most + 1) / L0_BINS));
    const bins = Math.max(1, Math.ceil((most + 1) / step));
    return {
      rows,
      of,
      density,
      mean,
      max: this.#max.slice(),
      l0: rows > 0 ? this.#firings / rows : 0,
      l0Histogram: histogramOf(active, -0.5, bins * step - 0.5, bins),
      explainedVariance: this.#explained(undefined, undefined),
      explainedVarianceWithoutSinks: this.#sinks && this.#explained(this.#sinks.rows, this.#sinks.sum),
      sinks: this.#sinks?.rows.size ?? 0,
      silent,
      labels: this.#bestLabels(),
    };
  }

  /** Every firing of a latent, in the order of the rows. */
  #firingsOf(latent: number): Example[] {
    const found: Example[] = [];
    for (const { first, count, offsets, indices, values } of this.#blocks) {
      for (let row = 0; row < count; row++) {
        for (let at = offsets[row]!; at < offsets[row + 1]!; at++) {
          if (indices[at] !== latent) continue;
          found.push({ row: first + row, value: values[at]! });
          break;
        }
      }
    }
    return found.sort((a, b) => a.row - b.row);
  }

  latent(latent: number): LatentFirings {
    const firings = this.#firingsOf(latent);
    const sorted = firings.toSorted(stronger);
    const max = sorted[0]?.value ?? 0;
    const random = createRandomSource(latent);
    const groups = Array.from({ length: firings.length > 0 ? GROUPS : 0 }, (_, i) => {
      const high = (max * (GROUPS - i)) / GROUPS;
      const low = (max * (GROUPS - 1 - i)) / GROUPS;
      const inside = firings.filter(({ value }) => value > low && (value <= high || i === 0));
      const left = inside.slice();
      const examples: Example[] = [];
      while (examples.length < PER_GROUP && left.length > 0) {
        examples.push(left.splice(Math.floor(random.float32() * left.length), 1)[0]!);
      }
      return { low, high, count: inside.length, examples: examples.sort(stronger) };
    });
    const count = firings.length;
    return {
      latent,
      rows: this.#rows,
      count,
      max,
      mean: count > 0 ? this.#sums[latent]! / count : 0,
      histogram: histogramOf(
        firings.map(({ value }) => value),
        0,
        max,
        BINS,
      ),
      top: sorted.slice(0, TOP),
      groups,
      together: this.#together(latent, firings),
      labels: this.#labelsOf(latent),
    };
  }

  /** The latents of the largest Pearson correlation with `latent`, among those that ever fire with it. */
  #together(latent: number, firings: readonly Example[]): LatentFirings['together'] {
    const n = this.#rows;
    const products = new Map<number, { product: number; rows: number }>();
    const own = new Map(firings.map(({ row, value }) => [row, value]));
    for (const { first, count, offsets, indices, values } of this.#blocks) {
      for (let row = 0; row < count; row++) {
        const value = own.get(first + row);
        if (value === undefined) continue;
        for (let at = offsets[row]!; at < offsets[row + 1]!; at++) {
          const other = indices[at]!;
          if (other === latent) continue;
          const seen = products.get(other) ?? { product: 0, rows: 0 };
          seen.product += value * values[at]!;
          seen.rows += 1;
          products.set(other, seen);
        }
      }
    }
    const spread = (i: number): number => Math.sqrt(Math.max(0, this.#squares[i]! - this.#sums[i]! ** 2 / n));
    return Array.from(products, ([other, { product, rows }]) => {
      const covariance = product - (this.#sums[latent]! * this.#sums[other]!) / n;
      const scale = spread(latent) * spread(other);
      return { latent: other, correlation: scale > 0 ? covariance / scale : 0, rows };
    })
      .sort((a, b) => b.correlation - a.correlation || a.latent - b.latent)
      .slice(0, TOGETHER);
  }

  #labelsOf(latent: number): LatentFirings['labels'] {
    const { labels, dSae } = this.#size;
    const counts = this.#labelCounts;
    if (!labels || !counts) return [];
    return labels.names
      .map((name, label) => {
        const rows = counts[label * dSae + latent]!;
        const of = this.#labelTotals[label]!;
        const total = this.#counts[latent]! + of;
        return { name, rows, of, f1: total > 0 ? (2 * rows) / total : 0 };
      })
      .filter(({ rows }) => rows > 0)
      .sort((a, b) => b.f1 - a.f1)
      .slice(0, BEST_LABELS);
  }

  #blockOf(row: number): FiringBlock | undefined {
    return this.#blocks.find(({ first, count }) => row >= first && row < first + count);
  }

  activations(latent: number, ranges: readonly (readonly [number, number])[]): Float32Array {
    const values = new Float32Array(ranges.reduce((sum, [from, to]) => sum + to - from, 0));
    let place = 0;
    for (const [from, to] of ranges) {
      for (let row = from; row < to; row++, place++) {
        const block = this.#blockOf(row);
        if (!block) continue;
        const local = row - block.first;
        for (let at = block.offsets[local]!; at < block.offsets[local + 1]!; at++) {
          if (block.indices[at] === latent) values[place] = block.values[at]!;
        }
      }
    }
    return values;
  }

  row(row: number): { latents: Int32Array; values: Float32Array; error: number | undefined } {
    const block = this.#blockOf(row);
    if (!block) return { latents: new Int32Array(0), values: new Float32Array(0), error: undefined };
    const local = row - block.first;
    const [from, to] = [block.offsets[local]!, block.offsets[local + 1]!];
    const order = Array.from({ length: to - from }, (_, i) => from + i).sort(
      (a, b) => block.values[b]! - block.values[a]! || block.indices[a]! - block.indices[b]!,
    );
    return {
      latents: Int32Array.from(order, at => block.indices[at]!),
      values: Float32Array.from(order, at => block.values[at]!),
      error: block.errors?.[local],
    };
  }

  /** Rows on which a latent fires. */
  rowsOf(latent: number): Set<number> {
    return new Set(this.#firingsOf(latent).map(({ row }) => row));
  }
}
