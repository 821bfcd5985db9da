/**
 * The assignment problem where each row has a short list of columns: shortest augmenting paths (Jonker and Volgenant
 * 1987, as LAPMOD takes it to sparse matrices). A row's list ends with a bound on all columns that were left out, so
 * that the result tells whether it is the optimum of the whole matrix.
 */
import { invariant } from '../errors.ts';

/** Columns of one row and their similarities; `bound` is at least every similarity left out, absent where none was. */
export interface CandidateRow {
  readonly columns: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly bound?: number | undefined;
}

/**
 * Assigns each of `rows` a column of its own so that the sum of similarities is largest. There are at least as many
 * columns as rows.
 *
 * A row may be assigned to its bound; it then has no column. The sum with bounds is never below the optimum of the
 * whole matrix, and where no row is assigned to its bound it is that optimum.
 */
export class SparseAssignment {
  readonly #rows: (CandidateRow | undefined)[];
  readonly #columns: number;
  /** Column of each row; from `#columns` on the rows' own bounds. −1 where it has none yet. */
  readonly #columnOf: Int32Array;
  readonly #rowOf: Int32Array;
  /** Dual prices in costs, which are −similarity: at most 0, and 0 for free columns. */
  readonly #prices: Float64Array;
  readonly #distances: Float64Array;
  readonly #from: Int32Array;
  readonly #state: Uint8Array;

  constructor(rows: number, columns: number) {
    invariant(rows <= columns, 'an assignment needs a column for every row');
    this.#rows = new Array<CandidateRow | undefined>(rows).fill(undefined);
    this.#columns = columns;
    this.#columnOf = new Int32Array(rows).fill(-1);
    this.#rowOf = new Int32Array(columns + rows).fill(-1);
    this.#prices = new Float64Array(columns + rows);
    this.#distances = new Float64Array(columns + rows).fill(Number.POSITIVE_INFINITY);
    this.#from = new Int32Array(columns + rows);
    this.#state = new Uint8Array(columns + rows);
  }

  /** Gives a row its list, or a longer one than it had. Its column is free again. */
  setRow(row: number, candidates: CandidateRow): void {
    const column = this.#columnOf[row]!;
    // A column that has a price is taken until the end: without its row the prices would prove nothing. Bounds are a row's own.
    invariant(column < 0 || column >= this.#columns, 'only a row that is left at its bound can be given another list');
    if (column >= 0) this.#rowOf[column] = -1;
    this.#columnOf[row] = -1;
    this.#rows[row] = candidates;
  }

  /**
   * Solves the assignment.
   * @returns the column of each row; −1 where it is assigned to its bound
   */
  solve(): Int32Array {
    const free: number[] = [];
    for (const [row, column] of this.#columnOf.entries()) if (column < 0) free.push(row);
    for (const row of this.#reduce(this.#reduce(free))) this.#augment(row);
    return this.#columnOf.map(column => (column < this.#columns ? column : -1));
  }

  /** Lets rows take their best column at the price that leaves them indifferent to the second; those who lose theirs are tried at the end. */
  #reduce(free: readonly number[]): number[] {
    const left: number[] = [];
    for (const row of free) {
      let best = -1;
      let least = Number.POSITIVE_INFINITY;
      let second = Number.POSITIVE_INFINITY;
      this.#forEach(row, (column, cost) => {
        const reduced = cost - this.#prices[column]!;
        if (reduced < least) {
          second = least;
          least = reduced;
          best = column;
        } else if (reduced < second) second = reduced;
      });
      const holder = this.#rowOf[best]!;
      // Without a second column any price would do; a tie would change nothing.
      if (holder >= 0 && !(second > least && second < Number.POSITIVE_INFINITY)) {
        left.push(row);
        continue;
      }
      if (holder >= 0) {
        this.#prices[best]! -= second - least;
        this.#columnOf[holder] = -1;
        left.push(holder);
      }
      this.#rowOf[best] = row;
      this.#columnOf[row] = best;
    }
    return left;
  }

  #forEach(row: number, visit: (column: number, cost: number) => void): void {
    const { columns, values, bound } = this.#rows[row]!;
    for (let i = 0; i < columns.length; i++) visit(columns[i]!, -values[i]!);
    if (bound !== undefined) visit(this.#columns + row, -bound);
  }

  /** Finds the cheapest path from a free row to a free column (Dijkstra), and turns it over. */
  #augment(start: number): void {
    const heap = new Heap(this.#distances);
    const touched: number[] = [];
    const done: number[] = [];
    const reach = (row: number, base: number): void => {
      this.#forEach(row, (column, cost) => {
        if (this.#state[column] === 2) return;
        const distance = base + cost - this.#prices[column]!;
        if (distance >= this.#distances[column]!) return;
        if (this.#state[column] === 0) {
          this.#state[column] = 1;
          touched.push(column);
        }
        this.#distances[column] = distance;
        this.#from[column] = row;
        heap.push(column, distance);
      });
    };
    reach(start, 0);
    let end = -1;
    let shortest = 0;
    while (end < 0) {
      const column = heap.pop(candidate => this.#state[candidate] === 1);
      invariant(column >= 0, 'an assignment has no path to a free column');
      this.#state[column] = 2;
      const distance = this.#distances[column]!;
      const holder = this.#rowOf[column]!;
      if (holder < 0) {
        end = column;
        shortest = distance;
        break;
      }
      done.push(column);
      reach(holder, distance - (this.#costOf(holder, column) - this.#prices[column]!));
    }
    for (const column of done) this.#prices[column]! += this.#distances[column]! - shortest;
    for (let column = end; column >= 0; ) {
      const row = this.#from[column]!;
      const next = this.#columnOf[row]!;
      this.#columnOf[row] = column;
      this.#rowOf[column] = row;
      column = row === start ? -1 : next;
    }
    for (const column of touched) {
      this.#distances[column] = Number.POSITIVE_INFINITY;
      this.#state[column] = 0;
    }
  }

  #costOf(row: number, column: number): number {
    const { columns, values, bound } = this.#rows[row]!;
    if (column >= this.#columns) return -bound!;
    for (let i = 0; i < columns.length; i++) if (columns[i] === column) return -values[i]!;
    throw new Error('monosemantic: internal error: a row holds a column that is not in its list');
  }
}

/** Columns by distance, smallest first. A column is entered again where its distance falls; the older entry is passed over. */
class Heap {
  readonly #columns: number[] = [];
  readonly #keys: number[] = [];
  readonly #distances: Float64Array;

  constructor(distances: Float64Array) {
    this.#distances = distances;
  }

  push(column: number, key: number): void {
    let at = this.#keys.length;
    this.#keys.push(key);
    this.#columns.push(column);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#keys[parent]! <= key) break;
      this.#keys[at] = this.#keys[parent]!;
      this.#columns[at] = this.#columns[parent]!;
      at = parent;
    }
    this.#keys[at] = key;
    this.#columns[at] = column;
  }

  /** The nearest column that `isOpen`; −1 where none is left. */
  pop(isOpen: (column: number) => boolean): number {
    while (this.#keys.length > 0) {
      const column = this.#columns[0]!;
      const key = this.#keys[0]!;
      const lastKey = this.#keys.pop()!;
      const lastColumn = this.#columns.pop()!;
      const size = this.#keys.length;
      let at = 0;
      while (size > 0) {
        let child = 2 * at + 1;
        if (child >= size) break;
        if (child + 1 < size && this.#keys[child + 1]! < this.#keys[child]!) child++;
        if (this.#keys[child]! >= lastKey) break;
        this.#keys[at] = this.#keys[child]!;
        this.#columns[at] = this.#columns[child]!;
        at = child;
      }
      if (size > 0) {
        this.#keys[at] = lastKey;
        this.#columns[at] = lastColumn;
      }
      if (isOpen(column) && key === this.#distances[column]) return column;
    }
    return -1;
  }
}
