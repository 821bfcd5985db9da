/**
 * Which latents are active: exact top k of each row, or top `total` of the batch, of relu(pre-activation); or all above a threshold
 * (threshold.ts).
 * A bound that the answer cannot lie below is found first, cheaply and with SIMD; only what reaches it is ranked.
 * Among equal values the first in row-major order wins.
 */
import {
  batch,
  columns,
  entryLatents,
  entryRows,
  entryValues,
  maxima,
  preActivations,
  ranked,
  rowStarts,
  scoreBias,
} from './layout.ts';
import { lanesOf, nthLargest } from './rank.ts';
import { largestLane } from './rows.ts';

/** Columns of which four maxima are kept, one per SIMD lane; `columns` is a multiple of it. */
const SEGMENT: i32 = 64;
const SEGMENT_BYTES: usize = 256;

/** Zero is never selected: the smallest float above it bounds every selection from below. */
export const SMALLEST_POSITIVE: f32 = reinterpret<f32>(1);

/** Entries are ordered by row already; notes where each row starts. */
export function indexRows(count: i32): void {
  let entry = 0;
  for (let row = 0; row < batch; row++) {
    store<i32>(rowStarts + ((<usize>row) << 2), entry);
    while (entry < count && load<i32>(entryRows + ((<usize>entry) << 2)) === row) entry++;
  }
  store<i32>(rowStarts + ((<usize>batch) << 2), count);
}

/** Selects the `k` largest positive pre-activations of each row. Number of entries, or -1 if one is not a number. */
export function selectTopK(k: i32): i32 {
  const hasFewMaxima = 2 * (columns / SEGMENT) < k;
  let count = 0;
  for (let row = 0; row < batch; row++) {
    const scores = preActivations + ((<usize>row * <usize>columns) << 2);
    if (!findMaxima(scores)) return -1;
    const first = count;
    count = collect(scores, row, hasFewMaxima ? boundOfRow(scores, k) : boundOfTop(k), count);
    count = keepLargest(first, count, k);
  }
  indexRows(count);
  return count;
}

/**
 * Selects the `total` largest positive pre-activations of the batch, none below `bound`, with at most `capacity` entries
 * (at least total + columns) held at a time. Number of entries, or -1 if a pre-activation is not a number. Where fewer than
 * `total` are found and `bound` is above 0, a lower bound may find more.
 */
export function selectBatchTopK(total: i32, bound: f32, capacity: i32): i32 {
  let floor = max(bound, SMALLEST_POSITIVE);
  let count = 0;
  for (let row = 0; row < batch; row++) {
    const scores = preActivations + ((<usize>row * <usize>columns) << 2);
    if (!findMaxima(scores)) return -1;
    count = collect(scores, row, floor, count);
    if (count > capacity - columns) {
      count = keepLargest(0, count, total);
      floor = smallest(0, count);
    }
  }
  count = keepLargest(0, count, total);
  indexRows(count);
  return count;
}

/** Smallest activation among entries from..to; 0 where there is none. */
export function smallest(from: i32, to: i32): f32 {
  if (from >= to) return 0;
  let least = f32.MAX_VALUE;
  for (let entry = from; entry < to; entry++) least = min(least, load<f32>(entryValues + ((<usize>entry) << 2)));
  return least;
}

/** Writes four maxima of each of a row's segments to `maxima`; false if a value is not a number. */
function findMaxima(scores: usize): bool {
  let out = maxima;
  // Any value that is not a number makes this so; infinities of both signs as well, which no finite loss survives either.
  let total = f32x4.splat(0);
  for (let at: usize = 0, end = (<usize>columns) << 2; at < end; at += SEGMENT_BYTES) {
    let best = f32x4.splat(-f32.MAX_VALUE);
    for (let inner = at, stop = at + SEGMENT_BYTES; inner < stop; inner += 64) {
      const score = scores + inner;
      const bias = scoreBias + inner;
      const a = f32x4.add(v128.load(score), v128.load(bias));
      const b = f32x4.add(v128.load(score, 16), v128.load(bias, 16));
      const c = f32x4.add(v128.load(score, 32), v128.load(bias, 32));
      const d = f32x4.add(v128.load(score, 48), v128.load(bias, 48));
      total = f32x4.add(total, f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
      best = f32x4.pmax(best, f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
    }
    v128.store(out, best);
    out += 16;
  }
  return !v128.any_true(f32x4.ne(total, total));
}

/**
 * A bound that at least `k` values of the row reach, and few more. Each maximum that reaches it is a value of its own, so k of
 * them are enough. They are pooled to no fewer than 4 k: then pools seldom hold two of the top k, and counting stays cheap.
 */
function boundOfTop(k: i32): f32 {
  const segments = columns / SEGMENT;
  const pool = max(1, segments / k);
  const pools = segments / pool;
  for (let index = 0; index < pools; index++) {
    const first = maxima + ((<usize>(index * pool)) << 4);
    let best = v128.load(first);
    for (let member = 1; member < pool; member++) best = f32x4.pmax(best, v128.load(first + ((<usize>member) << 4)));
    v128.store(ranked + ((<usize>index) << 4), best);
  }
  return boundAmong(ranked, pools, k);
}

/**
 * The same bound from the row itself, where it has fewer than 2 k maxima: those would bound its top k from so far below that nearly all positive values were
 * listed and ranked. With 100 × 50 weights, k = 11 and batch 256, 2,000 steps of this thread take .99 s of a Zen 5 with it and 1.20 s without.
 */
function boundOfRow(scores: usize, k: i32): f32 {
  for (let at: usize = 0, end = (<usize>columns) << 2; at < end; at += 16) {
    v128.store(ranked + at, f32x4.add(v128.load(scores + at), v128.load(scoreBias + at)));
  }
  return boundAmong(ranked, columns >> 2, k);
}

/** Halvings of the interval in which a bound lies: enough that few values besides the largest reach it. */
export const HALVINGS: i32 = 12;

/** A bound that at least `n` of the 4 · `vectors` floats at `values` reach, and few more; the smallest positive number where fewer are positive. */
export function boundAmong(values: usize, vectors: i32, n: i32): f32 {
  let highest = f32x4.splat(0);
  for (let at = values, end = values + ((<usize>vectors) << 4); at < end; at += 16) {
    highest = f32x4.pmax(highest, v128.load(at));
  }
  let low = SMALLEST_POSITIVE;
  if (countReaching(low, values, vectors) < n) return low;
  let high = largestLane(highest);
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = low + (high - low) * 0.5;
    if (countReaching(middle, values, vectors) < n) high = middle;
    else low = middle;
  }
  return low;
}

/** How many of the 4 · `vectors` floats at `values` reach `bound`. */
function countReaching(bound: f32, values: usize, vectors: i32): i32 {
  const bounds = f32x4.splat(bound);
  let counts = i32x4.splat(0);
  for (let at = values, end = values + ((<usize>vectors) << 4); at < end; at += 16) {
    // A comparison gives -1 where it holds.
    counts = i32x4.sub(counts, f32x4.ge(v128.load(at), bounds));
  }
  return lanesOf(counts);
}

/** Appends what reaches `bound` in a row, whose maxima are known, to the entries. Their number. */
function collect(scores: usize, row: i32, bound: f32, first: i32): i32 {
  const bounds = f32x4.splat(bound);
  let count = first;
  for (let segment = 0, segments = columns / SEGMENT; segment < segments; segment++) {
    if (!v128.any_true(f32x4.ge(v128.load(maxima + ((<usize>segment) << 4)), bounds))) continue;
    for (let column = segment * SEGMENT, end = column + SEGMENT; column < end; column += 4) {
      const at = (<usize>column) << 2;
      const values = f32x4.add(v128.load(scores + at), v128.load(scoreBias + at));
      const reached = i32x4.bitmask(f32x4.ge(values, bounds));
      if (reached !== 0) count = append(values, reached, row, column, count);
    }
  }
  return count;
}

/** Appends the lanes of `values` that are set in `lanes`. */
export function append(values: v128, lanes: i32, row: i32, latent: i32, first: i32): i32 {
  let count = first;
  for (let reached = lanes; reached !== 0; reached &= reached - 1) {
    const lane = ctz(reached);
    const value =
      lane < 2
        ? lane === 0
          ? f32x4.extract_lane(values, 0)
          : f32x4.extract_lane(values, 1)
        : lane === 2
          ? f32x4.extract_lane(values, 2)
          : f32x4.extract_lane(values, 3);
    put(count++, row, latent + lane, value);
  }
  return count;
}

/** How many of the `count` floats at `values` are above `bound`. */
export function countAbove(bound: f32, values: usize, count: i32): i32 {
  const bounds = f32x4.splat(bound);
  const end = values + ((<usize>count) << 2);
  let counts = i32x4.splat(0);
  let at = values;
  // A comparison gives -1 where it holds.
  for (; at + 16 <= end; at += 16) counts = i32x4.sub(counts, f32x4.gt(v128.load(at), bounds));
  let above = lanesOf(counts);
  for (; at < end; at += 4) if (load<f32>(at) > bound) above++;
  return above;
}

/** Keeps the `n` largest of entries first..end, the earlier of equal ones, in order. The new end. */
export function keepLargest(first: i32, end: i32, n: i32): i32 {
  const count = end - first;
  if (count <= n) return end;
  memory.copy(ranked, entryValues + ((<usize>first) << 2), (<usize>count) << 2);
  const least = nthLargest(ranked, count, n);
  const above = countAbove(least, entryValues + ((<usize>first) << 2), count);
  return moveKept(first, end, first, least, n - above);
}

/** Writes one entry. */
export function put(entry: i32, row: i32, latent: i32, value: f32): void {
  const offset = (<usize>entry) << 2;
  store<i32>(entryRows + offset, row);
  store<i32>(entryLatents + offset, latent);
  store<f32>(entryValues + offset, value);
}

/** Drops entries of value below `least`, and all but the first `equals` of that value among entries first..end; appends at `kept`. */
export function moveKept(first: i32, end: i32, kept: i32, least: f32, equals: i32): i32 {
  let equalsLeft = equals;
  for (let entry = first; entry < end; entry++) {
    const offset = (<usize>entry) << 2;
    const value = load<f32>(entryValues + offset);
    // Each is written, and what is dropped is written over: whether a value is kept is hard to guess for a branch.
    put(kept, load<i32>(entryRows + offset), load<i32>(entryLatents + offset), value);
    const isEqual = value === least;
    kept += <i32>(value > least) | (<i32>isEqual & <i32>(equalsLeft > 0));
    equalsLeft -= <i32>isEqual;
  }
  return kept;
}
