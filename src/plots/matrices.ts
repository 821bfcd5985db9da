/** Reads the arguments of figures, host tensors or nested arrays with any leading dimensions, as a list of matrices. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { fromNested, type HostTensor, hostTensor, type NestedArray, sizeOf } from '../tensor.ts';

/** A tensor or the same numbers as nested arrays. */
export type Numbers = HostTensor<ArrayLike<number>> | NestedArray;

/** A matrix as rows. */
export type Matrix = readonly (readonly number[])[];

/**
 * `numbers` […, rows, columns] as its matrices in order.
 * @throws InvalidShapeError where there are fewer than two dimensions
 * @throws InvalidValueError for NaN
 */
export function toMatrices(numbers: Numbers, name: string): Matrix[] {
  const { shape, data } = finite(numbers, name);
  if (shape.length < 2) {
    throw new InvalidShapeError(`${name} must be at least 2D, but has the shape [${shape.join(', ')}]`);
  }
  const [rows, columns] = shape.slice(-2) as [number, number];
  return Array.from({ length: sizeOf(shape.slice(0, -2)) }, (_, i) =>
    Array.from({ length: rows }, (_, row) => {
      const start = (i * rows + row) * columns;
      return Array.from({ length: columns }, (_, column) => data[start + column]!);
    }),
  );
}

/**
 * `numbers` […, n] as its rows in order.
 * @throws InvalidShapeError for a scalar
 * @throws InvalidValueError for NaN
 */
export function toRows(numbers: Numbers, name: string): number[][] {
  const { shape, data } = finite(numbers, name);
  if (shape.length < 1) throw new InvalidShapeError(`${name} must be at least 1D`);
  const n = shape.at(-1)!;
  return Array.from({ length: sizeOf(shape.slice(0, -1)) }, (_, i) =>
    Array.from({ length: n }, (_, j) => data[i * n + j]!),
  );
}

/** The Euclidean norm of a row. */
export function norm(row: readonly number[]): number {
  return Math.hypot(...row);
}

function finite(numbers: Numbers, name: string): HostTensor {
  const tensor = toTensor(numbers);
  const at = tensor.data.findIndex(value => !Number.isFinite(value));
  if (at >= 0) throw new InvalidValueError(`${name} must be finite, but value ${at} is ${tensor.data[at]}`);
  return tensor;
}

/** `numbers` as a float32 tensor. */
export function toTensor(numbers: Numbers): HostTensor {
  if (Array.isArray(numbers)) return fromNested(numbers as NestedArray);
  const { data, shape } = numbers as HostTensor<ArrayLike<number>>;
  return hostTensor(data, shape);
}
