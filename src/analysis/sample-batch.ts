/** The check that streaming metrics make of every batch: samples by values, of one width throughout. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

/**
 * Width of a batch [samples, width].
 * @throws InvalidShapeError where it is not a matrix or `expected` says another width
 */
export function batchWidth(batch: HostTensor, name: string, expected?: number): number {
  const [, width] = batch.shape;
  if (batch.shape.length !== 2 || width === undefined || (expected !== undefined && width !== expected)) {
    throw new InvalidShapeError(
      `${name} has shape [${batch.shape.join(', ')}]: expected [samples, ${expected ?? 'width'}]`,
    );
  }
  return width;
}

/**
 * Checks that there are samples.
 * @throws InvalidValueError where a metric is asked for before anything was added
 */
export function requireSamples(samples: number, metric: string): void {
  if (samples === 0) throw new InvalidValueError(`${metric}: no samples were added`);
}
