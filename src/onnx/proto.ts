/** The one place that touches onnx-proto (ONNX's protobuf classes), so that a build can bundle it. */
import onnxProto from 'onnx-proto';

export const onnx = onnxProto.onnx;
export type { onnx as OnnxTypes } from 'onnx-proto';
