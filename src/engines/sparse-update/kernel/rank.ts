/**
 * The n-th largest of an array, without branches that depend on single numbers: a wrongly guessed one costs as much as many comparisons. Of few
 * numbers each is compared with all, four at a time, until one has the right number of larger ones. Of many, an interval in which the n-th largest
 * lies is halved until few lie in it.
 */
import { largestLane } from './rows.ts';

/** Up to so many numbers are compared with all: that grows with the square, and a halving with the number. */
const FEW: i32 = 24;

/**
 * Value that would stand at place `n` (from 1) if the `count` floats at `values` were sorted downwards; uses them up. `values` starts on a multiple of
 * 16 bytes, and there is room for whole vectors.
 */
export function nthLargest(values: usize, count: i32, n: i32): f32 {
  if (count <= FEW) {
    pad(values, count, -Infinity);
    return nthOfFew(values, count, n);
  }
  return nthOfMany(values, count, n);
}

/** Fills the last vector of `count` numbers up; the end of that vector. */
function pad(values: usize, count: i32, value: f32): usize {
  const vectors = values + ((<usize>((count + 3) & ~3)) << 2);
  for (let rest = values + ((<usize>count) << 2); rest < vectors; rest += 4) store<f32>(rest, value);
  return vectors;
}

function nthOfFew(values: usize, count: i32, n: i32): f32 {
  const end = values + ((<usize>count) << 2);
  for (let candidate = values; candidate < end; candidate += 4) {
    const value = v128.load32_splat(candidate);
    let larger = i32x4.splat(0);
    let reaching = i32x4.splat(0);
    for (let at = values; at < end; at += 16) {
      const others = v128.load(at);
      // A comparison gives -1 where it holds.
      larger = i32x4.sub(larger, f32x4.gt(others, value));
      reaching = i32x4.sub(reaching, f32x4.ge(others, value));
    }
    if (lanesOf(larger) < n && lanesOf(reaching) >= n) return load<f32>(candidate);
  }
  // Only numbers that have no order come here; the step is then refused.
  return load<f32>(values);
}

/** The sum of four counts. */
export function lanesOf(counts: v128): i32 {
  return (
    i32x4.extract_lane(counts, 0) +
    i32x4.extract_lane(counts, 1) +
    (i32x4.extract_lane(counts, 2) + i32x4.extract_lane(counts, 3))
  );
}

function nthOfMany(values: usize, count: i32, n: i32): f32 {
  const vectors = pad(values, count, load<f32>(values));
  let largest = v128.load(values);
  let smallest = largest;
  for (let at = values; at < vectors; at += 16) {
    largest = f32x4.pmax(largest, v128.load(at));
    smallest = f32x4.pmin(smallest, v128.load(at));
  }
  pad(values, count, -Infinity);
  // At least n numbers reach `low`; fewer, `above` of them, reach `high`.
  let low = placeOf(-largestLane(f32x4.neg(smallest)));
  let high = placeOf(largestLane(largest)) + 1;
  let reaching = count;
  let above = 0;
  while (high - low > 1 && reaching - above > FEW) {
    const middle = low + ((high - low) >> 1);
    const bound = f32x4.splat(atPlace(middle));
    let counts = i32x4.splat(0);
    for (let at = values; at < vectors; at += 16) counts = i32x4.sub(counts, f32x4.ge(v128.load(at), bound));
    const reached = lanesOf(counts);
    if (reached < n) {
      high = middle;
      above = reached;
    } else {
      low = middle;
      reaching = reached;
    }
  }
  // More than few are left only where all of them are equal.
  if (high - low === 1) return atPlace(low);
  const left = keepBetween(values, vectors, atPlace(low), atPlace(high));
  pad(values, left, -Infinity);
  return nthOfFew(values, left, n - above);
}

/** Moves the numbers that reach `low` but not `high` to the front; how many there are. */
function keepBetween(values: usize, vectors: usize, low: f32, high: f32): i32 {
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  let kept = values;
  for (let at = values; at < vectors; at += 16) {
    const four = v128.load(at);
    const between = v128.andnot(f32x4.ge(four, lows), f32x4.ge(four, highs));
    for (let lanes = i32x4.bitmask(between); lanes !== 0; lanes &= lanes - 1) {
      store<f32>(kept, load<f32>(at + ((<usize>ctz(lanes)) << 2)));
      kept += 4;
    }
  }
  return <i32>((kept - values) >> 2);
}

/** The place of a float among all floats in their order, in which halving ends however numbers are spread; and the float at a place. */
function placeOf(value: f32): i64 {
  const bits = reinterpret<i32>(value);
  return <i64>(bits < 0 ? bits ^ 0x7fffffff : bits);
}

function atPlace(place: i64): f32 {
  const bits = <i32>place;
  return reinterpret<f32>(bits < 0 ? bits ^ 0x7fffffff : bits);
}
