/** The page's end of the inference workers: one that answers at once, and some that run rows. */
import { type Remote, transfer, wrap } from 'comlink';
import { onnxRuntimeWasm } from '../data/shipped.ts';
import type { InferenceApi } from './inference-api.ts';
import { startInferenceWorker } from './start-workers.ts';

async function start(): Promise<Remote<InferenceApi>> {
  const api = wrap<InferenceApi>(startInferenceWorker());
  const wasm = await onnxRuntimeWasm();
  await api.start(typeof wasm === 'string' ? wasm : transfer(wasm, [wasm]));
  return api;
}

let first: Promise<Remote<InferenceApi>> | undefined;

/** The worker that opens models and answers probes: nothing long is ever asked of it. */
export function inference(): Promise<Remote<InferenceApi>> {
  first ??= start();
  return first;
}

/** Each holds a copy of the model's weights. */
const MOST_ENCODERS = 3;
const encoders: Promise<Remote<InferenceApi>>[] = [];

/** The workers that run many rows, started on first use: as many as there are cores, but one. */
export function encodingWorkers(): readonly Promise<Remote<InferenceApi>>[] {
  const wanted = Math.max(1, Math.min(MOST_ENCODERS, navigator.hardwareConcurrency - 1 || 1));
  while (encoders.length < wanted) encoders.push(start());
  return encoders;
}
