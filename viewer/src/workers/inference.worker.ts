/** The inference worker: opens model files and runs them, so that the page never waits for either. */

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
