/** The interval of confidence of a rate over seeds (Wilson 1927). */
import { InvalidValueError } from '../errors.ts';

/** An interval of confidence; both ends in the unit of the value. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Wilson's score interval of a proportion. Unlike mean ± z · standard error it stays in [0, 1] and has a width where
 * all or none succeed.
 * @param successes from 0 to `n`
 * @param n the number of trials, an integer of at least 0; for 0 the interval is [0, 1]
 * @param z above 0. Default 1.96, for 95%
 * @throws InvalidValueError for an argument out of range
 */
export function wilsonInterval(successes: number, n: number, z = 1.96): Interval {
  if (!(Number.isSafeInteger(n) && n >= 0 && successes >= 0 && successes <= n)) {
    throw new InvalidValueError(`${successes} successes of ${n}: successes must be between 0 and n, a whole number`);
  }
  if (!(z > 0)) throw new InvalidValueError(`z is ${z}: it must be positive`);
  if (n === 0) return { low: 0, high: 1 };
  const share = successes / n;
  const scale = 1 + z ** 2 / n;
  const middle = (share + z ** 2 / (2 * n)) / scale;
  const half = (z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2))) / scale;
  // The ends are exactly 0 and 1 where none or all succeed; rounding would miss them.
  return { low: successes === 0 ? 0 : middle - half, high: successes === n ? 1 : middle + half };
}
