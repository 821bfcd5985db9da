/** Sums and products of rows of `width` floats. Sums run in one fixed order, so that results repeat to the bit. */
import { termFactors, termRows, width } from './layout.ts';

/** Notes the `index`-th term of a weighted sum: `factor` times the row at address `row`. */
export function setTerm(index: i32, row: usize, factor: f32): void {
  store<u32>(termRows + ((<usize>index) << 2), <u32>row);
  store<f32>(termFactors + ((<usize>index) << 2), factor);
}

/** out [width] = sum of the first `count` terms. 32 columns at a time, so that the sums stay in registers. */
export function sumTerms(out: usize, count: i32): void {
  const bytes = (<usize>width) << 2;
  const end = (<usize>count) << 2;
  let at: usize = 0;
  for (; at + 128 <= bytes; at += 128) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let s4 = f32x4.splat(0);
    let s5 = f32x4.splat(0);
    let s6 = f32x4.splat(0);
    let s7 = f32x4.splat(0);
    for (let term: usize = 0; term < end; term += 4) {
      const row = <usize>load<u32>(termRows + term) + at;
      const factor = v128.load32_splat(termFactors + term);
      s0 = f32x4.add(s0, f32x4.mul(factor, v128.load(row)));
      s1 = f32x4.add(s1, f32x4.mul(factor, v128.load(row, 16)));
      s2 = f32x4.add(s2, f32x4.mul(factor, v128.load(row, 32)));
      s3 = f32x4.add(s3, f32x4.mul(factor, v128.load(row, 48)));
      s4 = f32x4.add(s4, f32x4.mul(factor, v128.load(row, 64)));
      s5 = f32x4.add(s5, f32x4.mul(factor, v128.load(row, 80)));
      s6 = f32x4.add(s6, f32x4.mul(factor, v128.load(row, 96)));
      s7 = f32x4.add(s7, f32x4.mul(factor, v128.load(row, 112)));
    }
    v128.store(out + at, s0);
    v128.store(out + at, s1, 16);
    v128.store(out + at, s2, 32);
    v128.store(out + at, s3, 48);
    v128.store(out + at, s4, 64);
    v128.store(out + at, s5, 80);
    v128.store(out + at, s6, 96);
    v128.store(out + at, s7, 112);
  }
  for (; at < bytes; at += 16) {
    let sum = f32x4.splat(0);
    for (let term: usize = 0; term < end; term += 4) {
      const row = <usize>load<u32>(termRows + term) + at;
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(termFactors + term), v128.load(row)));
    }
    v128.store(out + at, sum);
  }
}

/** Inner product of the rows at `a` and `b`. */
export function dot(a: usize, b: usize): f32 {
  const bytes = (<usize>width) << 2;
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let at: usize = 0;
  for (; at + 64 <= bytes; at += 64) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a + at), v128.load(b + at)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a + at, 16), v128.load(b + at, 16)));
    s2 = f32x4.add(s2, f32x4.mul(v128.load(a + at, 32), v128.load(b + at, 32)));
    s3 = f32x4.add(s3, f32x4.mul(v128.load(a + at, 48), v128.load(b + at, 48)));
  }
  for (; at < bytes; at += 16) s0 = f32x4.add(s0, f32x4.mul(v128.load(a + at), v128.load(b + at)));
  return sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** out [width] += factor · row. */
export function addScaled(out: usize, row: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let at: usize = 0, bytes = (<usize>width) << 2; at < bytes; at += 16) {
    v128.store(out + at, f32x4.add(v128.load(out + at), f32x4.mul(factors, v128.load(row + at))));
  }
}

/** The four lanes' sum. */
export function sumLanes(lanes: v128): f32 {
  return (
    f32x4.extract_lane(lanes, 0) +
    f32x4.extract_lane(lanes, 1) +
    (f32x4.extract_lane(lanes, 2) + f32x4.extract_lane(lanes, 3))
  );
}

/** The largest of four lanes. */
export function largestLane(lanes: v128): f32 {
  return max(
    max(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    max(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
}
