/** One comparison with figures that PyTorch computed. */
import type { HostTensor, NestedArray } from '../../src/tensor.ts';

/** |difference| ≤ TOLERANCE · max(1, |value|). */
export const TOLERANCE = 1e-5;

/** The result of one comparison. */
export interface Check {
  /** What was compared, and where it was computed. */
  readonly what: string;
  readonly passed: boolean;
  /** The largest difference, or why there is none. */
  readonly detail: string;
}

/** Compares every entry and, where `actual` is a tensor, its shape. `expected` holds float64 as the file has them. */
export function compare(
  what: string,
  actual: HostTensor | number,
  expected: NestedArray | number,
  tolerance = TOLERANCE,
): Check {
  const shape = shapeOf(expected);
  const values = typeof actual === 'number' ? [actual] : actual.data;
  const actualShape = typeof actual === 'number' ? [] : actual.shape;
  if (actualShape.join() !== shape.join()) {
    return failure(what, `has shape [${actualShape.join(', ')}], expected [${shape.join(', ')}]`);
  }
  const wanted = flattened(expected);
  if (values.length !== wanted.length) return failure(what, `${values.length} values, expected ${wanted.length}`);
  let worst = 0;
  for (const [i, value] of wanted.entries()) {
    const difference = Math.abs(values[i]! - value) / Math.max(1, Math.abs(value));
    // Also where the difference is NaN.
    if (!(difference <= tolerance)) return failure(what, `entry ${i} is ${values[i]}, expected ${value}`);
    worst = Math.max(worst, difference);
  }
  return { what, passed: true, detail: `largest difference ${worst.toExponential(1)}` };
}

/** A check that could not be made, or that failed. */
export function failure(what: string, detail: string): Check {
  return { what, passed: false, detail };
}

function flattened(values: NestedArray | number): number[] {
  return typeof values === 'number' ? [values] : values.flatMap(flattened);
}

function shapeOf(values: NestedArray | number): number[] {
  const shape: number[] = [];
  for (let level: unknown = values; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}
