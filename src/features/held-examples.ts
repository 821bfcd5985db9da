/**
 * The examples of every latent, held while rows stream by: those with the largest activations, and a uniform sample of
 * each of the equal intervals of [0, max], although max is known only in the end.
 *
 * Each activation has a priority that follows from seed, row and latent (priority.ts); an interval's sample are those
 * with the smallest ones. An activation is dropped only where no interval that may still arise would choose it:
 * intervals never get narrower than max / I, so it is enough that every window of that width around it holds
 * `perInterval` activations of smaller priority. What remains is some 100 to 150 of any number, and choosing from it
 * gives what choosing from everything would have given.
 */
import { priorityOf } from './priority.ts';

/** How many examples are chosen, and how. */
export interface HeldExamplesOptions {
  readonly dSae: number;
  readonly top: number;
  readonly intervals: number;
  readonly perInterval: number;
  /** The key of random choices, from `priorityKey`. */
  readonly key: number;
}

/**
 * One latent's activations in a stretch of rows, ascending. Those of the rows in the middle are offered, the others are
 * context.
 */
export interface LatentRun {
  readonly rows: Int32Array;
  readonly values: Float32Array;
  /** Its entries are `start` up to, not including, `end` of both arrays. */
  readonly start: number;
  readonly end: number;
}

/** The rows that a run's row numbers refer to. */
export interface Stretch {
  /** The number of the stretch's first row. */
  readonly firstRow: number;
  /** Rows that are offered: from `offerStart` to `offerEnd`, within the stretch. */
  readonly offerStart: number;
  readonly offerEnd: number;
  /** First row and end (exclusive) of each row's context, within the stretch. */
  readonly contextStart: Int32Array;
  readonly contextEnd: Int32Array;
}

/** A chosen example. */
export interface ChosenExample {
  readonly row: number;
  readonly value: number;
  /** The example's interval; −1 for one of the largest activations. */
  readonly group: number;
  /** Rows of its context before and after it. */
  readonly before: number;
  readonly after: number;
  /**
   * Other activations of the latent in the context are entries `poolStart` to `poolEnd` of `pool`: rows relative to the example, and
   * values.
   */
  readonly pool: { readonly offsets: Int16Array; readonly values: Float32Array };
  readonly poolStart: number;
  readonly poolEnd: number;
}

/** The activations that are held of one latent: parallel arrays, and a pool of the contexts' other activations. */
interface Held {
  count: number;
  rows: Float64Array;
  values: Float32Array;
  priorities: Uint32Array;
  before: Uint16Array;
  after: Uint16Array;
  poolStart: Uint32Array;
  poolCount: Uint16Array;
  pooled: number;
  poolOffsets: Int16Array;
  poolValues: Float32Array;
  /** The number of examples at which those that are no longer needed are dropped. */
  limit: number;
  /** The maximum when this last happened. */
  max: number;
  /** The activation that a new one must exceed to be among the top. */
  topFloor: number;
}

const LOWEST_LIMIT = 64;
/** Half-intervals per interval in the table of priorities by which most activations are refused at once. */
const HALVES = 2;

/** Holds the examples of every latent. */
export class HeldExamples {
  readonly #options: HeldExamplesOptions;
  readonly #held: (Held | undefined)[];
  /** For each latent and half-interval of the maximum at the last clearing: the priority below which an activation may matter. */
  readonly #thresholds: Float64Array;
  readonly #cells: number;

  constructor(options: HeldExamplesOptions) {
    this.#options = options;
    this.#held = new Array<Held | undefined>(options.dSae);
    this.#cells = options.intervals * HALVES;
    // Infinity until something was dropped: every activation is accepted.
    this.#thresholds = new Float64Array(options.dSae * this.#cells).fill(Number.POSITIVE_INFINITY);
  }

  /** Offers a latent's activations in a stretch. */
  offer(latent: number, run: LatentRun, stretch: Stretch): void {
    const { key } = this.#options;
    const { rows, values, start, end } = run;
    const { firstRow, offerStart, offerEnd } = stretch;
    const base = latent * this.#cells;
    let held = this.#held[latent];
    for (let at = start; at < end; at++) {
      const row = rows[at]!;
      if (row < offerStart) continue;
      if (row >= offerEnd) break;
      const value = values[at]!;
      const priority = priorityOf(key, firstRow + row, latent);
      if (held !== undefined && value <= held.topFloor) {
        if (this.#cells === 0 && held.max > 0) continue;
        const cell = Math.floor((value / held.max) * this.#cells);
        if (cell < this.#cells && priority > this.#thresholds[base + cell]!) continue;
      }
      held ??= this.#begin(latent);
      this.#accept(held, at, priority, run, stretch);
      if (held.count >= held.limit) this.#clear(latent, held);
    }
  }

  /**
   * The chosen examples of one latent: the largest activations first, then intervals from the highest down. Frees its
   * memory.
   */
  take(latent: number, max: number): ChosenExample[] {
    const held = this.#held[latent];
    if (held === undefined) return [];
    this.#held[latent] = undefined;
    const { top, intervals, perInterval } = this.#options;
    const byValue = Array.from({ length: held.count }, (_, i) => i).sort(
      (a, b) => held.values[b]! - held.values[a]! || held.rows[a]! - held.rows[b]!,
    );
    const chosen = byValue.slice(0, top).map(i => this.#chosen(held, i, -1));
    const groups = Array.from({ length: intervals }, () => [] as number[]);
    for (const i of byValue) groups[intervalOf(held.values[i]!, max, intervals)]?.push(i);
    for (let interval = intervals - 1; interval >= 0; interval--) {
      const members = groups[interval]!;
      const sample = new Set([...members].sort((a, b) => byPriority(held, a, b)).slice(0, perInterval));
      for (const i of members) if (sample.has(i)) chosen.push(this.#chosen(held, i, interval));
    }
    return chosen;
  }

  #begin(latent: number): Held {
    const capacity = 8;
    const held: Held = {
      count: 0,
      rows: new Float64Array(capacity),
      values: new Float32Array(capacity),
      priorities: new Uint32Array(capacity),
      before: new Uint16Array(capacity),
      after: new Uint16Array(capacity),
      poolStart: new Uint32Array(capacity),
      poolCount: new Uint16Array(capacity),
      pooled: 0,
      poolOffsets: new Int16Array(capacity),
      poolValues: new Float32Array(capacity),
      limit: Math.max(LOWEST_LIMIT, 4 * this.#options.top),
      max: 0,
      topFloor: Number.POSITIVE_INFINITY,
    };
    // Until the first clearing every activation is accepted: with max 0, each lies beyond the last cell.
    this.#held[latent] = held;
    return held;
  }

  #accept(held: Held, at: number, priority: number, { rows, values, start, end }: LatentRun, stretch: Stretch): void {
    if (held.count === held.rows.length) grow(held);
    const row = rows[at]!;
    const [contextStart, contextEnd] = [stretch.contextStart[row]!, stretch.contextEnd[row]!];
    const i = held.count++;
    held.rows[i] = stretch.firstRow + row;
    held.values[i] = values[at]!;
    held.priorities[i] = priority;
    held.before[i] = row - contextStart;
    held.after[i] = contextEnd - 1 - row;
    held.poolStart[i] = held.pooled;
    let first = at;
    while (first > start && rows[first - 1]! >= contextStart) first--;
    for (let other = first; other < end && rows[other]! < contextEnd; other++) {
      if (other === at) continue;
      if (held.pooled === held.poolOffsets.length) growPool(held);
      held.poolOffsets[held.pooled] = rows[other]! - row;
      held.poolValues[held.pooled++] = values[other]!;
    }
    held.poolCount[i] = held.pooled - held.poolStart[i]!;
  }

  /** Drops the activations that can no longer be chosen, and notes which new ones may be. */
  #clear(latent: number, held: Held): void {
    const { top, intervals, perInterval } = this.#options;
    const { count, values } = held;
    const order = Array.from({ length: count }, (_, i) => i).sort(
      (a, b) => values[a]! - values[b]! || held.rows[b]! - held.rows[a]!,
    );
    const max = values[order.at(-1)!]!;
    // A little narrower than any interval to come, so that rounding cannot lose one that would have been chosen.
    const width = (max / intervals) * (1 - 1e-6);
    const kept: number[] = [];
    for (let at = 0; at < count; at++) {
      const isTop = at >= count - top;
      if (isTop || (intervals > 0 && !isHopeless(held, order, at, width, perInterval))) kept.push(order[at]!);
    }
    held.topFloor = top === 0 ? Number.POSITIVE_INFINITY : count >= top ? values[order[count - top]!]! : 0;
    held.max = max;
    this.#setThresholds(latent, held, kept, max);
    compact(
      held,
      kept.sort((a, b) => a - b),
    );
    held.limit = Math.max(held.limit, 2 * held.count);
  }

  /**
   * A window of an interval's width around an activation holds the whole of its own half-interval, the one below or the one above. Where
   * all three hold `perInterval` smaller priorities, no interval can choose it.
   */
  #setThresholds(latent: number, held: Held, kept: readonly number[], max: number): void {
    const { perInterval } = this.#options;
    const cells = this.#cells;
    const byCell = Array.from({ length: cells }, () => [] as number[]);
    for (const i of kept) {
      byCell[Math.min(cells - 1, Math.floor((held.values[i]! / max) * cells))]?.push(held.priorities[i]!);
    }
    const own = byCell.map(priorities =>
      priorities.length < perInterval ? Number.POSITIVE_INFINITY : priorities.sort((a, b) => a - b)[perInterval - 1]!,
    );
    for (let cell = 0; cell < cells; cell++) {
      const below = cell === 0 ? 0 : own[cell - 1]!;
      const above = cell + 1 === cells ? Number.POSITIVE_INFINITY : own[cell + 1]!;
      this.#thresholds[latent * cells + cell] = Math.max(below, own[cell]!, above);
    }
  }

  #chosen(held: Held, i: number, group: number): ChosenExample {
    return {
      row: held.rows[i]!,
      value: held.values[i]!,
      group,
      before: held.before[i]!,
      after: held.after[i]!,
      pool: { offsets: held.poolOffsets, values: held.poolValues },
      poolStart: held.poolStart[i]!,
      poolEnd: held.poolStart[i]! + held.poolCount[i]!,
    };
  }
}

/** The interval of [0, max] that holds `value`; the last one is closed. */
function intervalOf(value: number, max: number, intervals: number): number {
  return Math.min(intervals - 1, Math.floor((value * intervals) / max));
}

function byPriority(held: Held, a: number, b: number): number {
  return held.priorities[a]! - held.priorities[b]! || held.rows[a]! - held.rows[b]!;
}

/**
 * Whether every window of `width` around activation number `at` of `order` (ascending) holds `needed` activations that would be chosen
 * before it.
 */
function isHopeless(held: Held, order: readonly number[], at: number, width: number, needed: number): boolean {
  const own = order[at]!;
  const value = held.values[own]!;
  const left = nearerChoices(held, order, at, -1, width, needed);
  const right = nearerChoices(held, order, at, 1, width, needed);
  // The window that reaches down to just less than left[i] holds i of those below, and of those above the ones within
  // the rest of its width.
  for (let i = 0; i <= left.length; i++) {
    const reach = i < left.length ? left[i]! : width;
    const rest = width - reach;
    let within = i;
    for (const distance of right) if (distance <= rest) within++;
    if (within < needed) return false;
  }
  return value > 0;
}

/** Distances, ascending, to the nearest `needed` activations on one side within `width` that would be chosen before this one. */
function nearerChoices(
  held: Held,
  order: readonly number[],
  at: number,
  step: -1 | 1,
  width: number,
  needed: number,
): number[] {
  const own = order[at]!;
  const value = held.values[own]!;
  const distances: number[] = [];
  for (let other = at + step; other >= 0 && other < order.length && distances.length < needed; other += step) {
    const i = order[other]!;
    const distance = Math.abs(held.values[i]! - value);
    if (distance > width) break;
    if (byPriority(held, i, own) < 0) distances.push(distance);
  }
  return distances;
}

function grow(held: Held): void {
  const capacity = 2 * held.rows.length;
  held.rows = grown(held.rows, new Float64Array(capacity));
  held.values = grown(held.values, new Float32Array(capacity));
  held.priorities = grown(held.priorities, new Uint32Array(capacity));
  held.before = grown(held.before, new Uint16Array(capacity));
  held.after = grown(held.after, new Uint16Array(capacity));
  held.poolStart = grown(held.poolStart, new Uint32Array(capacity));
  held.poolCount = grown(held.poolCount, new Uint16Array(capacity));
}

function growPool(held: Held): void {
  const capacity = 2 * held.poolOffsets.length;
  held.poolOffsets = grown(held.poolOffsets, new Int16Array(capacity));
  held.poolValues = grown(held.poolValues, new Float32Array(capacity));
}

function grown<T extends { set(from: T): void }>(from: T, into: T): T {
  into.set(from);
  return into;
}

/** Keeps the examples `kept`, ascending, and their parts of the pool. */
function compact(held: Held, kept: readonly number[]): void {
  let pooled = 0;
  kept.forEach((from, to) => {
    held.rows[to] = held.rows[from]!;
    held.values[to] = held.values[from]!;
    held.priorities[to] = held.priorities[from]!;
    held.before[to] = held.before[from]!;
    held.after[to] = held.after[from]!;
    const start = held.poolStart[from]!;
    const count = held.poolCount[from]!;
    held.poolOffsets.copyWithin(pooled, start, start + count);
    held.poolValues.copyWithin(pooled, start, start + count);
    held.poolStart[to] = pooled;
    held.poolCount[to] = count;
    pooled += count;
  });
  held.count = kept.length;
  held.pooled = pooled;
}
