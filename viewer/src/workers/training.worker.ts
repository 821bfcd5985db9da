/** The training worker: the same compiled step as the scripts, on onnxruntime-web. */
import { expose } from 'comlink';
import * as ort from 'onnxruntime-web/webgpu';
import { createTraining } from './training.ts';

expose(
  createTraining(wasm => {
    ort.env.wasm.wasmBinary = wasm;
  }),
);
