/** Training in a browser: on ONNX Runtime's WASM. There are no files: `toOnnx()` gives the bytes, and runs keep no checkpoints. */
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
  defaultEngine: async () => createOnnxRuntimeEngine(await loadWebRuntime()),
  writeFile: refuseFile,
  saveSae: refuseFile,
  // Pages train in a worker already.
  startWork: () => startHere,
  async checkpoints({ folder }) {
    throw new EngineUnavailableError(`${folder}: a page keeps no checkpoints`);
  },
  recordSinks: ({ metricsFile, tensorboard }) => refuseFile(metricsFile ?? tensorboard!),
};

const saes = saeTraining(browser);
/**
 * Trains one sparse autoencoder, in a page or its worker.
 *
 * @param settings - `data`, `dSae`, `activation` and `steps`; everything else has a default.
 * @param options - Where it runs, progress, `onRecord`. Default: the engine that suits the machine.
 * @returns The autoencoder, its history and what it cost; `stopped` is true where `signal` ended it early.
 * @throws InvalidValueError, InvalidShapeError for settings out of range or data that do not fit them.
 * @throws InvalidTypeError where `data` are no activations.
 * @throws EngineUnavailableError where options ask for files, which a page does not write.
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

const toys = toyModelTraining(browser);
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
