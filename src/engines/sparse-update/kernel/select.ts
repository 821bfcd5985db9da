/**
 * Which latents are active: exact top k of each row, or top `total` of the batch, of relu(pre-activation).
 * A bound that the answer cannot lie below is found first, cheaply and with SIMD; only what reaches it is ranked.
 * Among equal values the first in row-major order wins.
 */
import {
  batch,
  columns,
  encoderBias,
  entryLatents,
  entryRows,
  entryValues,
  preActivations,
  ranked,
  rowStarts,
} from './layout.ts';
import { nthLargest } from './rank.ts';

/** Bytes of which four maxima are kept, one per SIMD lane; a row of pre-activations is a multiple of it. */
const SEGMENT_BYTES: usize = 256;

/** Zero is never selected: the smallest float above it bounds every selection from below. */
const SMALLEST_POSITIVE: f32 = reinterpret<f32>(1);

/** Entries are ordered by row already; notes where each row starts. */
function indexRows(count: i32): void {
  let entry = 0;
  for (let row = 0; row < batch; row++) {
    store<i32>(rowStarts + ((<usize>row) << 2), entry);
    while (entry < count && load<i32>(entryRows + ((<usize>entry) << 2)) === row) entry++;
  }
  store<i32>(rowStarts + ((<usize>batch) << 2), count);
}

/** Selects the `k` largest positive pre-activations of each row. Number of entries, or -1 if one is not a number. */
export function selectTopK(k: i32): i32 {
  let count = 0;
  for (let row = 0; row < batch; row++) {
    const scores = preActivations + ((<usize>row * <usize>columns) << 2);
    const groups = groupMaxima(scores);
    if (groups < 0) return -1;
    const first = count;
    // Each of the k largest maxima is a value of its own, so the k-th of them bounds the row's k-th largest value.
    const bound = k <= groups ? max(nthLargest(ranked, groups, k), SMALLEST_POSITIVE) : SMALLEST_POSITIVE;
    count = collect(scores, row, bound, count);
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
    count = collect(scores, row, floor, count);
    if (count < 0) return -1;
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

/** Writes four maxima of each segment of a row to `ranked`; gives their number, or -1 if a value is not a number. */
function groupMaxima(scores: usize): i32 {
  let out = ranked;
  let unordered = f32x4.splat(0);
  for (let at: usize = 0, end = (<usize>columns) << 2; at < end; at += SEGMENT_BYTES) {
    let best = f32x4.splat(-f32.MAX_VALUE);
    for (let inner: usize = 0; inner < SEGMENT_BYTES; inner += 64) {
      const score = scores + at + inner;
      const bias = encoderBias + at + inner;
      const a = f32x4.add(v128.load(score), v128.load(bias));
      const b = f32x4.add(v128.load(score, 16), v128.load(bias, 16));
      const c = f32x4.add(v128.load(score, 32), v128.load(bias, 32));
      const d = f32x4.add(v128.load(score, 48), v128.load(bias, 48));
      unordered = v128.or(unordered, v128.or(notNumbers(a, b), notNumbers(c, d)));
      best = f32x4.pmax(best, f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
    }
    v128.store(out, best);
    out += 16;
  }
  return v128.any_true(unordered) ? -1 : <i32>((out - ranked) >> 2);
}

/** a + b is not equal to itself where a or b is not a number (or both are infinite with unlike signs). */
function notNumbers(a: v128, b: v128): v128 {
  const sum = f32x4.add(a, b);
  return f32x4.ne(sum, sum);
}

/** Appends what reaches `bound` in a row to the entries. Their number, or -1 if a value is not a number. */
function collect(scores: usize, row: i32, bound: f32, first: i32): i32 {
  const bounds = f32x4.splat(bound);
  let unordered = f32x4.splat(0);
  let count = first;
  for (let at: usize = 0, end = (<usize>columns) << 2; at < end; at += 64) {
    const score = scores + at;
    const bias = encoderBias + at;
    const a = f32x4.add(v128.load(score), v128.load(bias));
    const b = f32x4.add(v128.load(score, 16), v128.load(bias, 16));
    const c = f32x4.add(v128.load(score, 32), v128.load(bias, 32));
    const d = f32x4.add(v128.load(score, 48), v128.load(bias, 48));
    unordered = v128.or(unordered, v128.or(notNumbers(a, b), notNumbers(c, d)));
    const highest = f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d));
    if (!v128.any_true(f32x4.ge(highest, bounds))) continue;
    const latent = <i32>(at >> 2);
    count = append(a, bounds, row, latent, count);
    count = append(b, bounds, row, latent + 4, count);
    count = append(c, bounds, row, latent + 8, count);
    count = append(d, bounds, row, latent + 12, count);
  }
  return v128.any_true(unordered) ? -1 : count;
}

function append(values: v128, bounds: v128, row: i32, latent: i32, first: i32): i32 {
  let reached = i32x4.bitmask(f32x4.ge(values, bounds));
  let count = first;
  while (reached !== 0) {
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
    reached &= reached - 1;
  }
  return count;
}

/** Keeps the `n` largest of entries first..end, the earlier of equal ones, in order. The new end. */
function keepLargest(first: i32, end: i32, n: i32): i32 {
  const count = end - first;
  if (count <= n) return end;
  memory.copy(ranked, entryValues + ((<usize>first) << 2), (<usize>count) << 2);
  const least = nthLargest(ranked, count, n);
  let above = 0;
  for (let entry = first; entry < end; entry++) {
    if (load<f32>(entryValues + ((<usize>entry) << 2)) > least) above++;
  }
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
    if (value < least || (value === least && equalsLeft-- <= 0)) continue;
    put(kept++, load<i32>(entryRows + offset), load<i32>(entryLatents + offset), value);
  }
  return kept;
}
