/** The n-th largest of an array: Hoare's quickselect with the median of three as pivot, so that equal inputs take equal paths. */

/** Value that would stand at place `n` (from 1) if the `count` floats at `values` were sorted downwards; reorders them. */
export function nthLargest(values: usize, count: i32, n: i32): f32 {
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
