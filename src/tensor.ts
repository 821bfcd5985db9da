/**
 * Host tensors: a typed array and its shape, row-major. Rooms, engines, files and users exchange them, so that only the
 * rooms models, compile and engines need TensorFlow.js.
 */
import { InvalidShapeError } from './errors.ts';
import { inWords } from './wording.ts';

/** Sizes of a tensor's axes, the outermost first. */
export type Shape = readonly number[];

/** A row-major array of numbers on the host. */
export interface HostTensor<Data extends ArrayLike<number> = Float32Array> {
  readonly shape: Shape;
  readonly data: Data;
}

/** Host tensors by name. */
export type HostTensors = Readonly<Record<string, HostTensor>>;

/** Arrays of arrays of numbers, to any depth. */
export type NestedArray = readonly number[] | readonly NestedArray[];

/** Number of elements of `shape`; 1 for a scalar's []. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Whether both shapes have the same dimensions. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

/**
 * Joins data and shape to a tensor; numbers that are no Float32Array are copied to one.
 * @throws InvalidShapeError where the shape does not have as many elements as there are data
 */
export function hostTensor(data: ArrayLike<number>, shape: Shape): HostTensor {
  if (data.length !== sizeOf(shape)) {
    throw new InvalidShapeError(`${data.length} values do not fill the shape [${shape.join(', ')}]`);
  }
  return { data: data instanceof Float32Array ? data : Float32Array.from(data), shape: [...shape] };
}

/** A float32 tensor of zeros. */
export function zeros(shape: Shape): HostTensor {
  return { data: new Float32Array(sizeOf(shape)), shape: [...shape] };
}

/** A float32 tensor in which every element is `value`. */
export function filled(shape: Shape, value: number): HostTensor {
  return { data: new Float32Array(sizeOf(shape)).fill(value), shape: [...shape] };
}

/** The transpose of a matrix [rows, columns]. */
export function transposed({ data, shape }: HostTensor): HostTensor {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return { data: out, shape: [columns, rows] };
}

/** A copy of entry `index` of the first dimension: [n, ...rest] → [...rest]. */
export function entryOf({ data, shape }: HostTensor, index: number): HostTensor {
  const rest = shape.slice(1);
  const size = sizeOf(rest);
  return { data: data.slice(index * size, (index + 1) * size), shape: rest };
}

/** Arrays of arrays that are nested deeper are damage, or refer to themselves. */
const MAX_RANK = 32;

/**
 * Reads nested arrays as a float32 tensor.
 * @throws InvalidShapeError where rows have unequal lengths or are nested more than 32 levels deep
 */
export function fromNested(values: NestedArray | number): HostTensor {
  const shape: number[] = [];
  for (let level: unknown = values; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (shape.length > MAX_RANK) throw new InvalidShapeError(`arrays are nested more than ${MAX_RANK} levels deep`);
  }
  const checkLengths = (value: unknown, depth: number): void => {
    if (!Array.isArray(value) || value.length !== shape[depth]) {
      throw new InvalidShapeError(`rows of unequal length: expected ${shape[depth]} entries at depth ${depth}`);
    }
    if (depth + 1 < shape.length) for (const entry of value) checkLengths(entry, depth + 1);
  };
  // Before memory is taken: a few long rows can claim a shape far larger than they are.
  if (shape.length > 0) checkLengths(values, 0);
  const data = new Float32Array(sizeOf(shape));
  let at = 0;
  const read = (value: unknown, depth: number): void => {
    if (depth < shape.length) {
      for (const entry of value as readonly unknown[]) read(entry, depth + 1);
      return;
    }
    if (typeof value !== 'number') throw new InvalidShapeError(`expected a number, got ${inWords(value)}`);
    data[at++] = value;
  };
  read(values, 0);
  return { data, shape };
}

/** The tensor as nested arrays; a number for a scalar's shape []. */
export function toNested(tensor: HostTensor<ArrayLike<number>>): NestedArray | number {
  const build = (depth: number, offset: number): NestedArray | number => {
    if (depth === tensor.shape.length) return tensor.data[offset]!;
    const stride = sizeOf(tensor.shape.slice(depth + 1));
    return Array.from({ length: tensor.shape[depth]! }, (_, i) => build(depth + 1, offset + i * stride)) as NestedArray;
  };
  return build(0, 0);
}

/** Rows `indices` of a tensor [..., d], copied, in that order: [n_indices, d]. */
export function rowsAt({ data, shape }: HostTensor, indices: readonly number[]): HostTensor {
  const width = shape.at(-1)!;
  const rows = new Float32Array(indices.length * width);
  for (const [to, from] of indices.entries()) rows.set(data.subarray(from * width, (from + 1) * width), to * width);
  return { data: rows, shape: [indices.length, width] };
}

/** Euclidean norm of each row of `matrix` [rows, columns], in float64. */
export function rowNorms({ data, shape }: HostTensor): Float64Array {
  const [rows, columns] = shape as [number, number];
  const norms = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) squares += data[i]! * data[i]!;
    norms[row] = Math.sqrt(squares);
  }
  return norms;
}
