/**
 * The interface between a sweep and the things that it can train. A kind reads its own settings; a sweep knows only the
 * seed by name.
 */
import type { Engine } from '../engines/engine.ts';
import type { TrainingHistory } from '../training/history.ts';
import type { PlanSettings } from './plan.ts';

/** Every setting of a run with its value; a setting that is not given has its default. */
export type ResolvedSettings = Readonly<Record<string, unknown>>;

/** The metrics of a run: numbers by name; null where one is undefined. */
export type Metrics = Readonly<Record<string, number | null>>;

/** Something that a sweep can train. */
export interface RunKind {
  readonly name: 'toy' | 'sae';
  /** JSON schemas of the settings, by name. */
  readonly schema: Readonly<Record<string, object>>;
  /**
   * Completes the settings of a run from those that a plan gives.
   * @throws InvalidValueError that names the setting
   */
  resolve(settings: PlanSettings): ResolvedSettings;
  /**
   * Prepares a run. It reads what the settings name, and trains nothing.
   * @throws InvalidValueError where settings do not go together
   * @throws FileFormatError where a file cannot be used
   */
  task(settings: ResolvedSettings): Promise<RunTask>;
}

/** A run that is ready to be trained. */
export interface RunTask {
  /** Hashes of the contents of the files that the settings name. */
  readonly contents: Readonly<Record<string, string>>;
  /** A text that is the same for all runs that can train side by side; `undefined` for one that trains alone. */
  readonly form: string | undefined;
  /** About how long it takes on one core, in seconds. */
  readonly seconds: number;
  /** Trains several tasks of one form and one kind, side by side. */
  readonly train: (tasks: readonly RunTask[], how: GroupTraining) => Promise<readonly TrainedRun[]>;
}

/** How a group is trained. */
export interface GroupTraining {
  readonly engine: Engine;
  readonly signal: AbortSignal | undefined;
  /** A folder of the group's own, for its checkpoints; it exists. */
  readonly checkpoints: string;
  readonly checkpointName: string;
  readonly checkpointEvery: number;
  /** About how many times the directions are kept; 0: never. */
  readonly snapshots: number;
  /** Must be called when training is over: the measurements that follow do not need the engine. */
  readonly onTrained: () => void;
}

/** A run that was trained. */
export interface TrainedRun {
  readonly metrics: Metrics;
  /** The frozen model, an .onnx file. */
  readonly model: Uint8Array;
  /** The engine that ran its steps, in words. */
  readonly engine: string;
  /** Its losses and, where they were kept, its directions over training. */
  readonly history: TrainingHistory;
}
