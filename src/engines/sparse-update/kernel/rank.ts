/**
 * The n-th largest of an array. Of few numbers: each is compared with all, four at a time, until one has the right number of larger ones; no branch depends
 * on the numbers but the last. Of many: Hoare's quickselect with the median of three as pivot, so that equal inputs take equal paths.
 */

/** Up to so many numbers are compared with all: that grows with the square, quickselect with the number and with what a wrongly guessed branch costs. */
const FEW: i32 = 48;

/** Value that would stand at place `n` (from 1) if the `count` floats at `values` were sorted downwards; reorders them. */
export function nthLargest(values: usize, count: i32, n: i32): f32 {
  return count <= FEW ? nthOfFew(values, count, n) : nthOfMany(values, count, n);
}

/** `values` starts on a multiple of 16 bytes, and there is room for whole vectors. */
function nthOfFew(values: usize, count: i32, n: i32): f32 {
  const end = values + ((<usize>count) << 2);
  const vectors = values + ((<usize>((count + 3) & ~3)) << 2);
  for (let rest = end; rest < vectors; rest += 4) store<f32>(rest, -Infinity);
  for (let candidate = values; candidate < end; candidate += 4) {
    const value = v128.load32_splat(candidate);
    let larger = i32x4.splat(0);
    let reaching = i32x4.splat(0);
    for (let at = values; at < vectors; at += 16) {
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

function lanesOf(counts: v128): i32 {
  return (
    i32x4.extract_lane(counts, 0) +
    i32x4.extract_lane(counts, 1) +
    (i32x4.extract_lane(counts, 2) + i32x4.extract_lane(counts, 3))
  );
}

function nthOfMany(values: usize, count: i32, n: i32): f32 {
  const target = n - 1;
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const pivot = medianOfThree(at(values, low), at(values, (low + high) >> 1), at(values, high));
    let i = low;
    let j = high;
    while (i <= j) {
      while (at(values, i) > pivot) i++;
      while (at(values, j) < pivot) j--;
      if (i <= j) {
        const swapped = at(values, i);
        store<f32>(values + ((<usize>i) << 2), at(values, j));
        store<f32>(values + ((<usize>j) << 2), swapped);
        i++;
        j--;
      }
    }
    if (target <= j) high = j;
    else if (target >= i) low = i;
    else break;
  }
  return at(values, target);
}

function at(values: usize, index: i32): f32 {
  return load<f32>(values + ((<usize>index) << 2));
}

function medianOfThree(a: f32, b: f32, c: f32): f32 {
  return max(min(a, b), min(max(a, b), c));
}
