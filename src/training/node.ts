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

const saes = saeTraining(node);
/**
 * Trains one sparse autoencoder.
 *
 * @param settings - `data`, `dSae`, `activation` and `steps`; everything else has a default.
 * @param options - Where it runs, progress, checkpoints. Default: the engine that suits the machine.
 * @returns The autoencoder, its history and what it cost; `stopped` is true where `signal` ended it early.
 * @throws InvalidValueError, InvalidShapeError for settings out of range or data that do not fit them.
 * @throws InvalidTypeError where `data` are no activations.
 * @throws FileFormatError, FileWriteError where data cannot be read, or checkpoints neither read nor written.
 * @throws DivergenceError where a loss or a parameter is not finite.
 */
export const trainSae = saes.trainSae;
/**
 * Trains one autoencoder for each entry of `vary`: each the same as trained alone, small ones side by side as one batched step.
 *
 * @param settings - As for `trainSae`, and `vary`, at least one entry.
 * @param options - As for `trainSae`.
 * @returns One result for each entry of `vary`, in that order.
 * @throws InvalidValueError where `vary` is empty, and errors as `trainSae`.
 */
export const trainSaes = saes.trainSaes;

const toys = toyModelTraining(node);
/**
 * Trains a toy model, the best of `restarts`.
 *
 * @param settings - `data`, `nHidden` and `steps`; everything else has a default.
 * @param options - As for `trainSae`.
 * @returns The restart of the lowest training loss, and all of them in `restarts`.
 * @throws As `trainSae`.
 */
export const trainToyModel = toys.trainToyModel;
/**
 * Trains one toy model for each entry of `vary`, each the same as trained alone, restarts included.
 *
 * @param settings - As for `trainToyModel`, and `vary`, at least one entry.
 * @param options - As for `trainSae`.
 * @returns One result for each entry of `vary`, in that order.
 * @throws InvalidValueError where `vary` is empty, and errors as `trainSae`.
 */
export const trainToyModels = toys.trainToyModels;
