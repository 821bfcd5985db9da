/** Reads an array […, rows, columns] as a batch of consecutive matrices. */
import { InvalidShapeError } from '../errors.ts';
import { type HostTensor, type Shape, sizeOf } from '../tensor.ts';

/** The shape of a batch of matrices. */
export interface MatrixBatch {
  readonly batchShape: Shape;
  /** Number of matrices. */
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Splits a shape into batch, rows and columns.
 * @throws InvalidShapeError where it has fewer than two dimensions
 */
export function matrixBatch(tensor: HostTensor, name: string): MatrixBatch {
  const { shape } = tensor;
  if (shape.length < 2) {
    throw new InvalidShapeError(`${name} has shape [${shape.join(', ')}]: it must be at least 2D`);
  }
  const batchShape = shape.slice(0, -2);
  return { batchShape, count: sizeOf(batchShape), rows: shape.at(-2)!, columns: shape.at(-1)! };
}
