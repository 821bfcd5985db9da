/** The context of an experiment: where it writes, what it runs on, and how it reports to a person. */
import type { Engine } from '../engines/engine.ts';
import type { Figure } from '../plots/figure.ts';
import type { Progress } from '../training/train.ts';

/** Where an experiment writes, what it runs on, and how it reports to a person. */
export interface ExperimentContext {
  /** The run's folder, `runs/NAME`; it exists. */
  readonly folder: string;
  readonly engine: Engine;
  readonly signal?: AbortSignal | undefined;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** Whether the experiment goes on from the folder's checkpoints. */
  readonly resume: boolean;
  /** Steps between records of the run's metrics, and whether TensorBoard's event files are written too. Default no records. */
  readonly records?: { readonly every: number; readonly tensorboard: boolean } | undefined;
  /** Prints a line for a person. */
  readonly log: (line: string) => void;
  /** Makes a progress bar for one stretch of training. */
  readonly progress: (label: string, steps: number) => (progress: Progress) => void;
  /** Shows the share that is done of the work before the first step. */
  readonly preparing: (what: string, share: number) => void;
  /** Writes `NAME.svg` and `NAME.png` into the folder, and keeps the figure for whatever shows all of a run's figures. */
  readonly draw: (name: string, figure: Figure) => Promise<void>;
}

/** Thrown where a run was stopped before its end; its checkpoint is kept. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}
