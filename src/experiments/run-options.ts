/** How an experiment trains: on which engine, watched and stopped how, and kept in which checkpoint. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointFile, loadCheckpoint } from '../training/checkpoint.ts';
import type { RunOptions } from '../training/train.ts';
import type { ExperimentContext } from './context.ts';
import { CHECKPOINT } from './run-files.ts';

export interface Stretch {
  /** The checkpoint's name within the run's folder. */
  readonly name: string;
  /** JSON that says what is trained and how. */
  readonly experiment: unknown;
  /** What the progress bar shows. */
  readonly label: string;
  readonly steps: number;
}

/**
 * The options of one stretch of training. Where the run is to be resumed it goes on from the stretch's checkpoint; a run of several
 * may have been stopped before it came to this one: without a checkpoint it begins.
 */
export async function runOptions(context: ExperimentContext, stretch: Stretch): Promise<RunOptions> {
  const { name, experiment, label, steps } = stretch;
  const file = join(context.folder, `${name}${CHECKPOINT}`);
  return {
    engine: context.engine,
    signal: context.signal,
    onProgress: context.progress(label, steps),
    checkpoint: { ...checkpointFile(file), every: context.checkpointEvery, experiment },
    ...(context.resume && existsSync(file) && { resume: await loadCheckpoint(file, experiment) }),
  };
}
