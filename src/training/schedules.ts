/** Numbers of a training step that change over training: learning rates, coefficients, k. */
import { InvalidValueError } from '../errors.ts';
import { type LearningRateSchedule, learningRateAt } from './learning-rate.ts';

/** A number that goes in a line from `from` to its setting over the first `steps` steps, and stays there. */
export interface Ramp {
  /** The number of the very first step: 0 for a coefficient's warm-up, a larger k for annealing. */
  readonly from: number;
  /** Steps until the setting is reached, at least 1. */
  readonly steps: number;
}

/** How numbers change. Those that are not named stay as they are set. */
export interface Schedules {
  readonly learningRate?: LearningRateSchedule;
  /** By the names of the architecture's numbers: `l1`, `l0`, `k`, `aux_k`. */
  readonly [number: string]: Ramp | LearningRateSchedule | undefined;
}

/**
 * The number of each step as a function of the steps completed before it: from + (value − from) · min(t / steps, 1).
 * @throws InvalidValueError if the ramp has no whole number of steps, at least 1, or a start that is not finite.
 */
function rampAt({ from, steps }: Ramp, value: number, name: string): (completedSteps: number) => number {
  if (!Number.isSafeInteger(steps) || steps < 1 || !Number.isFinite(from)) {
    throw new InvalidValueError(
      `the ramp of ${name} must have a finite start and at least 1 step, got ${from}, ${steps}`,
    );
  }
  return completed => from + (value - from) * Math.min(completed / steps, 1);
}

/** The number `name` of one run at each step: its schedule's, or always `value`. */
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

/** InvalidValueError for a schedule of a number that is not among `names`. */
export function requireKnownSchedules(schedules: Schedules, names: readonly string[]): void {
  const unknown = Object.keys(schedules).find(name => !names.includes(name));
  if (unknown === undefined) return;
  throw new InvalidValueError(`there is no number ${unknown} to schedule; there are ${names.join(', ')}`);
}
