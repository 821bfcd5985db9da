/**
 * Learning rates that change over training: a linear warm-up, then constant, or a linear or half-cosine decay to the
 * end.
 */
import { InvalidValueError } from '../errors.ts';

/** A linear warm-up, then a decay. */
export interface LearningRateSchedule {
  /** Steps over which the rate rises linearly from 0; the first step already has a rate above 0. Default 0. */
  readonly warmUpSteps?: number;
  /**
   * The warm-up begins again after every so many steps. Default: never; where dead latents are resampled, after each
   * resampling.
   */
  readonly warmUpEvery?: number;
  /** How the rate goes on after the warm-up. Default `constant`. */
  readonly decay?: 'constant' | 'linear' | 'cosine';
  /** The number of last steps over which the rate falls. Default: all steps after the warm-up. */
  readonly decaySteps?: number;
  /** The share of the rate that is left at the end, in [0, 1]. Default 0. */
  readonly finalShare?: number;
}

/**
 * The learning rate of each step as a function of the steps completed before it.
 * @throws InvalidValueError where counts are negative or longer than training, or the final share lies outside [0, 1]
 */
export function learningRateAt(
  schedule: LearningRateSchedule,
  peak: number,
  steps: number,
): (completedSteps: number) => number {
  const { warmUpSteps = 0, warmUpEvery, decay = 'constant', finalShare = 0 } = schedule;
  const { decaySteps = steps - warmUpSteps } = schedule;
  const areCounts = [warmUpSteps, decaySteps].every(count => Number.isSafeInteger(count) && count >= 0);
  if (!areCounts || warmUpSteps + decaySteps > steps) {
    throw new InvalidValueError(
      `a warm-up of ${warmUpSteps} and a decay of ${decaySteps} steps do not fit into ${steps} steps`,
    );
  }
  if (warmUpEvery !== undefined && !(Number.isSafeInteger(warmUpEvery) && warmUpEvery >= 1)) {
    throw new InvalidValueError(`warmUpEvery must be a whole number from 1, got ${warmUpEvery}`);
  }
  if (!(finalShare >= 0 && finalShare <= 1)) {
    throw new InvalidValueError(`the final share of the learning rate must lie in [0, 1], got ${finalShare}`);
  }
  if (!['constant', 'linear', 'cosine'].includes(decay)) {
    throw new InvalidValueError(`decay "${decay}" does not exist; choose from constant, linear, cosine`);
  }
  const fallenAt = (completed: number): number => {
    const fallen = completed - (steps - decaySteps);
    if (decay === 'constant' || fallen <= 0) return peak;
    const way = Math.min(1, fallen / decaySteps);
    const left = decay === 'linear' ? 1 - way : (1 + Math.cos(Math.PI * way)) / 2;
    return peak * (finalShare + (1 - finalShare) * left);
  };
  return completed => {
    const since = warmUpEvery === undefined ? completed : completed % warmUpEvery;
    const rate = fallenAt(completed);
    return since < warmUpSteps ? (rate * (since + 1)) / warmUpSteps : rate;
  };
}
