/**
 * `monosemantic/compile`: TensorFlow.js functions as ONNX graphs, and graphs as bytes. Needs the optional package @tensorflow/tfjs.
 */
export * from '../errors.ts';
export type {
  Attribute,
  DataType,
  Dimension,
  Graph,
  GraphNode,
  GraphValue,
  Initializer,
} from '../onnx/graph.ts';
export { encodeModel } from '../onnx/write.ts';
export { type CompileOptions, compile, type InputSpec, type TensorFunction } from './compile.ts';
export { type RepeatOptions, repeatStep } from './repeat-step.ts';
export { defineRule, recordableKernels } from './rule.ts';
