/**
 * The ONNX protobuf messages: the only file that imports onnx-proto, so that a build can bundle it with the protobufjs it needs
 * (npm `overrides` do not reach those who install this package). https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import onnxProto, { type onnx as OnnxTypes } from 'onnx-proto';

/** The protobuf messages of ONNX. */
export const onnx = onnxProto.onnx;
export type { onnx as OnnxTypes } from 'onnx-proto';

/** Messages as plain objects. Fields that are not set are `undefined` or `null`, repeated ones may be missing. */
export type ModelMessage = OnnxTypes.IModelProto;
/** A graph, as protobuf has it. */
export type GraphMessage = OnnxTypes.IGraphProto;
/** A node of a graph. */
export type NodeMessage = OnnxTypes.INodeProto;
/** A tensor. */
export type TensorMessage = OnnxTypes.ITensorProto;
/** The name, the type and the shape of a tensor. */
export type ValueInfoMessage = OnnxTypes.IValueInfoProto;
/** An attribute of a node. */
export type AttributeMessage = OnnxTypes.IAttributeProto;

/** An int64 as protobufjs hands it out: a number, or a Long where that package is installed. */
export type Int64 = number | { toNumber(): number } | null | undefined;

/** An int64 field as a number (0 where it is not set); exact up to 2^53. */
export function toInteger(value: Int64): number {
  if (value === null || value === undefined) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}
