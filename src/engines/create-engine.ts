/** Chooses an engine by name, or the best one that this machine has, with the reason. */
import { EngineUnavailableError, InvalidValueError } from '../errors.ts';
import { loadNodeRuntime } from '../sessions/node.ts';
import type { Provider } from '../sessions/runtime.ts';
import { hasModuleWorker } from '../workers/node.ts';
import { createEagerEngine } from './eager.ts';
import type { Engine, EngineName } from './engine.ts';
import { createOnnxRuntimeEngine } from './onnxruntime.ts';
import type { PreparedBackend } from './prepared-backend.ts';

/** Names of the engines that `createEngine` takes. */
export const ENGINE_NAMES: readonly EngineName[] = ['onnxruntime', 'tensorflow', 'webgpu', 'wasm', 'cpu'];

/** Which engine, and how it runs. */
export interface EngineOptions {
  /** The engine. Default `auto`: TensorFlow where it is set up and finds a GPU, otherwise onnxruntime. */
  readonly engine?: EngineName | 'auto' | undefined;
  /** ONNX Runtime's provider, for the engine onnxruntime alone. Default `cpu`. */
  readonly provider?: Provider | 'auto' | undefined;
  /** TensorFlow's device, for the engine tensorflow alone. Default: the GPU where there is one. */
  readonly device?: 'cpu' | 'gpu' | undefined;
  /**
   * Threads, at least 1: small instances side by side are divided among them, larger steps use them within an operator.
   * Default: what suits the size of the step.
   */
  readonly threads?: number | undefined;
  /** Whether large autoencoders take the sparse update instead of the whole graph. Default true. */
  readonly accelerate?: boolean | undefined;
}

/**
 * Starts an engine in Node.
 * @throws EngineUnavailableError where the one asked for is not installed or does not run here; the message names the
 *   command that installs it
 * @throws InvalidValueError for a name that does not exist or an option that the engine does not have
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const { engine = 'auto', provider, device, threads } = options;
  if (engine !== 'auto' && !ENGINE_NAMES.includes(engine)) {
    throw new InvalidValueError(`engine "${engine}" does not exist; choose from auto, ${ENGINE_NAMES.join(', ')}`);
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new InvalidValueError(`threads must be a positive integer, got ${threads}`);
  }
  if (provider !== undefined && engine !== 'auto' && engine !== 'onnxruntime') {
    throw new InvalidValueError(`provider "${provider}" is an option of the engine onnxruntime, not of ${engine}`);
  }
  if (engine === 'auto') return chooseEngine(options);
  if (engine === 'onnxruntime') {
    return compiledEngine(options, 'asked for');
  }
  return createEagerEngine(engine, await prepare(engine, { device, threads }));
}

async function compiledEngine(
  { provider, threads, accelerate = true }: EngineOptions,
  reason: string,
): Promise<Engine> {
  const runtime = await loadNodeRuntime();
  if (!hasModuleWorker('threads/step-worker', import.meta.url)) {
    const here = `${reason}; in the calling thread and without the sparse update, for a bundler left out what runs in threads`;
    return createOnnxRuntimeEngine(runtime, { provider, threads, reason: here });
  }
  const { sparseUpdate } = await import('./sparse-update/accelerator.ts');
  const { runInThreads } = await import('./threads/run-in-threads.ts');
  const accelerators = accelerate ? [sparseUpdate] : [];
  return createOnnxRuntimeEngine(runtime, { provider, threads, reason, accelerators, runElsewhere: runInThreads });
}

async function chooseEngine(options: EngineOptions): Promise<Engine> {
  const { provider, threads, device } = options;
  const { hasNvidiaGpu, prepareBackend } = await import('./tensorflow.ts');
  let reason = 'no NVIDIA GPU was found, and compiled steps are the fastest on a CPU';
  if (provider !== undefined) reason = `provider ${provider} was asked for`;
  else if (device !== 'cpu' && hasNvidiaGpu()) {
    try {
      return createEagerEngine('tensorflow', await prepareBackend({ device: 'gpu', threads }), 'a GPU is there');
    } catch (error) {
      if (device === 'gpu' || !(error instanceof EngineUnavailableError)) throw error;
      reason = `a GPU is there, but ${error.message}`;
    }
  } else if (device === 'gpu') {
    throw new EngineUnavailableError('no NVIDIA GPU was found; --device cpu, or no device, runs on the CPU');
  }
  return compiledEngine(options, reason);
}

async function prepare(
  engine: Exclude<EngineName, 'onnxruntime'>,
  options: { device: EngineOptions['device']; threads: number | undefined },
): Promise<PreparedBackend> {
  switch (engine) {
    case 'tensorflow':
      return (await import('./tensorflow.ts')).prepareBackend(options);
    case 'webgpu':
      return (await import('./webgpu.ts')).prepareBackend();
    case 'wasm':
      return (await import('./backends.ts')).prepareWasmBackend();
    case 'cpu':
      return (await import('./backends.ts')).prepareCpuBackend();
  }
}
