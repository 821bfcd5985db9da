/** Numbers of a training step that change over training: learning rates, coefficients, k. */
import { InvalidValueError } from '../errors.ts';
import { type LearningRateSchedule, learningRateAt } from './learning-rate.ts';

/** A number that goes linearly from `from` to its setting over the first `steps` steps, and stays there. */
export interface Ramp {
  /** The number of the very first step: 0 for the warm-up of a coefficient, a k above the setting for annealing. */
  readonly from: number;
  /** How many steps it takes to reach the setting, at least 1. */
  readonly steps: number;
}

/** How numbers of a training change. Those that are not named do not. */
export interface Schedules {
  readonly learningRate?: LearningRateSchedule;
  /** Schedules by the names of the architecture's numbers: `l1`, `l0`, `k`, `aux_k`. */
  readonly [number: string]: Ramp | LearningRateSchedule | undefined;
}

/**
 * The number of each step as a function of the steps completed before it: from + (value − from) · min(t / steps, 1).
 * @throws InvalidValueError where the ramp's steps are no integer of at least 1, or its start is not finite
 */
function rampAt({ from, steps }: Ramp, value: number, name: string): (completedSteps: number) => number {
  if (!Number.isSafeInteger(steps) || steps < 1 || !Number.isFinite(from)) {
    throw new InvalidValueError(
      `the ramp of ${name} must have a finite start and at least 1 step, got ${from}, ${steps}`,
    );
  }
  return completed => from + (value - from) * Math.min(completed / steps, 1);
}

/** The number `name` of one run as a function of the steps completed before: by its schedule, or always `value`. */
export function numberAt(
  schedules: Schedules,
  name: string,
  value: number,
  steps: number,
): ((completedSteps: number) => number) | undefined {
  if (name === 'learningRate') {
    return schedules.learningRate && learningRateAt(schedules.learningRate, value, steps);
  }
  const ramp = schedules[name];
  return ramp && rampAt(ramp as Ramp, value, name);
}

/**
 * Checks the names of schedules.
 * @throws InvalidValueError for a schedule of a number that is not among `names`
 */
export function requireKnownSchedules(schedules: Schedules, names: readonly string[]): void {
  const unknown = Object.keys(schedules).find(name => !names.includes(name));
  if (unknown === undefined) return;
  throw new InvalidValueError(`there is no number ${unknown} to schedule; there are ${names.join(', ')}`);
}
