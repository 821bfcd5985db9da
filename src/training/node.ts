/** Training in Node: on the engine that suits the machine, with files and checkpoints. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEngine } from '../engines/create-engine.ts';
import { FileWriteError } from '../errors.ts';
import { saveSae } from '../export/save-sae.ts';
import { prepareToWrite, writeFileAtomic } from '../files/write-atomic.ts';
import { checkpointFile, loadCheckpoint, requireCheckpointFits } from './checkpoint.ts';
import type { TrainingPlatform } from './platform.ts';
import { saeTraining } from './train-sae.ts';
import { toyModelTraining } from './train-toy-model.ts';

/** How the name of every checkpoint ends. */
export const CHECKPOINT = '.checkpoint.safetensors';

const node: TrainingPlatform = {
  defaultEngine: () => createEngine(),
  writeFile: writeFileAtomic,
  saveSae,
  async checkpoints({ folder, name, every, experiment, resume, state }) {
    requireCheckpointFits(state);
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw new FileWriteError(folder, cause);
    });
    const file = join(folder, name + CHECKPOINT);
    // Now, not at the first checkpoint; and what runs that were killed left half-written goes.
    await prepareToWrite(file);
    return {
      checkpoint: { ...checkpointFile(file), every, experiment },
      ...(resume && existsSync(file) && { resume: await loadCheckpoint(file, experiment) }),
    };
  },
};

export const { trainSae, trainSaes } = saeTraining(node);
export const { trainToyModel, trainToyModels } = toyModelTraining(node);
