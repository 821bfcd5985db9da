/** One moment of a history, between its snapshots. */
import type { History } from './model.ts';

/** The state of a model at one moment of its history. */
export interface Frame {
  /** Index of the last snapshot at or before the position. */
  readonly index: number;
  readonly step: number;
  readonly loss: number;
  /** The directions at this moment. Between two snapshots they lie on the straight line from one to the next. */
  readonly directions: readonly (readonly number[])[];
  /** b_dec at this moment; undefined where the history does not hold it. */
  readonly bias: readonly number[] | undefined;
}

/** The state of a history at a position between 0 and 1. */
export function frameAt(history: History, position: number): Frame {
  const last = history.steps.length - 1;
  const at = Math.min(last, Math.max(0, position * last));
  const index = Math.floor(at + 1e-9);
  const next = Math.min(last, index + 1);
  const part = at - index;
  const mix = (a: number, b: number): number => a + (b - a) * Math.max(0, part);
  const mixed = (a: readonly number[], b: readonly number[]): number[] => a.map((value, i) => mix(value, b[i]!));
  const before = history.directions[index]!;
  const after = history.directions[next]!;
  const biases = history.b_dec;
  return {
    index,
    step: Math.round(mix(history.steps[index]!, history.steps[next]!)),
    loss: mix(history.loss[index]!, history.loss[next]!),
    directions: before.map((row, i) => mixed(row, after[i]!)),
    bias: biases && mixed(biases[index]!, biases[next]!),
  };
}
