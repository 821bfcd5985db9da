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

export const { trainSae, trainSaes } = saeTraining(browser);
export const { trainToyModel, trainToyModels } = toyModelTraining(browser);
