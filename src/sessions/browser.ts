/** ONNX Runtime in a browser: onnxruntime-web's WebGPU build, which also holds the WebAssembly provider. */
import { MissingPackageError } from '../errors.ts';
import type { OnnxRuntimeApi, Runtime } from './runtime.ts';

/** How ONNX Runtime is loaded in a page. */
export interface WebRuntimeOptions {
  /**
   * Addresses of the `ort-wasm-*` files: a folder, or one for each file. Default: beside the script, where the bundler
   * puts them; never a content delivery network.
   */
  readonly wasmPaths?: string | { readonly mjs?: string; readonly wasm?: string };
  /**
   * Threads of the provider wasm; more than one needs a cross-origin isolated page (COOP and COEP headers). Default:
   * ONNX Runtime's own choice.
   */
  readonly threads?: number;
}

/**
 * Loads onnxruntime-web. The options apply to the whole page, and only where they are given before the first session.
 * @throws MissingPackageError where the package is not installed, with the command that installs it
 */
export async function loadWebRuntime(options: WebRuntimeOptions = {}): Promise<Runtime> {
  let ort: WebBuild;
  try {
    // The package's default entry has an older WebGPU provider, without TopK.
    ort = await import('onnxruntime-web/webgpu');
  } catch (cause) {
    throw new MissingPackageError(
      `onnxruntime-web cannot be loaded (${(cause as Error).message}); to install it: npm install onnxruntime-web`,
      { cause },
    );
  }
  return webRuntime(ort, { ...options, webgpu: Boolean(globalThis.navigator?.gpu) });
}

/** What every build of onnxruntime-web offers. Its own types would ask everybody for the package who compiles against ours. */
type WebBuild = OnnxRuntimeApi & { readonly env: { readonly wasm: { wasmPaths?: unknown; numThreads?: number } } };

/** A build of onnxruntime-web that is loaded already, as a runtime; `webgpu` says whether it can use a GPU. Options as `loadWebRuntime`'s. */
export function webRuntime(
  ort: WebBuild,
  { wasmPaths, threads, webgpu }: WebRuntimeOptions & { readonly webgpu: boolean },
): Runtime {
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
  if (threads !== undefined) ort.env.wasm.numThreads = threads;
  else if (!globalThis.crossOriginIsolated) ort.env.wasm.numThreads = 1;
  return {
    name: 'onnxruntime-web',
    ort,
    candidates: webgpu ? ['webgpu', 'wasm'] : ['wasm'],
    providerOptions: { webgpu: 'webgpu', wasm: 'wasm' },
    unlikely: {},
    hints: { webgpu: 'it needs a browser with WebGPU and a page from https or localhost' },
    runsOneAtATime: true,
  };
}
