/** What an experiment is given beside its settings: where to write, what to run on, and how to tell a person what goes on. */
import type { Engine } from '../engines/engine.ts';
import type { Figure } from '../plots/figure.ts';
import type { Progress } from '../training/train.ts';

export interface ExperimentContext {
  /** The run's folder, `runs/NAME`; it exists. */
  readonly folder: string;
  readonly engine: Engine;
  readonly signal?: AbortSignal | undefined;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** Goes on from the folder's checkpoints. */
  readonly resume: boolean;
  /** Steps between records of the run's metrics, and whether TensorBoard's event files are written too. Default no records. */
  readonly records?: { readonly every: number; readonly tensorboard: boolean } | undefined;
  /** A line for a person. */
  readonly log: (line: string) => void;
  /** A progress bar for one stretch of training. */
  readonly progress: (label: string, steps: number) => (progress: Progress) => void;
  /** Shows how far what precedes the first step is: the share that is done. */
  readonly preparing: (what: string, share: number) => void;
  /** Writes `NAME.svg` and `NAME.png` into the folder, and keeps the figure for whatever shows all of a run's figures. */
  readonly draw: (name: string, figure: Figure) => Promise<void>;
}

/** A run that was stopped before its end; its checkpoint stands. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}
