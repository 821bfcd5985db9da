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
  let at = 0;
  for (let matrix = 0; matrix < count; matrix++) {
    const startB = matrix * right.rows * width;
    for (let i = 0; i < left.rows; i++) {
      const rowA = (matrix * left.rows + i) * width;
      for (let rowB = startB; rowB < startB + right.rows * width; rowB += width) {
        let dot = 0;
        for (let k = 0; k < width; k++) dot += unitA[rowA + k]! * unitB[rowB + k]!;
        data[at++] = dot;
      }
    }
  }
  return { data, shape: [...left.batchShape, left.rows, right.rows] };
}

function unitRows(data: Float32Array, width: number): Float64Array {
  const unit = Float64Array.from(data);
  for (let row = 0; row < unit.length; row += width) {
    let squared = 0;
    for (let k = 0; k < width; k++) squared += unit[row + k]! ** 2;
    const scale = squared > 0 ? 1 / Math.sqrt(squared) : 0;
    for (let k = 0; k < width; k++) unit[row + k]! *= scale;
  }
  return unit;
}
