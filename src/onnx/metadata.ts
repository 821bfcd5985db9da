/**
 * The ONNX contract, schema 1: the names of the tensors in this package's files, and the `monosemantic.*` entries of
 * their metadata. It is public and stays: readers in any language rely on this table.
 */
import { FileFormatError } from '../errors.ts';
import { parseJson } from '../files/json-text.ts';

/** The kind of model that a file holds. */
export type ModelKind = 'toy-model' | 'parallel-toy-model' | 'sparse-autoencoder';

/** Keys of the model's `metadata_props`. */
export const METADATA_KEYS = {
  /** Version of this contract: `1`. */
  schema: 'monosemantic.schema',
  /** A ModelKind. */
  kind: 'monosemantic.kind',
  /** Name of the initializer whose rows are the feature directions. */
  featureDirections: 'monosemantic.feature_directions',
  /** JSON: architecture, dimensions and how it was trained. */
  config: 'monosemantic.config',
  /** SHA-256 of the model file whose activations it was trained on. */
  trainedOn: 'monosemantic.trained_on',
  /** JSON list of the tensors that the decoder needs beside `features`, such as layer-norm's statistics; absent where it needs none. */
  decoderInputs: 'monosemantic.decoder_inputs',
} as const;

/** The version of the contract that is written and read. */
export const SCHEMA = '1';

/** Names of the tensors by kind. The two of `sparse` exist in TopK graphs only. */
export const TENSOR_NAMES = {
  'toy-model': { input: 'features', reconstruction: 'reconstruction', hidden: 'hidden', directions: 'weight' },
  'parallel-toy-model': { input: 'features', reconstruction: 'reconstruction', hidden: 'hidden', directions: 'weight' },
  'sparse-autoencoder': {
    input: 'activations',
    reconstruction: 'reconstruction',
    features: 'features',
    directions: 'W_dec',
    sparse: { indices: 'feature_indices', values: 'feature_values' },
  },
} as const;

/**
 * The entries of a file's metadata that this package writes, parsed; `properties` holds every entry as it stands in the
 * file.
 */
export interface ModelMetadata {
  readonly kind?: ModelKind;
  readonly featureDirections?: string;
  /** The parsed JSON object. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly trainedOn?: string;
  readonly decoderInputs: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
}

const isKind = (value: string): value is ModelKind => Object.hasOwn(TENSOR_NAMES, value);

/**
 * Reads this package's entries out of a model's metadata properties. For a file without them the result holds
 * `properties` and no decoder inputs.
 * @param file the file's name, for messages
 * @throws FileFormatError where an entry of ours is of a schema or kind that this version does not know, or cannot be
 *   parsed
 */
export function parseMetadata(properties: Readonly<Record<string, string>>, file?: string): ModelMetadata {
  const of = (key: string) => (Object.hasOwn(properties, key) ? properties[key] : undefined);
  const schema = of(METADATA_KEYS.schema);
  if (schema !== undefined && schema !== SCHEMA) {
    throw new FileFormatError(`${METADATA_KEYS.schema} is '${schema}'; this version reads schema ${SCHEMA}`, { file });
  }

  const kind = of(METADATA_KEYS.kind);
  if (kind !== undefined && !isKind(kind)) {
    const known = Object.keys(TENSOR_NAMES).join(', ');
    throw new FileFormatError(`${METADATA_KEYS.kind} is '${kind}'; expected one of ${known}`, { file });
  }

  const configText = of(METADATA_KEYS.config);
  const config =
    configText === undefined ? undefined : parseJson(configText, `metadata ${METADATA_KEYS.config}`, { file });
  if (config !== undefined && (typeof config !== 'object' || config === null || Array.isArray(config))) {
    throw new FileFormatError(`metadata ${METADATA_KEYS.config} is not a JSON object`, { file });
  }

  const inputsText = of(METADATA_KEYS.decoderInputs);
  const decoderInputs =
    inputsText === undefined ? [] : parseJson(inputsText, `metadata ${METADATA_KEYS.decoderInputs}`, { file });
  if (!Array.isArray(decoderInputs) || !decoderInputs.every(name => typeof name === 'string')) {
    throw new FileFormatError(`metadata ${METADATA_KEYS.decoderInputs} is not a JSON list of names`, { file });
  }

  const featureDirections = of(METADATA_KEYS.featureDirections);
  const trainedOn = of(METADATA_KEYS.trainedOn);
  return {
    ...(kind !== undefined && { kind }),
    ...(featureDirections !== undefined && { featureDirections }),
    ...(config !== undefined && { config: config as Record<string, unknown> }),
    ...(trainedOn !== undefined && { trainedOn }),
    decoderInputs,
    properties,
  };
}
