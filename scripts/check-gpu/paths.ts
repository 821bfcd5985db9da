/** How each way to a GPU is started. */
import { createEngine } from '../../src/engines/create-engine.ts';
import type { Engine } from '../../src/engines/engine.ts';
import type { Provider } from '../../src/sessions/runtime.ts';
import type { EngineForm } from '../reference/engine-forms.ts';
import type { PathName } from './row.ts';

interface GpuPath {
  readonly start: () => Promise<Engine>;
  /** The provider that runs frozen models; absent where the path runs no .onnx files. */
  readonly provider?: Provider;
  /** Whether it goes through Vulkan, and so can run on a software adapter; else through CUDA. */
  readonly vulkan: boolean;
}

/** All ways to a GPU. */
export const GPU_PATHS: Readonly<Record<PathName, GpuPath>> = {
  'tfjs-node-gpu': { start: () => createEngine({ engine: 'tensorflow', device: 'gpu' }), vulkan: false },
  'onnxruntime cuda': {
    start: () => createEngine({ engine: 'onnxruntime', provider: 'cuda' }),
    provider: 'cuda',
    vulkan: false,
  },
  'onnxruntime webgpu': {
    start: () => createEngine({ engine: 'onnxruntime', provider: 'webgpu' }),
    provider: 'webgpu',
    vulkan: true,
  },
  'tfjs webgpu': { start: () => createEngine({ engine: 'webgpu' }), vulkan: true },
};

/** The forms in which `scripts/reference` runs a training: many steps a call and, where that is something else (CUDA's Scan), one. */
export async function formsOf(path: PathName): Promise<EngineForm[]> {
  const engine = await GPU_PATHS[path].start();
  const many: EngineForm = { label: path, engine, manySteps: true, runsAnyStep: true };
  if (path !== 'onnxruntime cuda') return [many];
  return [{ ...many, label: `${path}, a step a call`, manySteps: false }, many];
}
