/**
 * TensorFlow.js on WebGPU: on `navigator.gpu` in a browser, on Dawn (Chromium's implementation, npm package `webgpu`)
 * in Node. The backend is registered here rather than by TensorFlow.js, which looks for `navigator.gpu` when it is
 * imported, so that Node keeps no invented `navigator` and a device's loss can be told.
 */
import * as tf from '@tensorflow/tfjs';
import { EngineUnavailableError } from '../errors.ts';
import type { PreparedBackend } from './prepared-backend.ts';

const BACKEND_NAME = 'webgpu';

/** Limits of which TensorFlow.js's kernels use all that the adapter has; WebGPU's defaults are lower. */
const LIMITS = [
  'maxBufferSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** TensorFlow.js's number for the plain tiled program, in its flag WEBGPU_MATMUL_PROGRAM_TYPE. */
const PACKED_MATMUL = 3;

/** Options of TensorFlow.js on WebGPU. */
export interface WebGpuOptions {
  /**
   * A part of the adapter's name where there are several; for Node. Default: Dawn's choice. A browser chooses by
   * itself.
   */
  readonly device?: string | undefined;
}

let prepared: Promise<PreparedBackend> | undefined;

/** Dawn's devices do not keep alive the instance that they come from: were it collected, they would use freed memory. */
const instances = new Set<GPU>();

/**
 * Registers TensorFlow.js's backend `webgpu` on a device of its own; selecting it is left to the caller. Values must
 * then be read with `data()`: WebGPU cannot read without waiting.
 *
 * The first call in a process decides the device.
 * @throws EngineUnavailableError where there is no WebGPU, or no adapter
 */
export function prepareBackend(options: WebGpuOptions = {}): Promise<PreparedBackend> {
  prepared ??= register(options).catch(error => {
    prepared = undefined;
    throw error;
  });
  return prepared;
}

async function register({ device: name }: WebGpuOptions): Promise<PreparedBackend> {
  const { gpu, provider } = await findWebGpu(name);
  instances.add(gpu);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new EngineUnavailableError('WebGPU finds no adapter: no GPU driver for it is installed');
  const requiredLimits = Object.fromEntries(LIMITS.map(limit => [limit, adapter.limits[limit]]));
  const device = await adapter.requestDevice({ requiredLimits });
  let refusal: string | undefined;
  device.addEventListener('uncapturederror', event => {
    // Without this the error is printed, with all errors that follow from it.
    event.preventDefault();
    refusal ??= event.error.message.split('\n')[0];
  });
  const { WebGPUBackend } = await loadTensorFlowWebGpu();
  // In a browser, the package registered itself when it was imported.
  if (tf.findBackendFactory(BACKEND_NAME) !== null) tf.removeBackend(BACKEND_NAME);
  // For small matrices TensorFlow.js takes programs that wait at barriers, which are cheap on a GPU but 5 to 50 times
  // slower on SwiftShader.
  if (adapter.info.isFallbackAdapter) tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', PACKED_MATMUL);
  const backend = withNavigatorGpu(gpu, () => new WebGPUBackend(device, adapter.info));
  tf.registerBackend(BACKEND_NAME, () => backend, 3);
  return {
    backendName: BACKEND_NAME,
    provider,
    detail: `${adapter.info.description || adapter.info.vendor || 'an unnamed adapter'} through ${provider}`,
    lost: device.lost.then(({ message }) => `the WebGPU device was lost: ${message}`),
    takeRefusal() {
      const taken = refusal;
      refusal = undefined;
      return taken;
    },
  };
}

async function findWebGpu(adapterName: string | undefined): Promise<{ gpu: GPU; provider: string }> {
  if (globalThis.navigator?.gpu !== undefined) return { gpu: navigator.gpu, provider: 'navigator.gpu' };
  if (globalThis.process?.versions?.node === undefined) {
    throw new EngineUnavailableError(
      'this browser has no WebGPU, or the page is not served over https or from localhost',
    );
  }
  try {
    const { create, globals } = await import('webgpu');
    // TensorFlow.js reads GPUBufferUsage, GPUMapMode and the like as globals, as a browser has them.
    Object.assign(globalThis, globals);
    return { gpu: create(adapterName === undefined ? [] : [`adapter=${adapterName}`]), provider: 'Dawn' };
  } catch (cause) {
    throw new EngineUnavailableError('Dawn cannot be loaded: run `npm install webgpu`', [String(cause)], cause);
  }
}

/**
 * Makes the backend with a `navigator.gpu` in place: it refuses to be made without one, though it reads nothing else
 * from it.
 */
function withNavigatorGpu<T>(gpu: GPU, make: () => T): T {
  if (globalThis.navigator?.gpu === gpu) return make();
  const own = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
  try {
    return make();
  } finally {
    if (own === undefined) Reflect.deleteProperty(globalThis, 'navigator');
    else Object.defineProperty(globalThis, 'navigator', own);
  }
}

async function loadTensorFlowWebGpu() {
  try {
    return await import('@tensorflow/tfjs-backend-webgpu');
  } catch (cause) {
    const command = '`npm install @tensorflow/tfjs-backend-webgpu`';
    throw new EngineUnavailableError(`TensorFlow.js's webgpu backend cannot be loaded: run ${command}`, [], cause);
  }
}
