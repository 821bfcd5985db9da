/** Sums and products of rows of `width` floats. Sums run in one fixed order, so that results repeat to the bit. */
import { termDots, termFactors, termRows, width } from './layout.ts';

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

/** Inner products of the row at `b` with four others, as the lanes of a vector. Each is summed in the same order, whichever stand beside it. */
export function fourDots(b: usize, row0: usize, row1: usize, row2: usize, row3: usize): v128 {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  const end = b + ((<usize>width) << 2);
  // Addresses that are added up once for 64 bytes: adding them up for each load took as long as the products.
  for (const whole = end - 64; <isize>b <= <isize>whole; b += 64) {
    let first = v128.load(b);
    let second = v128.load(b, 16);
    a0 = f32x4.add(a0, f32x4.mul(first, v128.load(row0)));
    a1 = f32x4.add(a1, f32x4.mul(first, v128.load(row1)));
    a2 = f32x4.add(a2, f32x4.mul(first, v128.load(row2)));
    a3 = f32x4.add(a3, f32x4.mul(first, v128.load(row3)));
    b0 = f32x4.add(b0, f32x4.mul(second, v128.load(row0, 16)));
    b1 = f32x4.add(b1, f32x4.mul(second, v128.load(row1, 16)));
    b2 = f32x4.add(b2, f32x4.mul(second, v128.load(row2, 16)));
    b3 = f32x4.add(b3, f32x4.mul(second, v128.load(row3, 16)));
    first = v128.load(b, 32);
    second = v128.load(b, 48);
    a0 = f32x4.add(a0, f32x4.mul(first, v128.load(row0, 32)));
    a1 = f32x4.add(a1, f32x4.mul(first, v128.load(row1, 32)));
    a2 = f32x4.add(a2, f32x4.mul(first, v128.load(row2, 32)));
    a3 = f32x4.add(a3, f32x4.mul(first, v128.load(row3, 32)));
    b0 = f32x4.add(b0, f32x4.mul(second, v128.load(row0, 48)));
    b1 = f32x4.add(b1, f32x4.mul(second, v128.load(row1, 48)));
    b2 = f32x4.add(b2, f32x4.mul(second, v128.load(row2, 48)));
    b3 = f32x4.add(b3, f32x4.mul(second, v128.load(row3, 48)));
    row0 += 64;
    row1 += 64;
    row2 += 64;
    row3 += 64;
  }
  for (; b < end; b += 16) {
    const last = v128.load(b);
    a0 = f32x4.add(a0, f32x4.mul(last, v128.load(row0)));
    a1 = f32x4.add(a1, f32x4.mul(last, v128.load(row1)));
    a2 = f32x4.add(a2, f32x4.mul(last, v128.load(row2)));
    a3 = f32x4.add(a3, f32x4.mul(last, v128.load(row3)));
    row0 += 16;
    row1 += 16;
    row2 += 16;
    row3 += 16;
  }
  let dots = f32x4.splat(sumLanes(f32x4.add(a0, b0)));
  dots = f32x4.replace_lane(dots, 1, sumLanes(f32x4.add(a1, b1)));
  dots = f32x4.replace_lane(dots, 2, sumLanes(f32x4.add(a2, b2)));
  return f32x4.replace_lane(dots, 3, sumLanes(f32x4.add(a3, b3)));
}

/** termDots = inner products of the row at `a` with the rows of the first `count` terms; there is room for whole vectors. */
export function dotTerms(a: usize, count: i32): void {
  const last = (<usize>(count - 1)) << 2;
  for (let term: usize = 0; <i32>(term >> 2) < count; term += 4 << 2) {
    const dots = fourDots(
      a,
      load<u32>(termRows + term),
      load<u32>(termRows + min(term + 4, last)),
      load<u32>(termRows + min(term + 8, last)),
      load<u32>(termRows + min(term + 12, last)),
    );
    v128.store(termDots + term, dots);
  }
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
