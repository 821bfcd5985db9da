/** The page's connection to the inference workers: one that answers at once, and several that run rows. */
import { onnxRuntimeWasm, type RuntimeBuild } from '../data/shipped.ts';
import type { InferenceApi } from './inference-api.ts';
import { type Remote, remote } from './remote.ts';
import { startInferenceWorker, startRowsWorker } from './start-workers.ts';

async function start(build: RuntimeBuild, subject: string, onDeath: () => void): Promise<Remote<InferenceApi>> {
  const worker = build === 'webgpu' ? startInferenceWorker() : startRowsWorker();
  const api = remote<InferenceApi>(worker, subject, onDeath);
  await api.start(onnxRuntimeWasm(build));
  return api;
}

let first: Promise<Remote<InferenceApi>> | undefined;

/** The worker that opens models and answers probes. It is never asked anything that takes long. */
export function inference(): Promise<Remote<InferenceApi>> {
  // A worker that died is not started again: the models that it held are lost, and only opening the page anew brings
  // them back.
  first ??= start('webgpu', 'the worker for models', () => {});
  return first;
}

/** The most workers for running rows. Each of them holds a copy of the weights. */
const MOST_ENCODERS = 3;
const encoders: Promise<Remote<InferenceApi>>[] = [];

/**
 * The workers that run many rows, started on first use: as many as there are cores but one, and two at least.
 */
export function encodingWorkers(): readonly Promise<Remote<InferenceApi>>[] {
  const wanted = Math.max(2, Math.min(MOST_ENCODERS, navigator.hardwareConcurrency - 1));
  while (encoders.length < wanted) {
    const started = start('wasm', 'a worker for rows', () => {
      encoders.splice(encoders.indexOf(started), 1);
    });
    encoders.push(started);
  }
  return encoders;
}
