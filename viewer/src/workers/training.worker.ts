/** Starts the training worker, which runs the same compiled step as the scripts, on onnxruntime-web. */

import * as ort from 'onnxruntime-web/wasm';
import { webRuntime } from '../../../src/sessions/browser.ts';
import { serve } from '../../../src/workers/serve.ts';
import { ownWebPort } from '../../../src/workers/web.ts';
import { createTraining } from './training.ts';

serve(
  ownWebPort(),
  createTraining(
    wasm => {
      ort.env.wasm.wasmBinary = wasm;
    },
    () => webRuntime(ort, { threads: 1, webgpu: false }),
  ),
);
