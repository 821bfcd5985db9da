/**
 * The numbers of a training step (coefficients, k, the learning rate): constants of the recorded step where they never
 * change and are the same for all runs side by side, otherwise inputs that each step is given.
 */
import type { Shape } from '../tensor.ts';
import { numberAt, requireKnownSchedules, type Schedules } from './schedules.ts';
import type { StepNumber } from './train.ts';
import { LEARNING_RATE } from './training-step.ts';

/** One number of one run: its setting, and its value at each step. */
export interface RunNumber {
  readonly value: number;
  perStep?(value: number, batchSize: number): number;
}

/** A run and its numbers. */
export interface NumberedRun {
  readonly steps: number;
  readonly batchSize: number;
  readonly schedules: Schedules;
  readonly learningRate: number;
  readonly numbers: Readonly<Record<string, RunNumber>>;
}

/** The numbers of a step that one run takes, or several side by side. */
export interface StepNumbers {
  /** The largest value that each number of the loss ever has. */
  readonly constants: Readonly<Record<string, number>>;
  /** The shape of each number that is an input of the step: [] where all runs have the same, otherwise [n_runs]. */
  readonly scalars: Readonly<Record<string, Shape>>;
  /** The value of these inputs at each step. */
  readonly at: Readonly<Record<string, StepNumber>>;
}

/** The numbers of runs that train side by side and have the same names of numbers. */
export function stepNumbers(runs: readonly NumberedRun[]): StepNumbers {
  const [first] = runs as [NumberedRun];
  const names = Object.keys(first.numbers);
  for (const { schedules } of runs) requireKnownSchedules(schedules, ['learningRate', ...names]);
  const constants: Record<string, number> = {};
  const scalars: Record<string, Shape> = {};
  const at: Record<string, StepNumber> = {};

  const add = (input: string, own: readonly OwnNumber[]): number => {
    const isConstant = own.every(({ changes, value }) => !changes && value === own[0]!.value);
    const isShared = isConstant || own.every(({ key }) => key === own[0]!.key);
    if (!isConstant) {
      scalars[input] = isShared ? [] : [runs.length];
      at[input] = isShared ? own[0]!.at : completed => own.map(number => number.at(completed));
    }
    return Math.max(...own.map(({ largest }) => largest));
  };
  for (const name of names) {
    constants[name] = add(
      name,
      runs.map(run => ownNumber(run, name, run.numbers[name]!)),
    );
  }
  add(
    LEARNING_RATE,
    runs.map(run => ownNumber(run, 'learningRate', { value: run.learningRate })),
  );
  return { constants, scalars, at };
}

interface OwnNumber {
  readonly value: number;
  readonly largest: number;
  readonly changes: boolean;
  readonly at: (completedSteps: number) => number;
  /** A key that is equal for numbers that are equal at every step. */
  readonly key: string;
}

function ownNumber({ schedules, steps, batchSize }: NumberedRun, name: string, number: RunNumber): OwnNumber {
  const taken = (value: number): number => number.perStep?.(value, batchSize) ?? value;
  const scheduled = numberAt(schedules, name, number.value, steps);
  const start = name === 'learningRate' ? undefined : (schedules[name] as { readonly from: number } | undefined)?.from;
  return {
    value: taken(number.value),
    largest: Math.max(taken(number.value), start === undefined ? -Infinity : taken(start)),
    changes: scheduled !== undefined,
    at: completed => taken(scheduled?.(completed) ?? number.value),
    key: JSON.stringify([number.value, schedules[name]]),
  };
}
