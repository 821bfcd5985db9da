/** What a sweep needs to know of the things that can be trained. Who reads their settings gives it; a sweep knows no setting by name but the seed. */
import type { Engine } from '../engines/engine.ts';
import type { TrainingHistory } from '../training/history.ts';
import type { PlanSettings } from './plan.ts';

/** Every setting of a run with its value, those not given by their defaults. */
export type ResolvedSettings = Readonly<Record<string, unknown>>;

/** What a run is measured by: numbers by name; null where one is undefined. */
export type Metrics = Readonly<Record<string, number | null>>;

/** Something that a sweep can train. */
export interface RunKind {
  readonly name: 'toy' | 'sae';
  /** JSON schemas of the settings, by name. */
  readonly schema: Readonly<Record<string, object>>;
  /**
   * All settings of a run, of those that a plan gives.
   * @throws InvalidValueError that names the setting
   */
  resolve(settings: PlanSettings): ResolvedSettings;
  /**
   * What is to be trained. It reads what the settings name, and trains nothing.
   * @throws InvalidValueError, FileFormatError where settings do not go together or a file cannot be used
   */
  task(settings: ResolvedSettings): Promise<RunTask>;
}

/** A run that is ready to be trained. */
export interface RunTask {
  /** What the settings do not say of it: contents of files, by their hash. */
  readonly contents: Readonly<Record<string, string>>;
  /** The same for all runs that can train side by side; undefined for one that trains alone. */
  readonly form: string | undefined;
  /** About how long it takes on one core, in seconds. */
  readonly seconds: number;
  /** Trains this and `others` of its form, which come from the same kind. */
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
  /** About how many times the directions are kept; 0 for never. */
  readonly snapshots: number;
  /** To be called where training is over: what follows, measuring, leaves the engine free. */
  readonly onTrained: () => void;
}

/** A run that was trained. */
export interface TrainedRun {
  readonly metrics: Metrics;
  /** The frozen model, an .onnx file. */
  readonly model: Uint8Array;
  /** Where its steps ran, in words. */
  readonly engine: string;
  /** Its losses and, where they were kept, its directions over training. */
  readonly history: TrainingHistory;
}
