/** A frozen toy model as the truth that autoencoders on its hidden activations are measured by: its directions, and the features behind the activations. */
import type { ActivationSource } from '../data/activation-source.ts';
import type { GeneratedSource } from '../data/generated-source.ts';
import { sparseFeatures } from '../data/sparse-features.ts';
import { randomStream } from '../data/streams.ts';
import type { ClusteredDataState } from '../data/synthetic-clustered.ts';
import { toyModelActivations } from '../data/toy-model-activations.ts';
import { sha256OfFile } from '../files/file-hash.ts';
import { inspectModel, loadToyModel } from '../inference/node.ts';
import { type HostTensor, rowsAt } from '../tensor.ts';
import { clusteredData, REPRESENTED, rowLengths } from './clustered-toy-model-run.ts';

/** The truth that a toy model gives an autoencoder. */
export interface ToyModelTruth {
  readonly file: string;
  readonly sha256: string;
  /** [n_features, n_hidden]. */
  readonly weight: HostTensor;
  /** The topics that the model was trained on; undefined where its features were independent. */
  readonly clustered: ClusteredDataState | undefined;
  /** For each feature whether it is to be found: of a model of topics those that it represents, of others all. */
  readonly isSought: readonly boolean[];
  /** The directions that are to be found, [n, n_hidden]. */
  readonly directions: HostTensor;
}

/** How the features are drawn where they are independent: each is 0 with this probability. */
export interface FeatureSettings {
  readonly sparsity: number;
}

/**
 * Reads a frozen toy model.
 * @throws FileFormatError where `file` is none
 */
export async function readToyModel(file: string): Promise<ToyModelTruth> {
  await using model = await loadToyModel(file, { provider: 'cpu' });
  const weight = await model.featureDirections();
  const { metadata } = await inspectModel(file);
  const training = metadata.config?.['training'] as { data?: { clustered?: ClusteredDataState } } | undefined;
  const clustered = training?.data?.clustered;
  const isSought = rowLengths(weight).map(length => clustered === undefined || length > REPRESENTED);
  const directions = rowsAt(
    weight,
    isSought.flatMap((is, row) => (is ? [row] : [])),
  );
  return { file, sha256: await sha256OfFile(file), weight, clustered, isSought, directions };
}

/** The features that the model hides: those of its topics where it has some, else independent ones. */
export function featuresOf({ clustered, weight }: ToyModelTruth, { sparsity }: FeatureSettings): GeneratedSource {
  return clustered ? clusteredData(clustered) : sparseFeatures({ nFeatures: weight.shape[0]!, sparsity });
}

/** The model's hidden activations on these features. */
export function activationsOf(truth: ToyModelTruth, settings: FeatureSettings): ActivationSource {
  return toyModelActivations(truth.weight, featuresOf(truth, settings));
}

/** Fresh features [n, n_features], drawn from a stream of their own of the seed. */
export function drawFeatures(
  truth: ToyModelTruth,
  { sparsity, seed, rows, stream }: FeatureSettings & { readonly seed: number; rows: number; stream: number },
): HostTensor {
  const nFeatures = truth.weight.shape[0]!;
  const data = new Float32Array(rows * nFeatures);
  featuresOf(truth, { sparsity }).generator(randomStream(seed, stream), rows).fill(data);
  return { data, shape: [rows, nFeatures] };
}

/** Of features [n, n_features] the columns that are to be found. */
export function soughtFeatures({ isSought }: ToyModelTruth, { data, shape }: HostTensor): HostTensor {
  const sought = isSought.filter(Boolean).length;
  if (sought === isSought.length) return { data, shape };
  return { data: data.filter((_, i) => isSought[i % shape[1]!]!), shape: [shape[0]!, sought] };
}

/** How many of the features that are to be found are active (> 0) in a row of features, on average: what k stands for. */
export function trueL0(truth: ToyModelTruth, features: HostTensor): number {
  const { data, shape } = soughtFeatures(truth, features);
  return data.reduce((active, value) => active + Number(value > 0), 0) / shape[0]!;
}
