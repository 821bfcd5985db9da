/**
 * Training in a browser, on ONNX Runtime's WebAssembly. There are no files: `toOnnx()` gives the bytes, and runs keep
 * no checkpoints.
 */
import { createOnnxRuntimeEngine } from '../engines/onnxruntime.ts';
import { EngineUnavailableError } from '../errors.ts';
import { loadWebRuntime } from '../sessions/browser.ts';
import type { TrainingPlatform } from './platform.ts';
import { startHere } from './start/start-work.ts';
import { saeTraining } from './train-sae.ts';
import { toyModelTraining } from './train-toy-model.ts';

async function refuseFile(path: string): Promise<never> {
  throw new EngineUnavailableError(
    `${path}: a page writes no files; toOnnx() gives a model's bytes, onRecord its records`,
  );
}

const browser: TrainingPlatform = {
  // Measured on two cores, with recorded graphs: eight of 25 → 100 at batch 1,024 (2.6 million each) are faster together,
  // four of 100 → 50 (5.1 million) one after another.
  sideBySideBelow: 4_000_000,
  defaultEngine: async () => createOnnxRuntimeEngine(await loadWebRuntime()),
  writeFile: refuseFile,
  saveSae: refuseFile,
  // Pages already train in a worker, so the start needs no thread of its own.
  startWork: () => startHere,
  async checkpoints({ folder }) {
    throw new EngineUnavailableError(`${folder}: a page keeps no checkpoints`);
  },
  recordSinks: ({ metricsFile, tensorboard }) => refuseFile(metricsFile ?? tensorboard!),
};

const saes = saeTraining(browser);
/**
 * Trains one sparse autoencoder in a page or its worker, with the settings and the result of `trainSae` in Node.
 * @param settings `data`, `dSae`, `activation` and `steps`; everything else has a default
 * @param options where it runs, progress, `onRecord`
 * @throws EngineUnavailableError where an option asks for a file, which a page cannot write
 */
export const trainSae = saes.trainSae;
/**
 * Trains one autoencoder for each entry of `vary` in a page or its worker, as `trainSaes` in Node.
 * @throws EngineUnavailableError where an option asks for a file, which a page cannot write
 */
export const trainSaes = saes.trainSaes;

const toys = toyModelTraining(browser);
/**
 * Trains a toy model, the best of `restarts`, in a page or its worker, as `trainToyModel` in Node.
 * @throws EngineUnavailableError where an option asks for a file, which a page cannot write
 */
export const trainToyModel = toys.trainToyModel;
/**
 * Trains one toy model for each entry of `vary` in a page or its worker, as `trainToyModels` in Node.
 * @throws EngineUnavailableError where an option asks for a file, which a page cannot write
 */
export const trainToyModels = toys.trainToyModels;
