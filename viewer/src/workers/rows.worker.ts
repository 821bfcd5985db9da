/** Starts an inference worker for running rows, on the build of ONNX Runtime that has WASM and no GPU and so is smaller. */

import * as ort from 'onnxruntime-web/wasm';
import { webRuntime } from '../../../src/sessions/browser.ts';
import { serve } from '../../../src/workers/serve.ts';
import { ownWebPort } from '../../../src/workers/web.ts';
import { createInference } from './inference.ts';

serve(
  ownWebPort(),
  createInference(
    wasm => {
      ort.env.wasm.wasmBinary = wasm;
    },
    async () => webRuntime(ort, { threads: 1, webgpu: false }),
  ),
);
