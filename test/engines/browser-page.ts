/** What the page of browser.test.ts runs: engines as a browser has them, on PyTorch's training runs. */

import type { Check } from '../../scripts/reference/check.ts';
import { checkTraining } from '../../scripts/reference/training-checks.ts';
import { trainingCase, trainingKindOf } from '../../scripts/reference/training-file.ts';
import { createEagerEngine } from '../../src/engines/eager.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { prepareBackend } from '../../src/engines/webgpu.ts';
import { loadWebRuntime } from '../../src/sessions/browser.ts';

export type PageEngine = 'onnxruntime wasm' | 'onnxruntime webgpu' | 'webgpu';

const ENGINES: Readonly<Record<PageEngine, () => Promise<Engine>>> = {
  'onnxruntime wasm': () => onnxRuntime('wasm'),
  'onnxruntime webgpu': () => onnxRuntime('webgpu'),
  webgpu: async () => createEagerEngine('webgpu', await prepareBackend()),
};

/** Trains one reference file's model, one step a call, and compares with PyTorch. */
export async function train(engineName: PageEngine, file: unknown): Promise<Check[]> {
  const engine = await ENGINES[engineName]();
  // The forward pass alone is one more graph to compile, which is slow on SwiftShader; Node's tests look at it.
  const form = { label: engineName, engine, manySteps: false, runsAnyStep: false };
  return await checkTraining(trainingCase(trainingKindOf(file)!, file), form);
}

async function onnxRuntime(provider: 'wasm' | 'webgpu'): Promise<Engine> {
  return createOnnxRuntimeEngine(await loadWebRuntime({ wasmPaths: '/', threads: 2 }), { provider });
}
