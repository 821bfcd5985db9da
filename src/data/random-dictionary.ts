/**
 * Random dictionaries: unit rows, orthogonal rows, and rows that are moved apart where there are more of them than
 * dimensions.
 */
import { InvalidValueError } from '../errors.ts';
import { type HostTensor, hostTensor } from '../tensor.ts';
import type { RandomSource } from './random-source.ts';

/** Moves rows apart by gradient descent, as SynthSAEBench does with 100 steps of 3e-4. */
export interface Orthogonalisation {
  /** How many steps of Adam; each costs 4 · n_features · d_in² multiplications. */
  readonly steps: number;
  readonly learningRate: number;
}

/** A direction uniform on the sphere. */
export function randomDirection(width: number, random: RandomSource): Float64Array {
  const normals = Float64Array.from({ length: width }, () => random.normal());
  const norm = Math.hypot(...normals);
  return normals.map(value => value / norm);
}

/** [rows, width]: directions uniform on the sphere. */
export function unitRows(rows: number, width: number, random: RandomSource): HostTensor {
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) data.set(randomDirection(width, random), row * width);
  return hostTensor(data, [rows, width]);
}

/**
 * [rows, width]: orthonormal rows, uniform among all such (Gram and Schmidt on Gaussian rows, each twice for rounding).
 * @throws InvalidValueError where rows > width
 */
export function orthonormalRows(rows: number, width: number, random: RandomSource): HostTensor {
  if (rows > width) {
    throw new InvalidValueError(
      `${rows} directions cannot be orthogonal in ${width} dimensions: expected at most ${width}`,
    );
  }
  const done: Float64Array[] = [];
  for (let row = 0; row < rows; row++) {
    let own = randomDirection(width, random);
    for (let pass = 0; pass < 2; pass++) {
      for (const other of done) {
        const product = own.reduce((sum, value, i) => sum + value * other[i]!, 0);
        for (let i = 0; i < width; i++) own[i]! -= product * other[i]!;
      }
      const norm = Math.hypot(...own);
      own = own.map(value => value / norm);
    }
    done.push(own);
  }
  const data = new Float32Array(rows * width);
  for (const [row, own] of done.entries()) data.set(own, row * width);
  return hostTensor(data, [rows, width]);
}

/**
 * Rows moved apart: Adam on Σ_{i≠j} (e_i · e_j)² + n Σ (‖e_i‖² − 1)², then divided by their norms (SAELens, sae_lens/synthetic/feature_dictionary.py).
 * The gradient is taken through EᵀE, [d, d], instead of E Eᵀ, [n, n].
 * @param rows E, [n, d], rows of norm 1
 */
export function orthogonalised({ data, shape }: HostTensor, { steps, learningRate }: Orthogonalisation): HostTensor {
  const [n, d] = shape as [number, number];
  if (!(Number.isSafeInteger(steps) && steps >= 0 && learningRate > 0 && Number.isFinite(learningRate))) {
    throw new InvalidValueError(
      `orthogonalisation: expected steps >= 0 and a finite rate > 0, got ${steps} and ${learningRate}`,
    );
  }
  const [rows, mean, square] = [Float32Array.from(data), new Float32Array(n * d), new Float32Array(n * d)];
  const gram = new Float32Array(d * d);
  const gradient = new Float32Array(d);
  for (let step = 1; step <= steps; step++) {
    gram.fill(0);
    for (let at = 0; at < n * d; at += d) {
      for (let i = 0; i < d; i++) {
        const value = rows[at + i]!;
        for (let j = 0, out = i * d; j < d; j++) gram[out + j]! += value * rows[at + j]!;
      }
    }
    const [meanScale, squareScale] = [1 / (1 - 0.9 ** step), 1 / (1 - 0.999 ** step)];
    for (let at = 0; at < n * d; at += d) {
      let squared = 0;
      for (let i = 0; i < d; i++) squared += rows[at + i]! * rows[at + i]!;
      gradient.fill(0);
      for (let i = 0; i < d; i++) {
        const value = rows[at + i]!;
        for (let j = 0, from = i * d; j < d; j++) gradient[j]! += value * gram[from + j]!;
      }
      // d/de_i: 4 (Σ_j (e_i · e_j) e_j − ‖e_i‖² e_i) + 4 n (‖e_i‖² − 1) e_i.
      const own = 4 * (n * (squared - 1) - squared);
      for (let i = 0; i < d; i++) {
        const g = 4 * gradient[i]! + own * rows[at + i]!;
        mean[at + i] = 0.9 * mean[at + i]! + 0.1 * g;
        square[at + i] = 0.999 * square[at + i]! + 0.001 * g * g;
        rows[at + i]! -= (learningRate * mean[at + i]! * meanScale) / (Math.sqrt(square[at + i]! * squareScale) + 1e-8);
      }
    }
  }
  for (let at = 0; at < n * d; at += d) {
    const row = rows.subarray(at, at + d);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    for (let i = 0; i < d; i++) row[i]! /= norm;
  }
  return hostTensor(rows, [n, d]);
}
