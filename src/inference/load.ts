/**
 * From a source to a loaded model: the steps are the same wherever they run, and what differs between Node and browsers
 * is passed in.
 */
import { parseMetadata } from '../onnx/metadata.ts';
import { metadataProperties, type OnnxModel } from '../onnx/read.ts';
import type { Runtime } from '../sessions/runtime.ts';
import type { Autoencoder } from './autoencoder.ts';
import { openAutoencoder } from './local-autoencoder.ts';
import type { RunOptions } from './model-options.ts';
import { resolveSignature } from './resolve-signature.ts';
import type { GivenNames } from './signature.ts';

/** What to load, as plain data that can also be sent to a worker. */
export interface LoadRequest {
  readonly wanted: 'sparse-autoencoder' | 'toy-model';
  readonly names: GivenNames;
  readonly run: RunOptions;
}

/**
 * Opens a model that was read.
 * @throws FileFormatError, InvalidValueError or EngineUnavailableError as `resolveSignature` and `openAutoencoder`
 */
export async function openModel(
  model: OnnxModel,
  { wanted, names, run }: LoadRequest,
  loadRuntime: () => Promise<Runtime>,
): Promise<Autoencoder> {
  const metadata = parseMetadata(metadataProperties(model), model.file);
  // The file's own faults first: they are told without ONNX Runtime.
  const signature = resolveSignature(model, metadata, wanted, names);
  return openAutoencoder(await loadRuntime(), model, signature, metadata, run);
}
