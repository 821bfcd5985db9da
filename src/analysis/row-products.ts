/** Products of rows with rows, and rows scaled to norm 1, from which cosines are computed. */

/** product = a bᵀ of row-major matrices [n, width] and [m, width]. Sums are float64; two rows of `a` and four of `b` share their reads. */
export function multiplyTransposed(a: Float32Array, b: Float32Array, width: number, product: Float32Array): void {
  const columns = b.length / width;
  const rows = a.length / width;
  for (let row = 0; row < rows; row += 2) {
    const first = row * width;
    // The last row of an odd number is its own neighbour.
    const second = row + 1 < rows ? first + width : first;
    const out = row * columns;
    const next = row + 1 < rows ? out + columns : out;
    let column = 0;
    for (; column + 4 <= columns; column += 4) {
      const at = column * width;
      let p0 = 0;
      let p1 = 0;
      let p2 = 0;
      let p3 = 0;
      let q0 = 0;
      let q1 = 0;
      let q2 = 0;
      let q3 = 0;
      for (let k = 0; k < width; k++) {
        const p = a[first + k]!;
        const q = a[second + k]!;
        const b0 = b[at + k]!;
        const b1 = b[at + width + k]!;
        const b2 = b[at + 2 * width + k]!;
        const b3 = b[at + 3 * width + k]!;
        p0 += p * b0;
        p1 += p * b1;
        p2 += p * b2;
        p3 += p * b3;
        q0 += q * b0;
        q1 += q * b1;
        q2 += q * b2;
        q3 += q * b3;
      }
      product[next + column] = q0;
      product[next + column + 1] = q1;
      product[next + column + 2] = q2;
      product[next + column + 3] = q3;
      product[out + column] = p0;
      product[out + column + 1] = p1;
      product[out + column + 2] = p2;
      product[out + column + 3] = p3;
    }
    for (; column < columns; column++) {
      const at = column * width;
      let p = 0;
      let q = 0;
      for (let k = 0; k < width; k++) {
        p += a[first + k]! * b[at + k]!;
        q += a[second + k]! * b[at + k]!;
      }
      product[next + column] = q;
      product[out + column] = p;
    }
  }
}

/** A copy of rows [n, width], each scaled to norm 1; a row of zeros stays. */
export function unitRows(data: Float32Array, width: number): Float32Array {
  const unit = Float32Array.from(data);
  for (let row = 0; row < unit.length; row += width) {
    let squared = 0;
    for (let k = 0; k < width; k++) squared += unit[row + k]! ** 2;
    const scale = squared > 0 ? 1 / Math.sqrt(squared) : 0;
    for (let k = 0; k < width; k++) unit[row + k]! *= scale;
  }
  return unit;
}

/** Products that are held at once: 16 MiB. */
const PRODUCTS_AT_ONCE = 2 ** 22;

/** a bᵀ in blocks of whole rows, so that memory does not grow with their number. `products` [count, m] is overwritten by the next block. */
export function* productBlocks(
  a: Float32Array,
  b: Float32Array,
  width: number,
): Generator<{ readonly start: number; readonly count: number; readonly products: Float32Array }> {
  const columns = b.length / width;
  const rows = a.length / width;
  const atOnce = Math.max(1, Math.min(rows, Math.floor(PRODUCTS_AT_ONCE / Math.max(1, columns))));
  const products = new Float32Array(atOnce * columns);
  for (let start = 0; start < rows; start += atOnce) {
    const count = Math.min(atOnce, rows - start);
    const block = products.subarray(0, count * columns);
    multiplyTransposed(a.subarray(start * width, (start + count) * width), b, width, block);
    yield { start, count, products: block };
  }
}
