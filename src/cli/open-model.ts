/** A model file, opened for a command: an SAE or a toy model, both with the one interface of `Autoencoder`. */
import type { Autoencoder } from '../inference/autoencoder.ts';
import { openModel } from '../inference/load.ts';
import { readSource } from '../inference/node-source.ts';
import { saeRequest, toyModelRequest } from '../inference/requests.ts';
import { parseMetadata } from '../onnx/metadata.ts';
import { metadataProperties } from '../onnx/read.ts';
import { loadNodeRuntime } from '../sessions/node.ts';
import type { ModelOptions } from './options.ts';

/**
 * Opens `file` as what its metadata or `options.kind` say, an SAE where neither says anything. Its errors are those of
 * `loadSae`.
 */
export async function openModelFile(file: string, options: ModelOptions): Promise<Autoencoder> {
  const model = await readSource(file);
  const { kind = options.kind } = parseMetadata(metadataProperties(model), file);
  const { provider, threads, batchSize, graphInput: input, features, reconstruction, featureDirections } = options;
  const given = {
    ...(provider !== undefined && { provider }),
    ...(threads !== undefined && { threads }),
    ...(batchSize !== undefined && { batchSize }),
    ...(input !== undefined && { input }),
    ...(reconstruction !== undefined && { reconstruction }),
    ...(featureDirections !== undefined && { featureDirections }),
  };
  const request =
    kind === undefined || kind === 'sparse-autoencoder'
      ? saeRequest({
          ...given,
          ...(options.kind === 'sparse-autoencoder' && { kind: options.kind }),
          ...(features && { features }),
        })
      : toyModelRequest({ ...given, kind, ...(features && { hidden: features }) });
  return openModel(model, request, loadNodeRuntime);
}
