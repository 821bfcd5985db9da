/** The size of a step, by which engines choose their threads. */
import { sizeOf } from '../tensor.ts';
import type { StepProgram } from './engine.ts';

/** Steps with fewer multiplications than this run on one thread: a second within operators costs more than it brings. */
const SMALL_STEP = 2e7;

/** Whether a step of so many multiplications runs on one thread. */
export function isSmall(multiplications: number): boolean {
  return multiplications < SMALL_STEP;
}

/**
 * The number of multiplications of the batch with all parameters, which is near enough to a step's. Instances side by
 * side each see their own rows.
 */
export function multiplications({ state, batch, instances }: StepProgram): number {
  const parameters = Object.entries(state)
    .filter(([name]) => name.startsWith('parameters.'))
    .reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  const rows = Math.max(...Object.values(batch).map(shape => sizeOf(shape.slice(0, -1))));
  return (parameters / (instances?.count ?? 1)) * rows;
}
