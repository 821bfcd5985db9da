/** Inference in Node: loads SAEs and toy models from ONNX files. Needs onnxruntime-node, and nothing of TensorFlow.js. */
import { Worker } from 'node:worker_threads';
import { describeModel, type ModelDescription } from '../onnx/inspect.ts';
import { loadNodeRuntime } from '../sessions/node.ts';
import { nodeWorkerPort, startModuleWorker } from '../workers/node.ts';
import type { Autoencoder } from './autoencoder.ts';
import { type LoadRequest, openModel } from './load.ts';
import { LoadedSae } from './loaded-sae.ts';
import { LoadedToyModel } from './loaded-toy-model.ts';
import type { RunOptions, SaeNames, ToyModelNames } from './model-options.ts';
import { type ModelSource, readSource } from './node-source.ts';
import { connectAutoencoder } from './remote-autoencoder.ts';
import { saeRequest, toyModelRequest } from './requests.ts';

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
export type { ModelSource } from './node-source.ts';
export type { Samples } from './samples.ts';
export type { SparseFeatures } from './sparse-features.ts';
export { LoadedSae, LoadedToyModel };

interface NodeOptions extends RunOptions {
  /**
   * Whether the model is read and run in a worker thread, so that this one stays free. Where a bundler has moved this
   * package's files, give a function that starts the worker `monosemantic/inference/worker`. Default false.
   */
  readonly worker?: boolean | (() => Worker);
}

/** Where an SAE runs, and the names of its tensors where the file does not say. */
export interface LoadSaeOptions extends NodeOptions, SaeNames {}
/** Where a toy model runs, and the names of its tensors where the file does not say. */
export interface LoadToyModelOptions extends NodeOptions, ToyModelNames {}

/** Starts node-worker beside this file: built, or as source where this file runs from source through tsx. */
function startOwnWorker(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./node-worker.js', import.meta.url));
  return startModuleWorker('node-worker', import.meta.url);
}

async function load(source: ModelSource, request: LoadRequest, worker: boolean | (() => Worker)): Promise<Autoencoder> {
  if (!worker) return openModel(await readSource(source), request, loadNodeRuntime);
  // A URL cannot be sent to a worker, its text can.
  const sent = source instanceof URL ? source.href : source;
  const port = nodeWorkerPort(worker === true ? startOwnWorker() : worker());
  return connectAutoencoder(port, typeof sent === 'string' ? sent : 'this model', [sent, request]);
}

/**
 * Loads a sparse autoencoder from an `.onnx` file: a path, an address, its bytes, a Blob or a File. A file that this
 * package wrote needs no names; another one needs them where its shapes leave open which tensor is which.
 * @throws FileFormatError where the file cannot be read, is no sound ONNX model, or holds something else; its message
 *   lists the candidates where names are needed
 * @throws EngineUnavailableError where a named provider does not load
 * @throws MissingPackageError without onnxruntime-node
 */
export async function loadSae(
  source: ModelSource,
  { worker = false, ...options }: LoadSaeOptions = {},
): Promise<LoadedSae> {
  return new LoadedSae(await load(source, saeRequest(options), worker));
}

/**
 * Loads a toy model, single or parallel, from an `.onnx` file: a path, an address, its bytes, a Blob or a File.
 * @throws FileFormatError, EngineUnavailableError or MissingPackageError as `loadSae`
 */
export async function loadToyModel(
  source: ModelSource,
  { worker = false, ...options }: LoadToyModelOptions = {},
): Promise<LoadedToyModel> {
  return new LoadedToyModel(await load(source, toyModelRequest(options), worker));
}

/**
 * Describes any `.onnx` file: its inputs, outputs, operators and metadata. Data outside the file is not read.
 * @throws FileFormatError where the file cannot be read or is no sound ONNX model
 */
export async function inspectModel(source: ModelSource): Promise<ModelDescription> {
  return describeModel(await readSource(source, { external: false }));
}
