/** The Gram matrix W Wᵀ, one row at a time, in float64. */
import type { HostTensor } from '../tensor.ts';
import { matrixBatch } from './matrix-batch.ts';

/**
 * Calls `score` with the dot products of row i with all rows of its matrix, for every row of `weight` […, n, m]; gives the
 * scores, row-major. `products` is overwritten by the next call.
 */
export function gramRows(weight: HostTensor, score: (products: Float64Array, row: number) => number): Float32Array {
  const { count, rows, columns } = matrixBatch(weight, 'weight');
  const scores = new Float32Array(count * rows);
  const products = new Float64Array(rows);
  for (let matrix = 0; matrix < count; matrix++) {
    const start = matrix * rows * columns;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < rows; j++) {
        let dot = 0;
        for (let k = 0; k < columns; k++) {
          dot += weight.data[start + i * columns + k]! * weight.data[start + j * columns + k]!;
        }
        products[j] = dot;
      }
      scores[matrix * rows + i] = score(products, i);
    }
  }
  return scores;
}
