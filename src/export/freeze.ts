/**
 * Writes trained models as ONNX files of the contract (schema 1): `apply` in mode `frozen`, recorded with its weights
 * as initializers.
 */
import type * as tf from '@tensorflow/tfjs';
import { compile } from '../compile/compile.ts';
import type { ParallelToyModel } from '../models/parallel-toy-model.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import type { ToyModel } from '../models/toy-model.ts';
import { METADATA_KEYS, SCHEMA, TENSOR_NAMES } from '../onnx/metadata.ts';
import { encodeModel } from '../onnx/write.ts';
import { frozenSaeToOnnx, type SaeMetadata } from './frozen-sae-onnx.ts';

/** How a model was trained, as JSON for the file's entry `monosemantic.config`. */
export type TrainingRecord = Readonly<Record<string, unknown>>;

/**
 * Freezes a toy model, or several side by side, to an ONNX file. The same model gives the same bytes.
 * @returns the file: input `features` [batch, (n_instances,) n_features]; outputs `reconstruction` of that shape and
 *   `hidden` [batch, (n_instances,) n_hidden]; initializers `weight` and `bias`
 */
export function freezeToyModel(model: ToyModel | ParallelToyModel, training?: TrainingRecord): Uint8Array {
  const { input, reconstruction, hidden, directions } = TENSOR_NAMES[model.kind];
  const graph = compile(
    ({ [input]: features, ...parameters }) =>
      model.apply({ parameters: parameters as Record<string, tf.Tensor>, buffers: {} }, features!, 'frozen').outputs,
    {
      name: model.kind,
      inputs: { [input]: ['batch', ...model.sampleShape] },
      constants: model.state.parameters,
      outputs: [reconstruction, hidden],
    },
  );
  const { nFeatures, nHidden } = model.config;
  const config = {
    architecture: model.kind,
    ...('nInstances' in model.config && { n_instances: model.config.nInstances }),
    n_features: nFeatures,
    n_hidden: nHidden,
    ...(training && { training }),
  };
  return encodeModel(graph, {
    [METADATA_KEYS.schema]: SCHEMA,
    [METADATA_KEYS.kind]: model.kind,
    [METADATA_KEYS.featureDirections]: directions,
    [METADATA_KEYS.config]: JSON.stringify(config),
  });
}

/** Entries of a frozen autoencoder's file about its training. */
export interface SaeFreezeOptions {
  readonly training?: TrainingRecord;
  /** The name of the initialisation. */
  readonly init?: string;
  /** SHA-256, in hexadecimal, of the model file on whose activations the autoencoder was trained. */
  readonly trainedOn?: string;
}

/**
 * Freezes a sparse autoencoder to an ONNX file. The decoder's norm is folded into `W_dec`, BatchTopK's running
 * threshold into `threshold`.
 * @returns the file: input `activations` [batch, d_in]; outputs `reconstruction` [batch, d_out] and `features` [batch,
 *   d_sae]
 */
export function freezeSae(sae: SparseAutoencoder, options: SaeFreezeOptions = {}): Uint8Array {
  return frozenSaeToOnnx(sae.freeze(), saeMetadata(sae, options));
}

/** The metadata of a trained autoencoder's file. */
export function saeMetadata(sae: SparseAutoencoder, { training, init, trainedOn }: SaeFreezeOptions): SaeMetadata {
  const { activation, decoder } = sae.config;
  return {
    config: { activation, decoder, ...(init && { init }), ...(training && { training }) },
    ...(trainedOn && { trainedOn }),
  };
}
