/** TensorFlow.js's own portable backends, made ready. */
import { MissingPackageError } from '../errors.ts';
import type { PreparedBackend } from './prepared-backend.ts';

/** TensorFlow.js's backend in plain JavaScript, which is slow and runs everywhere. */
export async function prepareCpuBackend(): Promise<PreparedBackend> {
  await import('@tensorflow/tfjs');
  return { backendName: 'cpu', provider: 'cpu', detail: 'TensorFlow.js in plain JavaScript' };
}

/**
 * TensorFlow.js's backend in WebAssembly with SIMD.
 * @throws MissingPackageError where @tensorflow/tfjs-backend-wasm is not installed
 */
export async function prepareWasmBackend(): Promise<PreparedBackend> {
  try {
    await import('@tensorflow/tfjs-backend-wasm');
  } catch (cause) {
    throw new MissingPackageError(
      `the wasm engine needs @tensorflow/tfjs-backend-wasm (${(cause as Error).message}); to install it: npm install @tensorflow/tfjs-backend-wasm`,
      { cause },
    );
  }
  return { backendName: 'wasm', provider: 'wasm', detail: 'TensorFlow.js on WebAssembly' };
}
