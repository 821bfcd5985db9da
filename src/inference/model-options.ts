/** What a caller may say about a model file, and how it is to be run; the same in Node and in a browser. */
import type { ModelKind } from '../onnx/metadata.ts';
import type { Provider } from '../sessions/runtime.ts';

/** How to run a model. */
export interface RunOptions {
  /** The execution provider to run on; `auto` takes the best one that loads. Default `auto`. */
  readonly provider?: Provider | 'auto';
  /** Threads of the providers cpu and wasm, at least 1. Default: ONNX Runtime's own choice. */
  readonly threads?: number;
  /**
   * Samples that are run at once; more are cut into batches. Default: as many as fit into 64 MiB with their results, at
   * most 4,096.
   */
  readonly batchSize?: number;
}

/**
 * Names for files that this package did not write; its own need none. Each default is inferred where that is certain.
 */
export interface SaeNames {
  /** Says that the file is an SAE: a toy model and an SAE with fewer features than inputs have the same shapes. */
  readonly kind?: Extract<ModelKind, 'sparse-autoencoder'>;
  /** The graph's input, [batch, d_in]. */
  readonly input?: string;
  /** The tensor of features, [batch, d_sae]: an output, or any tensor inside the graph. */
  readonly features?: string;
  /** The reconstructed activations, [batch, d_out]: an output, or any tensor inside the graph. */
  readonly reconstruction?: string;
  /** The initializer with the decoder's directions, [d_sae, d_out] or its transpose. */
  readonly featureDirections?: string;
}

/**
 * Names of a toy model's tensors, for files that this package did not write. Each default is inferred where that is
 * certain.
 */
export interface ToyModelNames {
  /** Says that the file is a toy model. */
  readonly kind?: Exclude<ModelKind, 'sparse-autoencoder'>;
  /** The graph's input, [batch, n_features]. */
  readonly input?: string;
  /** The hidden activations, [batch, n_hidden]. */
  readonly hidden?: string;
  readonly reconstruction?: string;
  /** The initializer whose rows are the features' directions, [n_features, n_hidden] or its transpose. */
  readonly featureDirections?: string;
}

/** Largest number of values, inputs and results together, that a batch of the default size holds: 64 MiB. */
const DEFAULT_BATCH_VALUES = 2 ** 24;
const LARGEST_DEFAULT_BATCH = 4096;

/**
 * The batch size where the caller asks for none.
 * @param valuesPerSample values of one sample's inputs and results together
 */
export function defaultBatchSize(valuesPerSample: number): number {
  return Math.max(1, Math.min(LARGEST_DEFAULT_BATCH, Math.floor(DEFAULT_BATCH_VALUES / valuesPerSample)));
}
