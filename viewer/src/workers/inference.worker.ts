/** Starts an inference worker, which opens model files and runs them off the page's thread. */

import * as ort from 'onnxruntime-web/webgpu';
import { loadWebRuntime } from '../../../src/sessions/browser.ts';
import { serve } from '../../../src/workers/serve.ts';
import { ownWebPort } from '../../../src/workers/web.ts';
import { createInference } from './inference.ts';

serve(
  ownWebPort(),
  createInference(
    wasm => {
      ort.env.wasm.wasmBinary = wasm;
    },
    () => loadWebRuntime({ threads: 1 }),
  ),
);
