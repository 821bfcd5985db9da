/** The history of a run: its losses step by step, and its snapshots. */
import { entryOf, type HostTensor } from '../tensor.ts';
import type { Snapshot } from './checkpoint.ts';
import type { Trained } from './train.ts';
import { lossTerms } from './training-step.ts';

/** The losses of a training, step by step, and its snapshots. */
export interface TrainingHistory {
  /** How many steps are complete. */
  readonly steps: number;
  /** The loss of each step's batch, before the step, [steps]. */
  readonly loss: Float32Array;
  /** [steps] for each term of the loss, by name: `mse`, and what the architecture adds. The terms sum to `loss`. */
  readonly losses: Readonly<Record<string, Float32Array>>;
  /** Directions and biases at the steps that `snapshotAt` names. */
  readonly snapshots: readonly ModelSnapshot[];
}

/** A model's directions and bias at one step, before the step of that number. */
export interface ModelSnapshot {
  readonly step: number;
  /** The decoder's rows [d_sae, d_out], or the rows of a toy model's weight [n_features, n_hidden]. */
  readonly directions: HostTensor;
  /** b_dec [d_out], or a toy model's bias [n_features]. */
  readonly bias: HostTensor;
}

/** One of the models that train side by side: its index, and how many there are. */
export interface Place {
  readonly index: number;
  readonly count: number;
}

/** The history of one model of a run. */
export function historyOf(run: Trained, place: Place): TrainingHistory {
  const { metrics, step } = run;
  const loss = ownMetric(metrics['losses'] ?? metrics['loss']!, step, place);
  const terms = Object.entries(lossTerms(metrics)).map(([name, values]) => [name, ownMetric(values, step, place)]);
  return {
    steps: step,
    loss,
    losses: terms.length > 0 ? Object.fromEntries(terms) : { mse: loss },
    snapshots: run.snapshots.map(snapshot => modelSnapshot(snapshot, place)),
  };
}

/** One model's part of a snapshot of several models side by side. */
export function modelSnapshot({ step, value }: Snapshot, { index, count }: Place): ModelSnapshot {
  const own = (tensor: HostTensor): HostTensor => (count === 1 ? tensor : entryOf(tensor, index));
  return { step, directions: own(value['directions']!), bias: own(value['bias']!) };
}

function ownMetric(values: Float32Array, steps: number, { index, count }: Place): Float32Array {
  if (count === 1) return values;
  return Float32Array.from({ length: steps }, (_, step) => values[step * count + index]!);
}

/**
 * The mean loss of the last twentieth of the steps, because one batch's loss is too noisy to compare by. NaN for no
 * steps.
 */
export function finalLoss(loss: Float32Array): number {
  if (loss.length === 0) return Number.NaN;
  const window = Math.max(1, Math.floor(loss.length / 20));
  let sum = 0;
  for (const value of loss.subarray(loss.length - window)) sum += value;
  return sum / window;
}
