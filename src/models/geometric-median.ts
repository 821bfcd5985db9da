/**
 * The geometric median, by Weiszfeld's algorithm: the point with the least sum of distances to all points. A sparse
 * autoencoder's b_dec starts there (Bricken et al. 2023), since outliers move it less than they move the mean.
 */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

/** When Weiszfeld's iteration ends. */
export interface GeometricMedianOptions {
  /**
   * The smallest distance that counts, above 0, so that a point under the estimate does not divide by zero. Default
   * 1e-6.
   */
  readonly eps?: number;
  /** Largest number of updates of the estimate, at least 1. Default 100. */
  readonly maxIterations?: number;
  /**
   * The iteration ends once the sum of distances changes by at most this share of itself. Default 1e-20, which is
   * hardly ever reached.
   */
  readonly tolerance?: number;
  /** Called after each update with its number and the largest number of updates. */
  readonly onUpdate?: ((done: number, most: number) => void) | undefined;
}

/**
 * The geometric median of the rows of `points` [n, d], as [d]; computed in float64, starting at the mean.
 * @throws InvalidShapeError where `points` is not a matrix with a row and a column
 * @throws InvalidValueError where a value is not finite
 */
export function geometricMedian(points: HostTensor, options: GeometricMedianOptions = {}): HostTensor {
  const { eps = 1e-6, maxIterations = 100, tolerance = 1e-20 } = options;
  const [n, d] = points.shape;
  if (points.shape.length !== 2 || !n || !d) {
    throw new InvalidShapeError(`geometric median of points of shape [${points.shape.join(', ')}]: expected [n, d]`);
  }
  if (!(eps > 0)) throw new InvalidValueError(`eps is ${eps}: it must be positive`);
  if (!(Number.isSafeInteger(maxIterations) && maxIterations >= 1)) {
    throw new InvalidValueError(`maxIterations is ${maxIterations}: it must be at least 1`);
  }
  if (!(tolerance >= 0)) throw new InvalidValueError(`tolerance is ${tolerance}: it must be at least 0`);
  if (!points.data.every(Number.isFinite)) {
    throw new InvalidValueError('geometric median: every coordinate of the points must be finite');
  }

  let median = weightedAverage(points.data, n, d, () => 1).average;
  let previous = Number.POSITIVE_INFINITY;
  // Each pass gives the sum of distances of the estimate it starts from; the last one is the average at the end.
  for (let iteration = 0; iteration <= maxIterations; iteration++) {
    const { average, sumOfDistances } = weightedAverage(
      points.data,
      n,
      d,
      distance => 1 / Math.max(distance, eps),
      median,
    );
    median = average;
    options.onUpdate?.(iteration + 1, maxIterations + 1);
    if (Math.abs(previous - sumOfDistances) <= tolerance * sumOfDistances) break;
    previous = sumOfDistances;
  }
  return { data: Float32Array.from(median), shape: [d] };
}

/** The average of the points, each weighted by its distance to `from`, and the sum of these distances. */
function weightedAverage(
  data: Float32Array,
  n: number,
  d: number,
  weightOf: (distance: number) => number,
  from: Float64Array = new Float64Array(d),
) {
  const average = new Float64Array(d);
  let totalWeight = 0;
  let sumOfDistances = 0;
  for (let row = 0; row < n * d; row += d) {
    let squared = 0;
    for (let i = 0; i < d; i++) squared += (data[row + i]! - from[i]!) ** 2;
    const distance = Math.sqrt(squared);
    const weight = weightOf(distance);
    for (let i = 0; i < d; i++) average[i]! += weight * data[row + i]!;
    totalWeight += weight;
    sumOfDistances += distance;
  }
  for (let i = 0; i < d; i++) average[i]! /= totalWeight;
  return { average, sumOfDistances };
}
