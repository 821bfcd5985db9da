/** Training options of an experiment: engine, progress, signal and checkpoint. */
import { join } from 'node:path';
import type { TrainingOptions } from '../training/run-settings.ts';
import type { ExperimentContext } from './context.ts';

/** The end of the name of every file of records. */
const METRICS = 'metrics.jsonl';

/** One training among those of a run. */
export interface Stretch {
  /** The checkpoint's name within the run's folder. */
  readonly name: string;
  /** The label of the progress bar. */
  readonly label: string;
  readonly steps: number;
  /**
   * Whether the run consists of this training alone: its records are then in `metrics.jsonl`, otherwise in
   * `NAME.metrics.jsonl`. Default false.
   */
  readonly alone?: boolean;
}

/**
 * The options of one training. A run that is resumed goes on from this training's checkpoint. A run of several
 * trainings may have been stopped before it reached this one, which then has no checkpoint and begins.
 */
export function trainingOptions(
  context: ExperimentContext,
  { name, label, steps, alone = false }: Stretch,
): TrainingOptions {
  const { records } = context;
  return {
    engine: context.engine,
    signal: context.signal,
    onProgress: context.progress(label, steps),
    checkpoint: context.folder,
    checkpointName: name,
    checkpointEvery: context.checkpointEvery,
    resume: context.resume,
    // The folder belongs to this run, and what an earlier one left there is removed.
    overwrite: true,
    onStart: context.preparing,
    onResume: step => context.log(`${label}: goes on after ${step} of ${steps} steps`),
    onResample: (step, latents) => context.log(`${label}: after ${step} steps ${latents} dead latents began anew`),
    ...(records && {
      recordEvery: records.every,
      metricsFile: join(context.folder, alone ? METRICS : `${name}.${METRICS}`),
      ...(records.tensorboard && { tensorboard: join(context.folder, 'tensorboard', name) }),
    }),
  };
}
