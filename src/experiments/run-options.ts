/** How an experiment trains: on which engine, watched and stopped how, and kept in which checkpoint. */
import { join } from 'node:path';
import type { TrainingOptions } from '../training/run-settings.ts';
import type { ExperimentContext } from './context.ts';

/** How the name of every file of records ends. */
const METRICS = 'metrics.jsonl';

export interface Stretch {
  /** The checkpoint's name within the run's folder. */
  readonly name: string;
  /** What the progress bar shows. */
  readonly label: string;
  readonly steps: number;
  /** Whether the run is this stretch alone: its records are then in `metrics.jsonl`, else in `NAME.metrics.jsonl`. Default false. */
  readonly alone?: boolean;
}

/**
 * The options of one stretch of training. Where the run is to be resumed it goes on from the stretch's checkpoint; a run of several
 * may have been stopped before it came to this one: without a checkpoint it begins.
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
    // The folder is this run's alone, and what an earlier one left there is gone.
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
