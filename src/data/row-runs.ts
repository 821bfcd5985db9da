/** Matrices of rows that are read a part at a time, and their division into runs of consecutive rows. */

/** A matrix of rows that is read a part at a time. */
export interface RowStore {
  readonly rows: number;
  readonly width: number;
  /** All rows, [rows, width]; only where they are in memory. */
  readonly values?: Float32Array;
  /** Reads `count` rows from `start` on into `into`, [count, width]. */
  read(start: number, count: number, into: Float32Array): void | Promise<void>;
  /** Makes the error for row `row`; the message names the store, the row and `problem`. */
  wrong(row: number, problem: string): Error;
}

/** Input and target rows that belong together: both stores have as many. */
export interface StorePair {
  readonly input: RowStore;
  readonly target: RowStore | undefined;
}

/** Consecutive rows of one store. */
export interface Run {
  readonly pair: StorePair;
  /** The number of the store's first row among the rows of all stores. */
  readonly offset: number;
  readonly start: number;
  readonly count: number;
}

/** Divides the rows of several stores into runs of `length` rows; the last run of each store may be shorter. */
export class RowRuns {
  readonly length: number;
  /** How many runs there are. */
  readonly count: number;
  /** How many rows all stores have. */
  readonly rows: number;
  readonly #pairs: readonly StorePair[];
  /** How many rows come before each store, and at the end how many there are. */
  readonly #rows: readonly number[];
  /** How many runs come before each store, and at the end how many there are. */
  readonly #runs: readonly number[];

  constructor(pairs: readonly StorePair[], length: number) {
    this.length = length;
    this.#pairs = pairs;
    this.#rows = sumsBefore(pairs.map(({ input }) => input.rows));
    this.#runs = sumsBefore(pairs.map(({ input }) => Math.ceil(input.rows / length)));
    this.rows = this.#rows.at(-1)!;
    this.count = this.#runs.at(-1)!;
  }

  /** Run number `index`, from 0. */
  at(index: number): Run {
    let [low, high] = [0, this.#pairs.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#runs[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    const pair = this.#pairs[low]!;
    const start = (index - this.#runs[low]!) * this.length;
    return { pair, offset: this.#rows[low]!, start, count: Math.min(this.length, pair.input.rows - start) };
  }
}

/** 0, then the sums of the first 1, 2, … counts. */
export function sumsBefore(counts: readonly number[]): number[] {
  const sums = [0];
  for (const [i, count] of counts.entries()) sums.push(sums[i]! + count);
  return sums;
}
