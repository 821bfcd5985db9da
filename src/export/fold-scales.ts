/** Folds scales into weight matrices. Norms and products are computed in float64 and rounded once. */
import type { HostTensor } from '../tensor.ts';

/** Row i of [rows, columns] times `factors[i]`. */
export function scaleRows({ data, shape }: HostTensor, factors: ArrayLike<number>): HostTensor {
  const columns = shape[1]!;
  return { shape, data: data.map((value, i) => value * factors[Math.floor(i / columns)]!) };
}

/** Entry j of every row, or of a vector, times `factors[j]`. */
export function scaleColumns({ data, shape }: HostTensor, factors: ArrayLike<number>): HostTensor {
  const columns = shape.at(-1)!;
  return { shape, data: data.map((value, i) => value * factors[i % columns]!) };
}

/** Every entry times `factor`. */
export function scaleAll({ data, shape }: HostTensor, factor: number): HostTensor {
  return { shape, data: data.map(value => value * factor) };
}

/** [rows, columns] as [columns, rows]. */
export function transposed({ data, shape }: HostTensor): HostTensor {
  const [rows, columns] = shape as [number, number];
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column]!;
  }
  return { shape: [columns, rows], data: result };
}

/** The product of [rows, inner] and [inner, columns], summed in float64 and rounded once. */
export function product(a: HostTensor<ArrayLike<number>>, b: HostTensor<ArrayLike<number>>): HostTensor {
  const [rows, inner] = a.shape as [number, number];
  const columns = b.shape[1]!;
  const data = new Float32Array(rows * columns);
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let i = 0; i < inner; i++) {
      const factor = a.data[row * inner + i]!;
      for (let column = 0; column < columns; column++) sums[column]! += factor * b.data[i * columns + column]!;
    }
    data.set(sums, row * columns);
  }
  return { shape: [rows, columns], data };
}
