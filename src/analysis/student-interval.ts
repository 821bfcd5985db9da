/** The interval of confidence of a mean over seeds (Student 1908). */
import { InvalidValueError } from '../errors.ts';
import type { Interval } from './wilson-interval.ts';

/** A mean with its interval of confidence (Student's t). */
export interface MeanInterval extends Interval {
  readonly mean: number;
  /** Standard deviation of the values, with n − 1; 0 for one value. */
  readonly deviation: number;
  readonly n: number;
}

/**
 * The mean of `values` and its interval, mean ± t · deviation / √n with Student's t of n − 1 degrees of freedom.
 * @param values at least one finite number; with a single one the interval is NaN, because one value tells nothing
 *   about the spread
 * @param level of the interval, in (0, 1); default .95
 * @throws InvalidValueError where there is no value
 */
export function studentInterval(values: readonly number[], level = 0.95): MeanInterval {
  const n = values.length;
  if (n === 0) throw new InvalidValueError('a mean needs at least one value, got none');
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  if (n === 1) return { mean, low: Number.NaN, high: Number.NaN, deviation: 0, n };
  const deviation = Math.sqrt(squares / (n - 1));
  const half = (studentQuantile(level, n - 1) * deviation) / Math.sqrt(n);
  return { mean, low: mean - half, high: mean + half, deviation, n };
}

/**
 * The t within which Student's distribution lies with probability `level`: P(|T| ≤ t) = level. Bisection of the closed
 * form of the distribution, to the last digit.
 * @param level in (0, 1)
 * @param degrees degrees of freedom, an integer of at least 1
 * @throws InvalidValueError for an argument out of range
 */
export function studentQuantile(level: number, degrees: number): number {
  if (!(level > 0 && level < 1)) throw new InvalidValueError(`level must be between 0 and 1, got ${level}`);
  if (!Number.isSafeInteger(degrees) || degrees < 1) {
    throw new InvalidValueError(`degrees of freedom must be a positive integer, got ${degrees}`);
  }
  // In the angle θ = atan(t / √degrees) the distribution is smooth up to t = ∞.
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (withinAngle(middle, degrees) < level) low = middle;
    else high = middle;
  }
  return Math.sqrt(degrees) * Math.tan((low + high) / 2);
}

/** P(|T| ≤ √degrees · tan θ): Abramowitz and Stegun 1964, 26.7.3 for odd and 26.7.4 for even degrees. */
function withinAngle(theta: number, degrees: number): number {
  const [sine, cosine] = [Math.sin(theta), Math.cos(theta)];
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let power = isOdd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= (cosine * cosine * (power - 1)) / power;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (theta + sine * sum) : sine * sum;
}
