/** The page's end of the inference worker. */
import { type Remote, transfer, wrap } from 'comlink';
import { onnxRuntimeWasm } from '../data/shipped.ts';
import type { InferenceApi } from './inference-api.ts';
import { startInferenceWorker } from './start-workers.ts';

let started: Promise<Remote<InferenceApi>> | undefined;

/** The worker, started with ONNX Runtime's wasm on first use. */
export function inference(): Promise<Remote<InferenceApi>> {
  started ??= (async () => {
    const api = wrap<InferenceApi>(startInferenceWorker());
    const wasm = await onnxRuntimeWasm();
    await api.start(transfer(wasm, [wasm]));
    return api;
  })();
  return started;
}
