/** What the page of browser.test.ts runs: engines as a browser has them, on PyTorch's training runs. */
import { createEagerEngine } from '../../src/engines/eager.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { prepareBackend } from '../../src/engines/webgpu.ts';
import { loadWebRuntime } from '../../src/sessions/browser.ts';
import { expectReferenceRun, type ReferenceName } from '../support/reference-runs.ts';

export type PageEngine = 'onnxruntime wasm' | 'onnxruntime webgpu' | 'webgpu';

const ENGINES: Readonly<Record<PageEngine, () => Promise<Engine>>> = {
  'onnxruntime wasm': () => onnxRuntime('wasm'),
  'onnxruntime webgpu': () => onnxRuntime('webgpu'),
  webgpu: async () => createEagerEngine('webgpu', await prepareBackend()),
};

/** Trains one reference run; rejects where it differs from PyTorch. Gives what ran. */
export async function trainAndCompare(engineName: PageEngine, runName: ReferenceName): Promise<string> {
  const engine = await ENGINES[engineName]();
  await expectReferenceRun(engine, runName);
  return engine.name;
}

async function onnxRuntime(provider: 'wasm' | 'webgpu'): Promise<Engine> {
  return createOnnxRuntimeEngine(await loadWebRuntime({ wasmPaths: '/', threads: 2 }), { provider });
}
