/** The check that every engine makes of what it is given. */
import { InvalidShapeError } from '../errors.ts';
import { sizeOf } from '../tensor.ts';
import type { StepProgram } from './engine.ts';

/** InvalidShapeError where a per-step input of `program` is missing or does not hold `steps` steps. */
export function requireBatches(
  program: StepProgram,
  steps: number,
  batches: Readonly<Record<string, Float32Array>>,
): void {
  for (const [name, shape] of Object.entries(program.batch)) {
    const expected = steps * sizeOf(shape);
    if (batches[name]?.length !== expected) {
      throw new InvalidShapeError(
        `${steps} steps of "${name}" [${shape.join(', ')}] take ${expected} numbers, got ${batches[name]?.length ?? 'none'}`,
      );
    }
  }
}
