/** Cosines between two sets of directions, such as latents' and true features'. */
import { InvalidShapeError } from '../errors.ts';
import { type HostTensor, sameShape } from '../tensor.ts';
import { matrixBatch } from './matrix-batch.ts';

/**
 * Cosine of every row of `a` […, a, d] with every row of `b` […, b, d], as […, a, b]; 0 where a row is zero.
 * InvalidShapeError unless both are at least 2D, of the same rank, the same batch dimensions and the same d.
 */
export function cosineSimilarityMatrix(a: HostTensor, b: HostTensor): HostTensor {
  const left = matrixBatch(a, 'first set of directions');
  const right = matrixBatch(b, 'second set of directions');
  if (!sameShape(left.batchShape, right.batchShape) || left.columns !== right.columns) {
    throw new InvalidShapeError(
      `directions of shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}]: ` +
        'they must have the same rank, the same batch dimensions and the same last dimension',
    );
  }
  const { count, columns: width } = left;
  const unitA = unitRows(a.data, width);
  const unitB = unitRows(b.data, width);
  const data = new Float32Array(count * left.rows * right.rows);
  for (let matrix = 0; matrix < count; matrix++) {
    const rowsA = unitA.subarray(matrix * left.rows * width, (matrix + 1) * left.rows * width);
    const rowsB = unitB.subarray(matrix * right.rows * width, (matrix + 1) * right.rows * width);
    const size = left.rows * right.rows;
    multiplyTransposed(rowsA, rowsB, width, data.subarray(matrix * size, (matrix + 1) * size));
  }
  return { data, shape: [...left.batchShape, left.rows, right.rows] };
}

/** product = a bᵀ; four rows of `b` at a time share the reads of a row of `a`. */
function multiplyTransposed(a: Float32Array, b: Float32Array, width: number, product: Float32Array): void {
  let at = 0;
  for (let rowA = 0; rowA < a.length; rowA += width) {
    let rowB = 0;
    for (; rowB + 4 * width <= b.length; rowB += 4 * width) {
      let dot0 = 0;
      let dot1 = 0;
      let dot2 = 0;
      let dot3 = 0;
      for (let k = 0; k < width; k++) {
        const value = a[rowA + k]!;
        dot0 += value * b[rowB + k]!;
        dot1 += value * b[rowB + width + k]!;
        dot2 += value * b[rowB + 2 * width + k]!;
        dot3 += value * b[rowB + 3 * width + k]!;
      }
      product[at++] = dot0;
      product[at++] = dot1;
      product[at++] = dot2;
      product[at++] = dot3;
    }
    for (; rowB < b.length; rowB += width) {
      let dot = 0;
      for (let k = 0; k < width; k++) dot += a[rowA + k]! * b[rowB + k]!;
      product[at++] = dot;
    }
  }
}

function unitRows(data: Float32Array, width: number): Float32Array {
  const unit = Float32Array.from(data);
  for (let row = 0; row < unit.length; row += width) {
    let squared = 0;
    for (let k = 0; k < width; k++) squared += unit[row + k]! ** 2;
    const scale = squared > 0 ? 1 / Math.sqrt(squared) : 0;
    for (let k = 0; k < width; k++) unit[row + k]! *= scale;
  }
  return unit;
}
