/** The check that every engine makes of what it is given. */
import { InvalidShapeError } from '../errors.ts';
import { type Shape, sizeOf } from '../tensor.ts';

/** InvalidShapeError where an input of `shapes`, those of one step, is missing or does not hold `steps` steps. */
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
