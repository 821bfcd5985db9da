/**
 * Training in Node: on the engine that suits the machine, with files and checkpoints. The docstrings of the four
 * trainers stand here, in full; browser.ts says what is different in a page.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEngine } from '../engines/create-engine.ts';
import { LEAST_PRODUCTS } from '../engines/sparse-update/accept.ts';
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

/** The end of every checkpoint's name. */
export const CHECKPOINT = '.checkpoint.safetensors';

const node: TrainingPlatform = {
  // Beyond it a step takes the sparse update, and one after another is faster. Measured on two cores: eight of 25 → 100
  // at batch 1,024 (2.6 million each) took 1.2 to 1.5 times as long together.
  sideBySideBelow: LEAST_PRODUCTS,
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
      // The folder is prepared now, not at the first checkpoint; what killed runs have left half-written is removed.
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
    // This sink comes first, because its file knows when earlier records were made.
    ...(file === undefined ? [] : [metricsFile(file)]),
    ...(folder === undefined ? [] : [tensorBoardFolder(folder)]),
  ],
};

const saes = saeTraining(node);
/** What must be the same for autoencoders to train side by side: see SaeTrainers. */
export const saeForm = saes.saeForm;
/**
 * Trains one sparse autoencoder.
 * @param settings `data`, `dSae`, `activation` and `steps`; everything else has a default
 * @param options where it runs, progress, checkpoints. Default: the engine that suits the machine, no checkpoints
 * @returns the autoencoder, its history and what it cost; `stopped` is true where `signal` ended it early
 * @throws InvalidValueError or InvalidShapeError for settings out of range or data that do not fit them
 * @throws InvalidTypeError where `data` are no activations
 * @throws FileFormatError where data cannot be read, or the checkpoint to resume from is of another training
 * @throws FileWriteError where the folder of checkpoints cannot be written
 * @throws FolderInUseError where the folder holds a checkpoint that is neither resumed nor overwritten
 * @throws DivergenceError where a loss or a parameter is not finite; the last good state is kept where checkpoints are
 */
export const trainSae = saes.trainSae;
/**
 * Trains one autoencoder for each entry of `vary`: each the same as trained alone, but faster for small ones. Those
 * that differ in seed, data, start, learning rate or the numbers of their architecture train side by side as one
 * batched step; the rest train one group after another.
 * @param settings as for `trainSae`, and `vary`, at least one entry
 * @param options as for `trainSae`
 * @returns one result for each entry of `vary`, in that order
 * @throws InvalidValueError where `vary` is empty, and the errors of `trainSae`
 */
export const trainSaes = saes.trainSaes;

const toys = toyModelTraining(node);
/**
 * Trains a toy model, the best of `restarts`.
 * @param settings `data`, `nHidden` and `steps`; everything else has a default
 * @param options as for `trainSae`
 * @returns the restart of the lowest training loss, and all of them in `restarts`
 * @throws the errors of `trainSae`
 */
export const trainToyModel = toys.trainToyModel;
/**
 * Trains one toy model for each entry of `vary`: each the same as trained alone, restarts included. Those that differ
 * only in seed, data or learning rate train side by side.
 * @param settings as for `trainToyModel`, and `vary`, at least one entry
 * @param options as for `trainSae`
 * @returns one result for each entry of `vary`, in that order
 * @throws InvalidValueError where `vary` is empty, and the errors of `trainSae`
 */
export const trainToyModels = toys.trainToyModels;
