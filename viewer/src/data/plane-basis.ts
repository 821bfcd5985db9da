/** The plane in which high-dimensional activations are shown: an origin and two orthonormal axes. */
import type { HostTensor } from '../../../src/tensor.ts';

/** The plane's origin and its two axes, as vectors of the whole space. */
export interface PlaneBasis {
  readonly origin: Float32Array;
  readonly axes: readonly [Float32Array, Float32Array];
}

const ITERATIONS = 24;

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** `b` without its part along `a` (of unit norm), scaled to unit norm; any vector orthogonal to `a` where nothing is left. */
function orthonormal(a: Float32Array | undefined, b: Float32Array): Float32Array {
  const along = a ? dot(a, b) : 0;
  const rest = b.map((value, i) => value - along * (a?.[i] ?? 0));
  const norm = Math.sqrt(dot(rest, rest));
  if (norm > 1e-9) return rest.map(value => value / norm);
  const other = new Float32Array(b.length);
  let smallest = 0;
  for (let i = 1; a && i < a.length; i++) if (Math.abs(a[i]!) < Math.abs(a[smallest]!)) smallest = i;
  other[smallest] = 1;
  return a ? orthonormal(a, other) : other;
}

/** The plane of a two-dimensional space: its own two axes. */
export function plainPlane(): PlaneBasis {
  return { origin: new Float32Array(2), axes: [Float32Array.of(1, 0), Float32Array.of(0, 1)] };
}

/** The plane that two directions span; the first lies along the x axis. */
export function planeOf(first: Float32Array, second: Float32Array): PlaneBasis {
  const x = orthonormal(undefined, first);
  return { origin: new Float32Array(first.length), axes: [x, orthonormal(x, second)] };
}

/** The first two principal components of `points` [n, d], by orthogonal iteration; the origin is their mean. */
export function principalPlane({ data, shape }: HostTensor): PlaneBasis {
  const [n, d] = shape as [number, number];
  const mean = new Float32Array(d);
  for (let i = 0; i < data.length; i++) mean[i % d]! += data[i]! / n;
  const start = (turn: number): Float32Array =>
    Float32Array.from({ length: d }, (_, i) => Math.cos(1 + i * (turn + 1)));
  let x = orthonormal(undefined, start(0));
  let y = orthonormal(x, start(1));
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const nextX = new Float32Array(d);
    const nextY = new Float32Array(d);
    for (let row = 0; row < data.length; row += d) {
      let alongX = 0;
      let alongY = 0;
      for (let i = 0; i < d; i++) {
        const value = data[row + i]! - mean[i]!;
        alongX += value * x[i]!;
        alongY += value * y[i]!;
      }
      for (let i = 0; i < d; i++) {
        const value = data[row + i]! - mean[i]!;
        nextX[i]! += alongX * value;
        nextY[i]! += alongY * value;
      }
    }
    x = orthonormal(undefined, nextX);
    y = orthonormal(x, nextY);
  }
  return { origin: mean, axes: [x, y] };
}

/** The coordinates of a vector in the plane. Of a direction the origin is not subtracted. */
export function project(
  { origin, axes }: PlaneBasis,
  vector: ArrayLike<number>,
  isDirection = false,
): [number, number] {
  let x = 0;
  let y = 0;
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i]! - (isDirection ? 0 : origin[i]!);
    x += value * axes[0][i]!;
    y += value * axes[1][i]!;
  }
  return [x, y];
}

/** The point of the plane as a vector of the whole space. */
export function lift({ origin, axes }: PlaneBasis, x: number, y: number): Float32Array {
  return origin.map((value, i) => value + x * axes[0][i]! + y * axes[1][i]!);
}
