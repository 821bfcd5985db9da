/**
 * Writes frozen SAEs as ONNX files of the contract (schema 1) and reads them back. Trained and imported SAEs become
 * `.onnx` only here.
 */
import { compile } from '../compile/compile.ts';
import { FileFormatError } from '../errors.ts';
import { adoptElements, toFloat32 } from '../files/element-type.ts';
import {
  applyFrozenSae,
  checkFrozenSae,
  decoderInputsOf,
  type FrozenSae,
  frozenSaeShapes,
} from '../models/frozen-sae.ts';
import { elementType } from '../onnx/element-type.ts';
import { type ExternalRange, externalRange, isExternal } from '../onnx/external-data.ts';
import type { Graph, GraphValue } from '../onnx/graph.ts';
import { METADATA_KEYS, parseMetadata, SCHEMA, TENSOR_NAMES } from '../onnx/metadata.ts';
import { toInteger } from '../onnx/proto.ts';
import { metadataProperties, readModel } from '../onnx/read.ts';
import { readInitializer, readTensor } from '../onnx/tensor-values.ts';
import { encodeModel } from '../onnx/write.ts';
import type { HostTensor } from '../tensor.ts';
import { checkedSae, type LoadedSae } from './sae-checkpoint.ts';

/** Metadata of an SAE's file. */
export interface SaeMetadata {
  /**
   * Further entries of `monosemantic.config`, such as `training`: JSON values. Those that describe the SAE are written
   * anyway.
   */
  readonly config?: Readonly<Record<string, unknown>>;
  /** SHA-256, in hexadecimal, of the model file on whose activations the SAE was trained. */
  readonly trainedOn?: string;
  /** Further `metadata_props` of the file. */
  readonly properties?: Readonly<Record<string, string>>;
}

const names = TENSOR_NAMES['sparse-autoencoder'];

/**
 * Writes a frozen SAE as an ONNX model, with the weights as initializers under their own names. The same SAE and
 * metadata give the same bytes.
 * @returns the file: input `activations` [batch, d_in]; outputs `reconstruction` [batch, d_out] and `features` [batch,
 *   d_sae]
 * @throws InvalidValueError or InvalidShapeError as `checkFrozenSae`
 */
export function frozenSaeToOnnx(sae: FrozenSae, metadata: SaeMetadata = {}): Uint8Array {
  const { graph, properties } = frozenSaeGraph(sae, metadata);
  return encodeModel(graph, properties);
}

/**
 * A frozen SAE as a graph and the metadata properties of its file.
 * @throws InvalidValueError or InvalidShapeError as `checkFrozenSae`
 */
export function frozenSaeGraph(
  sae: FrozenSae,
  metadata: SaeMetadata = {},
): { readonly graph: Graph; readonly properties: Readonly<Record<string, string>> } {
  const { weights } = checkFrozenSae(sae);
  const graph = compile(
    ({ [names.input]: activations, ...constants }) => applyFrozenSae(sae, constants, activations!),
    {
      inputs: { [names.input]: ['batch', sae.dIn] },
      constants: weights,
      outputs: [names.reconstruction, names.features],
      name: 'sparse-autoencoder',
    },
  );
  const decoderInputs = decoderInputsOf(sae);
  return {
    graph: { ...graph, named: cutPoints(sae) },
    properties: {
      ...metadata.properties,
      [METADATA_KEYS.schema]: SCHEMA,
      [METADATA_KEYS.kind]: 'sparse-autoencoder',
      [METADATA_KEYS.featureDirections]: names.directions,
      [METADATA_KEYS.config]: JSON.stringify({ ...metadata.config, ...configOf(sae) }),
      ...(decoderInputs.length > 0 && { [METADATA_KEYS.decoderInputs]: JSON.stringify(decoderInputs) }),
      ...(metadata.trainedOn !== undefined && { [METADATA_KEYS.trainedOn]: metadata.trainedOn }),
    },
  };
}

/**
 * Reads a frozen SAE from an ONNX file that `frozenSaeToOnnx` wrote. A file whose weights lie beside it is refused
 * here; `loadSaeFromFiles` and `loadSaeFolder` read it.
 * @param options.file the file's name, for messages
 * @throws FileFormatError for any other file, even a sound ONNX model: without the config it is not known what its
 *   graph computes
 */
export function frozenSaeFromOnnx(bytes: Uint8Array, { file }: { readonly file?: string | undefined } = {}): LoadedSae {
  const step = readFrozenSaeOnnx(bytes, { file }).next(bytes);
  if (step.done) return step.value;
  throw new FileFormatError(`its weights lie outside it, in '${step.value.location}': load both files together`, {
    file,
  });
}

/** A reader that asks for the data that lie outside the model and is given their bytes. */
export type OnnxReading<Result> = Generator<ExternalRange, Result, Uint8Array>;

/** Reads a frozen SAE out of an ONNX file whose weights may lie beside it; as `frozenSaeFromOnnx`. */
export function* readFrozenSaeOnnx(
  bytes: Uint8Array,
  { file }: { readonly file?: string | undefined } = {},
): OnnxReading<LoadedSae> {
  const model = readModel(bytes, { file });
  const { kind, config } = parseMetadata(metadataProperties(model), file);
  const { architecture, d_in, d_sae, d_out, k, apply_b_dec_to_input, normalize_activations, transcoder, description } =
    (config ?? {}) as Partial<FrozenSaeConfig>;
  if (
    kind !== 'sparse-autoencoder' ||
    architecture === undefined ||
    !Object.hasOwn(architectures, architecture) ||
    typeof apply_b_dec_to_input !== 'boolean' ||
    typeof normalize_activations !== 'string'
  ) {
    throw new FileFormatError('its metadata do not describe a sparse autoencoder that this package exported', { file });
  }
  const dimensions = { dIn: Number(d_in), dSae: Number(d_sae), dOut: Number(d_out) };
  const options = {
    architecture,
    ...dimensions,
    ...(k !== undefined && { k }),
    applyBDecToInput: apply_b_dec_to_input,
    normalizeActivations: normalize_activations,
    transcoder: transcoder === true,
  };
  const present = new Map(model.proto.graph.initializer?.map(tensor => [tensor.name ?? '', tensor]));
  const weights: Record<string, HostTensor> = {};
  for (const name of [...Object.keys(frozenSaeShapes(options)), ...(present.has('W_skip') ? ['W_skip'] : [])]) {
    const tensor = present.get(name);
    if (!tensor || !isExternal(tensor)) weights[name] = readInitializer(model, name);
    else {
      const rawData = yield externalRange(tensor, file);
      // Float32, as this package writes it, is not copied: it may be as large as memory allows.
      weights[name] =
        elementType(tensor.dataType)?.name === 'float32'
          ? { data: adoptElements(rawData, 'float32') as Float32Array, shape: (tensor.dims ?? []).map(toInteger) }
          : toFloat32(readTensor({ ...tensor, dataLocation: 0, externalData: [], rawData }, file));
    }
  }
  const sae = { ...options, weights, ...(description && { description }) };
  return { sae: checkedSae(sae, file), format: 'onnx', notes: [] };
}

/** The tensors between the input and the outputs where a graph can be cut. */
function cutPoints(sae: FrozenSae): GraphValue[] {
  const sparse: GraphValue[] =
    sae.architecture === 'topk'
      ? [
          { name: names.sparse.indices, type: 'int64', shape: ['batch', sae.k!] },
          { name: names.sparse.values, type: 'float32', shape: ['batch', sae.k!] },
        ]
      : [];
  const beside = decoderInputsOf(sae).map(
    (name): GraphValue => ({ name, type: 'float32', shape: ['batch', name === 'skip' ? sae.dOut : 1] }),
  );
  return [...sparse, ...beside];
}

const architectures = { standard: true, topk: true, jumprelu: true, gated: true };

/** The entries of `monosemantic.config` from which a frozen SAE is read back. */
interface FrozenSaeConfig {
  readonly architecture: FrozenSae['architecture'];
  readonly d_in: number;
  readonly d_sae: number;
  readonly d_out: number;
  readonly k?: number;
  readonly apply_b_dec_to_input: boolean;
  readonly normalize_activations: FrozenSae['normalizeActivations'];
  readonly transcoder: boolean;
  readonly description?: Readonly<Record<string, unknown>>;
}

function configOf(sae: FrozenSae): FrozenSaeConfig {
  return {
    architecture: sae.architecture,
    d_in: sae.dIn,
    d_sae: sae.dSae,
    d_out: sae.dOut,
    ...(sae.k !== undefined && { k: sae.k }),
    apply_b_dec_to_input: sae.applyBDecToInput,
    normalize_activations: sae.normalizeActivations,
    transcoder: sae.transcoder,
    ...(sae.description && { description: sae.description }),
  };
}
