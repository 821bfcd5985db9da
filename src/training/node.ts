/** Training in Node: on the engine that suits the machine, with files and checkpoints. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEngine } from '../engines/create-engine.ts';
import { FileWriteError, FolderInUseError } from '../errors.ts';
import { saveSae } from '../export/save-sae.ts';
import { lockFolder } from '../files/folder-lock.ts';
import { prepareToWrite, writeFileAtomic } from '../files/write-atomic.ts';
import { checkpointFile, loadCheckpoint, requireCheckpointFits } from './checkpoint.ts';
import { metricsFile } from './metrics/metrics-file.ts';
import { tensorBoardFolder } from './metrics/tensorboard.ts';
import type { TrainingPlatform } from './platform.ts';
import { startInThread } from './start/start-thread.ts';
import { saeTraining } from './train-sae.ts';
import { toyModelTraining } from './train-toy-model.ts';

/** How the name of every checkpoint ends. */
export const CHECKPOINT = '.checkpoint.safetensors';

const node: TrainingPlatform = {
  defaultEngine: () => createEngine(),
  writeFile: writeFileAtomic,
  saveSae,
  startWork: startInThread,
  async checkpoints({ folder, name, every, experiment, resume, overwrite, state, signal }) {
    requireCheckpointFits(state);
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw new FileWriteError(folder, cause);
    });
    const file = join(folder, name + CHECKPOINT);
    const lock = await lockFolder(folder, name, { signal });
    try {
      // Now, not at the first checkpoint; and what runs that were killed left half-written goes.
      await prepareToWrite(file);
      const isThere = existsSync(file);
      if (isThere && !resume && !overwrite) {
        throw new FolderInUseError(folder, `holds the checkpoint ${name + CHECKPOINT}: resume it, or overwrite it`);
      }
      return {
        checkpoint: { ...checkpointFile(file), every, experiment },
        ...(isThere && resume && { resume: await loadCheckpoint(file, experiment) }),
        [Symbol.asyncDispose]: lock.release,
      };
    } catch (error) {
      await lock.release();
      throw error;
    }
  },
  recordSinks: async ({ metricsFile: file, tensorboard: folder }) => [
    // First, since it knows when records of before were made.
    ...(file === undefined ? [] : [metricsFile(file)]),
    ...(folder === undefined ? [] : [tensorBoardFolder(folder)]),
  ],
};

export const { trainSae, trainSaes } = saeTraining(node);
export const { trainToyModel, trainToyModels } = toyModelTraining(node);
