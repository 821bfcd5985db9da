/** Cosines between two sets of directions, such as latents' and true features'. */
import { InvalidShapeError } from '../errors.ts';
import { type HostTensor, sameShape } from '../tensor.ts';
import { matrixBatch } from './matrix-batch.ts';
import { multiplyTransposed, unitRows } from './row-products.ts';

/**
 * The cosine of every row of `a` with every row of `b`.
 * @param a […, n_a, d]
 * @param b […, n_b, d]
 * @returns […, n_a, n_b]; 0 where a row is zero
 * @throws InvalidShapeError unless both have at least two dimensions, the same rank, the same batch dimensions and the
 *   same d
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
