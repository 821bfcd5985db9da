/** The page's connection to the training worker, which starts only when something is trained or converted. */
import { onnxRuntimeWasm } from '../data/shipped.ts';
import { type Remote, remote } from './remote.ts';
import { startTrainingWorker } from './start-workers.ts';
import type { TrainingApi } from './training-api.ts';

let started: Promise<Remote<TrainingApi>> | undefined;

/** The worker, started with ONNX Runtime's wasm on first use. */
export function training(): Promise<Remote<TrainingApi>> {
  started ??= (async () => {
    const api = remote<TrainingApi>(startTrainingWorker(), 'the training worker', () => {
      started = undefined;
    });
    await api.start(onnxRuntimeWasm('wasm'));
    return api;
  })();
  return started;
}
