/** Describes an ONNX file as plain data. */
import { sizeOf } from '../tensor.ts';
import { elementType } from './element-type.ts';
import type { Dimension } from './graph.ts';
import { type ModelMetadata, parseMetadata } from './metadata.ts';
import { toInteger, type ValueInfoMessage } from './proto.ts';
import { metadataProperties, type OnnxModel } from './read.ts';

/** An input, output or initializer. */
export interface TensorDescription {
  readonly name: string;
  /** ONNX's name of the element type, such as `float32`; `unknown` where the file does not state it. */
  readonly type: string;
  /** For each dimension a number, its name, or `?` where it is open; `undefined` where the file states no shape. */
  readonly shape: readonly Dimension[] | undefined;
}

/** The contents of an .onnx file: inputs, outputs, weights, operators, metadata. */
export interface ModelDescription {
  readonly file: string | undefined;
  readonly irVersion: number;
  /** Operator set versions by domain; the default domain is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  readonly initializers: readonly TensorDescription[];
  /** The number of elements of all initializers together. */
  readonly parameterCount: number;
  /** The number of nodes of the main graph. */
  readonly nodeCount: number;
  /** How many nodes of each operator there are. */
  readonly operators: Readonly<Record<string, number>>;
  readonly metadata: ModelMetadata;
}

/** An input's or output's type and shape as the file states them. */
export function describeValue(value: ValueInfoMessage): TensorDescription {
  const tensor = value.type?.tensorType;
  const shape = tensor?.shape?.dim?.map((dimension): Dimension => {
    if (dimension.dimParam) return dimension.dimParam;
    const size = toInteger(dimension.dimValue);
    // A dimension that is not set reads as 0, and some exporters write an open one as -1.
    return size > 0 ? size : '?';
  });
  return {
    name: value.name ?? '',
    type: elementType(tensor?.elemType)?.name ?? 'unknown',
    shape: tensor?.shape ? shape : undefined,
  };
}

/** Inputs that a caller must feed: without those that IR 3 lists because an initializer stands behind them. */
export function describeInputs({ proto: { graph } }: OnnxModel): TensorDescription[] {
  const initialized = new Set((graph.initializer ?? []).map(tensor => tensor.name));
  return (graph.input ?? []).filter(value => !initialized.has(value.name)).map(describeValue);
}

/** The graph's outputs. */
export function describeOutputs({ proto: { graph } }: OnnxModel): TensorDescription[] {
  return (graph.output ?? []).map(describeValue);
}

/** The graph's initializers. */
export function describeInitializers({
  proto: { graph },
}: OnnxModel): (TensorDescription & { shape: readonly number[] })[] {
  return (graph.initializer ?? []).map(tensor => ({
    name: tensor.name ?? '',
    type: elementType(tensor.dataType)?.name ?? 'unknown',
    shape: (tensor.dims ?? []).map(toInteger),
  }));
}

/**
 * Describes a model that was read.
 * @throws FileFormatError where our own metadata is damaged
 */
export function describeModel(model: OnnxModel): ModelDescription {
  const { proto, file } = model;
  const initializers = describeInitializers(model);
  const nodes = proto.graph.node ?? [];
  const operators = new Map<string, number>();
  for (const { opType } of nodes) operators.set(opType ?? '', (operators.get(opType ?? '') ?? 0) + 1);
  return {
    file,
    irVersion: toInteger(proto.irVersion),
    opsets: Object.fromEntries(
      (proto.opsetImport ?? []).map(({ domain, version }) => [domain || 'ai.onnx', toInteger(version)]),
    ),
    producer: [proto.producerName, proto.producerVersion].filter(Boolean).join(' '),
    inputs: describeInputs(model),
    outputs: describeOutputs(model),
    initializers,
    parameterCount: initializers.reduce((total, { shape }) => total + sizeOf(shape), 0),
    nodeCount: nodes.length,
    operators: Object.fromEntries(operators),
    metadata: parseMetadata(metadataProperties(model), file),
  };
}
