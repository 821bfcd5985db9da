/** Graph → ONNX bytes: IR version 8, opset 17, default domain only (see "The ONNX contract" in ARCHITECTURE.md). */
import { InvalidValueError, invariant } from '../errors.ts';
import type { Attribute, DataType, Graph, GraphValue, Initializer } from './graph.ts';
import { type OnnxTypes, onnx } from './proto.ts';

/** The version of ONNX's file format that is written. */
export const IR_VERSION = 8;
/** The version of ONNX's operators that is written. */
export const OPSET = 17;

const DATA_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
} satisfies Record<DataType, number>;

/** Bytes of an element. */
export const ELEMENT_BYTES: Readonly<Record<DataType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
};

/** TensorProto.DataLocation. */
const EXTERNAL = 1;

/** Where an initializer's bytes lie outside the model: `length` bytes at `offset` of a file beside it. */
export interface OutsideRange {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Initializers by name whose bytes are written elsewhere. */
export type OutsideData = ReadonlyMap<string, OutsideRange>;

/** AttributeProto.AttributeType. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, graph: 5, ints: 7 } as const;

/**
 * Encodes a graph as an ONNX model file. `metadata` becomes `metadata_props`; the initializers of `outside` are written
 * elsewhere.
 * @throws InvalidValueError where ONNX's own schema rejects the result
 */
export function encodeModel(
  graph: Graph,
  metadata: Readonly<Record<string, string>> = {},
  outside: OutsideData = new Map(),
): Uint8Array {
  const model: OnnxTypes.IModelProto = {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: OPSET }],
    producerName: 'monosemantic',
    graph: graphProto(graph, outside),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  };
  const problem = onnx.ModelProto.verify(model);
  if (problem) throw new InvalidValueError(`graph "${graph.name}" is no valid ONNX model: ${problem}`);
  return onnx.ModelProto.encode(model as OnnxTypes.ModelProto).finish();
}

function graphProto(graph: Graph, outside: OutsideData): OnnxTypes.IGraphProto {
  return {
    name: graph.name,
    node: graph.nodes.map((node, index) => ({
      opType: node.op,
      name: `${node.op}_${index}`,
      input: [...node.inputs],
      output: [...node.outputs],
      attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
    })),
    initializer: graph.initializers.map(tensor => tensorProto(tensor, outside.get(tensor.name))),
    input: graph.inputs.map(valueProto),
    output: graph.outputs.map(valueProto),
    valueInfo: graph.named?.map(valueProto) ?? [],
  };
}

function attributeProto(name: string, value: Attribute): OnnxTypes.IAttributeProto {
  if (typeof value === 'number') {
    invariant(Number.isInteger(value), `attribute ${name} = ${value} must be an integer or {float}`);
    return { name, type: ATTRIBUTE_TYPES.int, i: value };
  }
  if (typeof value === 'string') return { name, type: ATTRIBUTE_TYPES.string, s: new TextEncoder().encode(value) };
  if ('graph' in value) return { name, type: ATTRIBUTE_TYPES.graph, g: graphProto(value.graph, new Map()) };
  if ('float' in value) return { name, type: ATTRIBUTE_TYPES.float, f: value.float };
  return { name, type: ATTRIBUTE_TYPES.ints, ints: [...value] };
}

function valueProto(value: GraphValue): OnnxTypes.IValueInfoProto {
  return {
    name: value.name,
    type: {
      tensorType: {
        elemType: DATA_TYPES[value.type],
        shape: {
          dim: value.shape.map(dimension =>
            typeof dimension === 'string' ? { dimParam: dimension } : { dimValue: dimension },
          ),
        },
      },
    },
  };
}

function tensorProto(tensor: Initializer, outside: OutsideRange | undefined): OnnxTypes.ITensorProto {
  const described = { name: tensor.name, dims: [...tensor.shape], dataType: DATA_TYPES[tensor.type] };
  if (!outside) return { ...described, rawData: initializerBytes(tensor) };
  const entries = { location: outside.location, offset: String(outside.offset), length: String(outside.length) };
  return {
    ...described,
    dataLocation: EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  };
}

/** An initializer's bytes: little-endian, as ONNX wants; every platform that Node and browsers run on is. */
export function initializerBytes({ type, data }: Initializer): Uint8Array {
  switch (type) {
    case 'float32': {
      const values = data instanceof Float32Array ? data : Float32Array.from(data);
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    }
    case 'int64':
      return new Uint8Array(BigInt64Array.from(Array.from(data), BigInt).buffer);
    case 'int32':
      return new Uint8Array(Int32Array.from(data).buffer);
    case 'int8':
      return new Uint8Array(Int8Array.from(data).buffer);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(data);
  }
}
