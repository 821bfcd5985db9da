/**
 * Inference in a browser: loads SAEs and toy models from ONNX files, as in Node, with onnxruntime-web. Needs nothing of
 * TensorFlow.js, and fetches nothing but the model and ONNX Runtime's own files.
 */
import { describeModel, type ModelDescription } from '../onnx/inspect.ts';
import { loadWebRuntime, type WebRuntimeOptions } from '../sessions/browser.ts';
import { webWorkerPort } from '../workers/web.ts';
import type { Autoencoder } from './autoencoder.ts';
import { type LoadRequest, openModel } from './load.ts';
import { LoadedSae } from './loaded-sae.ts';
import { LoadedToyModel } from './loaded-toy-model.ts';
import type { RunOptions, SaeNames, ToyModelNames } from './model-options.ts';
import { connectAutoencoder } from './remote-autoencoder.ts';
import { saeRequest, toyModelRequest } from './requests.ts';
import { readWebSource, resolveAddress, type WebModelSource } from './web-source.ts';

export {
  DisposedError,
  EngineUnavailableError,
  FileFormatError,
  InvalidShapeError,
  InvalidTypeError,
  InvalidValueError,
  MissingPackageError,
  WorkerDiedError,
} from '../errors.ts';
export type { ModelDescription, TensorDescription } from '../onnx/inspect.ts';
export type { ModelKind, ModelMetadata } from '../onnx/metadata.ts';
export type { Provider } from '../sessions/runtime.ts';
export type { Attempt } from '../sessions/session.ts';
export type { HostTensor, HostTensors, NestedArray, Shape } from '../tensor.ts';
export type { DecodeOptions, EncodeOptions } from './loaded-sae.ts';
export type { RunOptions, SaeNames, ToyModelNames } from './model-options.ts';
export type { Samples } from './samples.ts';
export type { SparseFeatures } from './sparse-features.ts';
export type { WebModelSource as ModelSource } from './web-source.ts';
export { LoadedSae, LoadedToyModel };

interface BrowserOptions extends RunOptions, Pick<WebRuntimeOptions, 'wasmPaths'> {
  /**
   * Whether the model is fetched and run in a Web Worker, so that the page stays free. Where a bundler has moved this
   * package's files, give a function that starts the worker `monosemantic/inference/worker`. Default false.
   */
  readonly worker?: boolean | (() => Worker);
}

/** Where an SAE runs in a browser, and the names of its tensors where the file does not say. */
export interface LoadSaeOptions extends BrowserOptions, SaeNames {}
/** Where a toy model runs in a browser, and the names of its tensors where the file does not say. */
export interface LoadToyModelOptions extends BrowserOptions, ToyModelNames {}

function startOwnWorker(): Worker {
  // Bundlers look for exactly this form; the build writes .js in place of .ts.
  return new Worker(new URL('./browser-worker.ts', import.meta.url), { type: 'module' });
}

function absolutePaths(
  paths: NonNullable<WebRuntimeOptions['wasmPaths']>,
): NonNullable<WebRuntimeOptions['wasmPaths']> {
  if (typeof paths === 'string') return resolveAddress(paths).href;
  return Object.fromEntries(Object.entries(paths).map(([file, address]) => [file, resolveAddress(address).href]));
}

async function load(source: WebModelSource, request: LoadRequest, options: BrowserOptions): Promise<Autoencoder> {
  const { worker = false, wasmPaths } = options;
  const { threads } = request.run;
  const runtime: WebRuntimeOptions = {
    ...(wasmPaths !== undefined && { wasmPaths: absolutePaths(wasmPaths) }),
    ...(threads !== undefined && { threads }),
  };
  if (!worker) return openModel(await readWebSource(source), request, () => loadWebRuntime(runtime));
  // A worker sees relative addresses from its own; a URL cannot be sent to it, its text can.
  const sent = typeof source === 'string' || source instanceof URL ? resolveAddress(source).href : source;
  const port = webWorkerPort(worker === true ? startOwnWorker() : worker());
  return connectAutoencoder(port, typeof sent === 'string' ? sent : 'this model', [sent, request, runtime]);
}

/**
 * Loads a sparse autoencoder from an `.onnx` file: an address, its bytes, a Blob or a File. A file that this package
 * wrote needs no names; another one needs them where its shapes leave open which tensor is which.
 * @throws FileFormatError where the file cannot be read, is no sound ONNX model, or holds something else; its message
 *   lists the candidates where names are needed
 * @throws EngineUnavailableError where a named provider does not load
 * @throws MissingPackageError without onnxruntime-web
 */
export async function loadSae(source: WebModelSource, options: LoadSaeOptions = {}): Promise<LoadedSae> {
  return new LoadedSae(await load(source, saeRequest(options), options));
}

/**
 * Loads a toy model, single or parallel, from an `.onnx` file: an address, its bytes, a Blob or a File.
 * @throws FileFormatError, EngineUnavailableError or MissingPackageError as `loadSae`
 */
export async function loadToyModel(source: WebModelSource, options: LoadToyModelOptions = {}): Promise<LoadedToyModel> {
  return new LoadedToyModel(await load(source, toyModelRequest(options), options));
}

/**
 * Describes any `.onnx` file: its inputs, outputs, operators and metadata. Data outside the file is not read.
 * @throws FileFormatError where the file cannot be read or is no sound ONNX model
 */
export async function inspectModel(source: WebModelSource): Promise<ModelDescription> {
  return describeModel(await readWebSource(source, { external: false }));
}
