/** The check that every model makes of its dimensions. */
import { InvalidValueError } from '../errors.ts';

/**
 * Checks a dimension.
 * @throws InvalidValueError where `value` is no positive integer
 */
export function requirePositiveInteger(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new InvalidValueError(`${name} must be positive and an integer, got ${value}`);
  }
}
