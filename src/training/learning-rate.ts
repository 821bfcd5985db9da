/** Learning rates that change over training: a linear warm-up, then constant, or falling in a line or half a cosine to the end. */
import { InvalidValueError } from '../errors.ts';

/** A linear warm-up, then a decay. */
export interface LearningRateSchedule {
  /** Steps over which the rate rises from 0 in a line; the first step already moves. Default 0. */
  readonly warmUpSteps?: number;
  /** Default `constant`. */
  readonly decay?: 'constant' | 'linear' | 'cosine';
  /** Steps, the last ones, over which the rate falls. Default all after the warm-up. */
  readonly decaySteps?: number;
  /** What share of the rate is left at the end, in [0, 1]. Default 0. */
  readonly finalShare?: number;
}

/**
 * The learning rate of each step as a function of the steps completed before it.
 * InvalidValueError where counts are negative or longer than training, or the final share lies outside [0, 1].
 */
export function learningRateAt(
  schedule: LearningRateSchedule,
  peak: number,
  steps: number,
): (completedSteps: number) => number {
  const { warmUpSteps = 0, decay = 'constant', finalShare = 0 } = schedule;
  const { decaySteps = steps - warmUpSteps } = schedule;
  const areCounts = [warmUpSteps, decaySteps].every(count => Number.isSafeInteger(count) && count >= 0);
  if (!areCounts || warmUpSteps + decaySteps > steps) {
    throw new InvalidValueError(
      `a warm-up of ${warmUpSteps} and a decay of ${decaySteps} steps do not fit into ${steps} steps`,
    );
  }
  if (!(finalShare >= 0 && finalShare <= 1)) {
    throw new InvalidValueError(`the final share of the learning rate must lie in [0, 1], got ${finalShare}`);
  }
  if (!['constant', 'linear', 'cosine'].includes(decay)) {
    throw new InvalidValueError(`decay "${decay}" does not exist; choose from constant, linear, cosine`);
  }
  return completed => {
    if (completed < warmUpSteps) return (peak * (completed + 1)) / warmUpSteps;
    const fallen = completed - (steps - decaySteps);
    if (decay === 'constant' || fallen <= 0) return peak;
    const way = Math.min(1, fallen / decaySteps);
    const left = decay === 'linear' ? 1 - way : (1 + Math.cos(Math.PI * way)) / 2;
    return peak * (finalShare + (1 - finalShare) * left);
  };
}
