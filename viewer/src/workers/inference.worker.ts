/** The inference worker: opens model files and runs them, so that the page never waits for either. */
import { expose } from 'comlink';
import * as ort from 'onnxruntime-web/webgpu';
import { createInference } from './inference.ts';

expose(
  createInference(wasm => {
    ort.env.wasm.wasmBinary = wasm;
  }),
);
