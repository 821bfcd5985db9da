/**
 * Matches two dictionaries' directions one to one, for dictionaries of any size, and computes MCC and PW-MCC from the
 * matching.
 *
 * The matrix of all cosines is never held: 16,384 × 16,384 would take 1 GiB, and the assignment problem on it grows
 * with the cube of its side. Each direction of the smaller set keeps its most similar ones (64 at first) and a bound on
 * the rest. The optimum over these lists is the optimum over all pairs where no direction is assigned to its bound
 * (SparseAssignment). Directions that are get longer lists, until there are none, or until the possible gain is below
 * `tolerance`.
 */
import { InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { requireDirections } from './directions.ts';
import { productBlocks, unitRows } from './row-products.ts';
import { type CandidateRow, SparseAssignment } from './sparse-assignment.ts';

/** Whether signs count, and how near to the optimum the matching must be. */
export interface MatchOptions {
  /** Whether a direction and its opposite count as different. Default false: |cos| is matched, as the paper and SAELens define MCC. */
  readonly signed?: boolean;
  /** The most that the mean may be below the optimum. Default 1e-5. */
  readonly tolerance?: number;
  /** How many of the most similar directions are looked at first, at least 1. Default 64. */
  readonly candidates?: number;
}

/** A one-to-one matching of two sets of directions, and the mean of the similarities (MCC). */
export interface DirectionMatching {
  /**
   * For each direction of the second set its partner in the first; −1 where the first set is smaller and none was left.
   */
  readonly matches: Int32Array;
  /** The similarity of each pair, absolute unless `signed`; 0 where there is none. */
  readonly similarities: Float32Array;
  /** Mean similarity over the min(n_A, n_B) pairs; undefined where a set is empty. */
  readonly mean: number | undefined;
  /** An upper bound of every matching's mean: the mean itself, or at most `tolerance` more. */
  readonly upperBound: number | undefined;
}

/** The factor by which a list that was too short becomes longer. */
const GROWTH = 4;

/**
 * Matches directions one to one so that the sum of their similarities is largest.
 * @param a the first set, [n_A, d]
 * @param b the second, [n_B, d]
 * @throws InvalidShapeError unless both are matrices of the same width
 * @throws InvalidValueError for a direction that is not finite, or options out of range
 */
export function matchDirections(a: HostTensor, b: HostTensor, options: MatchOptions = {}): DirectionMatching {
  const { signed = false, tolerance = 1e-5, candidates = 64 } = options;
  const { rows: nA, width } = requireDirections(a, 'directions');
  const { rows: nB } = requireDirections(b, 'directions to match', width);
  if (!(tolerance >= 0)) throw new InvalidValueError(`tolerance is ${tolerance}: it must be at least 0`);
  if (!(Number.isSafeInteger(candidates) && candidates >= 1)) {
    throw new InvalidValueError(`candidates is ${candidates}: it must be a whole number from 1`);
  }
  if (![a, b].every(({ data }) => data.every(Number.isFinite))) {
    throw new InvalidValueError('matching directions: every number must be finite');
  }
  const matches = new Int32Array(nB).fill(-1);
  const similarities = new Float32Array(nB);
  if (nA === 0 || nB === 0) return { matches, similarities, mean: undefined, upperBound: undefined };
  const [small, large] = nA <= nB ? [a, b] : [b, a];
  const lists = new CandidateLists(unitRows(small.data, width), unitRows(large.data, width), width, signed);
  const pairs = solve(lists, tolerance, candidates);
  for (const [row, column] of pairs.columns.entries()) {
    const [first, second] = nA <= nB ? [row, column] : [column, row];
    matches[second] = first;
    similarities[second] = pairs.values[row]!;
  }
  return { matches, similarities, mean: pairs.mean, upperBound: pairs.upperBound };
}

/**
 * MCC, the mean correlation coefficient: the mean |cos| of pairs matched one to one with the largest sum, over min(n_A,
 * n_B) pairs ("Position: Mechanistic Interpretability Should Prioritize Feature Consistency in SAEs", arXiv 2505.20254;
 * `mean_correlation_coefficient` of SAELens). The code released with that paper matches signed cosines, which
 * `signed: true` does. Random directions have an MCC above 0: compare with random directions of the same shape.
 * @param a directions, [n_A, d]
 * @param b true directions (GT-MCC) or another dictionary's, [n_B, d]
 * @returns in [0, 1], or [−1, 1] where signed; `undefined` where a set is empty
 * @throws InvalidShapeError or InvalidValueError as `matchDirections`
 */
export function meanCorrelation(a: HostTensor, b: HostTensor, options: MatchOptions = {}): number | undefined {
  return matchDirections(a, b, options).mean;
}

/**
 * PW-MCC: the mean of MCC over all pairs of dictionaries that were trained alike from different seeds (arXiv
 * 2505.20254). It needs no true features: it measures how much of what one run finds the others find too.
 * @param dictionaries at least two, [n, d] each
 * @returns the mean, and the MCC of each pair (i, j), i < j
 * @throws InvalidValueError for fewer than two dictionaries
 * @throws InvalidShapeError or InvalidValueError as `matchDirections`
 */
export function pairwiseMeanCorrelation(
  dictionaries: readonly HostTensor[],
  options: MatchOptions = {},
): {
  readonly mean: number | undefined;
  readonly pairs: readonly { readonly first: number; readonly second: number; readonly mcc: number | undefined }[];
} {
  if (dictionaries.length < 2) {
    throw new InvalidValueError(`${dictionaries.length} dictionaries: PW-MCC compares at least two`);
  }
  const pairs = dictionaries.flatMap((a, first) =>
    dictionaries
      .slice(first + 1)
      .map((b, i) => ({ first, second: first + 1 + i, mcc: meanCorrelation(a, b, options) })),
  );
  const values = pairs.flatMap(({ mcc }) => (mcc === undefined ? [] : [mcc]));
  return { mean: values.length > 0 ? values.reduce((sum, mcc) => sum + mcc, 0) / values.length : undefined, pairs };
}

interface Pairs {
  /** Column of each row, and the similarity of the two. */
  readonly columns: Int32Array;
  readonly values: Float64Array;
  readonly mean: number;
  readonly upperBound: number;
}

function solve(lists: CandidateLists, tolerance: number, candidates: number): Pairs {
  const { rows } = lists;
  const assignment = new SparseAssignment(rows, lists.columns);
  const own: CandidateRow[] = [];
  let wanted = candidates;
  let short: number[] = Array.from({ length: rows }, (_, row) => row);
  for (;;) {
    lists.longest(short, wanted, (row, list) => {
      own[row] = list;
      assignment.setRow(row, list);
    });
    const columns = assignment.solve();
    short = [];
    const values = new Float64Array(rows);
    let assigned = 0;
    let bounds = 0;
    for (let row = 0; row < rows; row++) {
      const list = own[row]!;
      if (columns[row]! < 0) {
        short.push(row);
        bounds += list.bound!;
        continue;
      }
      values[row] = list.values[Array.prototype.indexOf.call(list.columns, columns[row]!)]!;
      assigned += values[row]!;
    }
    const upperBound = (assigned + bounds) / rows;
    if (short.length === 0) return { columns, values, mean: assigned / rows, upperBound };
    const gained = lists.fill(short, columns, values);
    const mean = (assigned + gained) / rows;
    if (upperBound - mean <= tolerance) return { columns, values, mean, upperBound };
    wanted = Math.min(lists.columns, wanted * GROWTH);
  }
}

/** The most similar columns of rows, from products that are made block by block and made again where more are wanted. */
class CandidateLists {
  readonly rows: number;
  readonly columns: number;
  readonly #a: Float32Array;
  readonly #b: Float32Array;
  readonly #width: number;
  readonly #signed: boolean;

  constructor(a: Float32Array, b: Float32Array, width: number, signed: boolean) {
    [this.#a, this.#b, this.#width, this.#signed] = [a, b, width, signed];
    this.rows = a.length / width;
    this.columns = b.length / width;
  }

  /** The `most` most similar columns of each of some rows, with a bound on the rest. */
  longest(rows: readonly number[], most: number, take: (row: number, list: CandidateRow) => void): void {
    const count = Math.min(most, this.columns);
    for (const { row, values } of this.#similarities(rows)) {
      const columns = new Int32Array(count);
      const kept = new Float32Array(count);
      largest(values, columns, kept);
      take(row, { columns, values: kept, bound: count < this.columns ? kept[0]! : undefined });
    }
  }

  /**
   * Gives each row without a column the most similar free one, in turn.
   * @returns the sum of their similarities
   */
  fill(rows: readonly number[], columns: Int32Array, values: Float64Array): number {
    const taken = new Uint8Array(this.columns);
    for (const column of columns) if (column >= 0) taken[column] = 1;
    let sum = 0;
    for (const { row, values: similarities } of this.#similarities(rows)) {
      let best = -1;
      for (let column = 0; column < this.columns; column++) {
        if (!taken[column] && (best < 0 || similarities[column]! > similarities[best]!)) best = column;
      }
      taken[best] = 1;
      columns[row] = best;
      values[row] = similarities[best]!;
      sum += values[row]!;
    }
    return sum;
  }

  *#similarities(rows: readonly number[]): Generator<{ readonly row: number; readonly values: Float32Array }> {
    const width = this.#width;
    const isAll = rows.length === this.rows;
    const chosen = isAll ? this.#a : new Float32Array(rows.length * width);
    if (!isAll) {
      for (const [i, row] of rows.entries()) chosen.set(this.#a.subarray(row * width, (row + 1) * width), i * width);
    }
    for (const { start, count, products } of productBlocks(chosen, this.#b, width)) {
      if (!this.#signed) for (let i = 0; i < products.length; i++) products[i] = Math.abs(products[i]!);
      for (let i = 0; i < count; i++) {
        yield { row: rows[start + i]!, values: products.subarray(i * this.columns, (i + 1) * this.columns) };
      }
    }
  }
}

/**
 * Fills `columns` and `kept` with the indices and values of the largest numbers of `values`. The smallest of them comes
 * first (a heap).
 */
function largest(values: Float32Array, columns: Int32Array, kept: Float32Array): void {
  const size = kept.length;
  const sink = (value: number, column: number): void => {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && kept[child + 1]! < kept[child]!) child++;
      if (kept[child]! >= value) break;
      kept[at] = kept[child]!;
      columns[at] = columns[child]!;
      at = child;
    }
    kept[at] = value;
    columns[at] = column;
  };
  kept.fill(Number.NEGATIVE_INFINITY);
  for (let column = 0; column < values.length; column++) {
    if (values[column]! > kept[0]!) sink(values[column]!, column);
  }
}
