/**
 * Which rows are kept from training: a share of all rows, spread over them. The rows are divided into as many parts of equal length as rows
 * are held out, and one row of each part is held out, at a place that follows from the part's number alone. So the choice does not depend
 * on a seed, every file gives its share to within a row or two, and no period of the data (a text's length, say) meets a period of the choice.
 */
import { mixBits } from './random-source.ts';

/** Divides rows into those that are trained on and those that are held out. */
export class HoldOut {
  /** Rows held out of all: the share of them, rounded. */
  readonly count: number;
  readonly #total: number;
  /** How many rows one part has; not a whole number. */
  readonly #length: number;

  /** @param share the share held out, in [0, 1) */
  constructor(total: number, share: number) {
    this.count = Math.round(total * share);
    this.#total = total;
    this.#length = total / this.count;
  }

  /** The first held-out row from `row` on; Infinity where there is none. */
  next(row: number): number {
    if (this.count === 0 || row >= this.#total) return Number.POSITIVE_INFINITY;
    const part = this.#partOf(row);
    const own = this.#rowOf(part);
    if (own >= row) return own;
    return part + 1 < this.count ? this.#rowOf(part + 1) : Number.POSITIVE_INFINITY;
  }

  /** How many rows before `row` are held out. */
  before(row: number): number {
    if (this.count === 0) return 0;
    if (row >= this.#total) return this.count;
    const part = this.#partOf(row);
    return this.#rowOf(part) < row ? part + 1 : part;
  }

  #partOf(row: number): number {
    let part = Math.min(this.count - 1, Math.floor(row / this.#length));
    while (this.#start(part) > row) part--;
    while (this.#start(part + 1) <= row) part++;
    return part;
  }

  #start(part: number): number {
    return part === this.count ? this.#total : Math.floor(part * this.#length);
  }

  #rowOf(part: number): number {
    const [start, end] = [this.#start(part), this.#start(part + 1)];
    const place = (mixBits(part + 1) >>> 0) / 2 ** 32;
    return start + Math.floor(place * (end - start));
  }
}

/** Whether row number `row` of a stream of unknown length is held out; `HoldOut` does this for a known length. */
export function isHeldOutOfStream(row: number, share: number): boolean {
  if (share === 0) return false;
  const length = 1 / share;
  let part = Math.floor(row / length);
  while (Math.floor(part * length) > row) part--;
  while (Math.floor((part + 1) * length) <= row) part++;
  const [start, end] = [Math.floor(part * length), Math.floor((part + 1) * length)];
  return row === start + Math.floor(((mixBits(part + 1) >>> 0) / 2 ** 32) * (end - start));
}
