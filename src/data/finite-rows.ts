/** Looks for numbers that are not finite, at the speed of memory: every row that is trained on is looked at. */

/**
 * Finds the first row that holds a number that is not finite.
 * @param values rows of `width` numbers
 * @param first the row of `values` from which to look
 * @param count how many rows to look at
 * @returns its number, counted from the beginning of `values`; −1 where all are finite
 */
export function firstBadRow(values: Float32Array, width: number, first: number, count: number): number {
  for (let row = first; row < first + count; row++) if (!isFiniteRow(values, row * width, width)) return row;
  return -1;
}

/** Whether the `width` numbers from `at` on are all finite. */
export function isFiniteRow(values: Float32Array, at: number, width: number): boolean {
  // x · 0 is 0 for a finite x, otherwise NaN, which stays in a sum. There are four sums because each addition waits for
  // the one before it.
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const end = at + width;
  let i = at;
  for (; i + 3 < end; i += 4) {
    a += values[i]! * 0;
    b += values[i + 1]! * 0;
    c += values[i + 2]! * 0;
    d += values[i + 3]! * 0;
  }
  for (; i < end; i++) a += values[i]! * 0;
  return a + b + c + d === 0;
}

/** A row's first number that is not finite and its column, in words. */
export function badNumber(row: Float32Array): string {
  const column = row.findIndex(value => !Number.isFinite(value));
  return `holds ${row[column]} in column ${column}, expected finite numbers`;
}
