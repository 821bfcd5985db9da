/** The check of a call's batches that every engine makes. */
import { InvalidShapeError } from '../errors.ts';
import { type Shape, sizeOf } from '../tensor.ts';

/**
 * Checks the batches of a call.
 * @param shapes the shape of each input of one step
 * @throws InvalidShapeError where an input is missing or does not hold `steps` steps
 */
export function requireBatches(
  shapes: Readonly<Record<string, Shape>>,
  steps: number,
  batches: Readonly<Record<string, Float32Array>>,
): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const expected = steps * sizeOf(shape);
    if (batches[name]?.length !== expected) {
      throw new InvalidShapeError(
        `${steps} steps of "${name}" [${shape.join(', ')}] take ${expected} numbers, got ${batches[name]?.length ?? 'none'}`,
      );
    }
  }
}
