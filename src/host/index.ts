/** `monosemantic/host`: any ONNX model as a host of sparse autoencoders. Needs onnxruntime-node, and nothing of TensorFlow.js. */
export type { TensorDescription } from '../onnx/inspect.ts';
export {
  type ActivationBatch,
  activationBatches,
  collectActivations,
  type HostActivations,
  type RowOptions,
} from './activation-rows.ts';
export { type ActivationsRecord, type WriteActivationsOptions, writeActivations } from './activation-writer.ts';
export type { SpliceCheck } from './check-splice.ts';
export type { Evaluation, Scores } from './evaluate.ts';
export type { HostInput, HostInputs } from './feeds.ts';
export type { ActivationOptions, HostModel, HostOptions, HostTensorDescription, RunOptions } from './host-model.ts';
export {
  type ArrayDataOptions,
  type ArrayInputs,
  arrayData,
  type HostData,
  type InputBatch,
  type StoredInput,
} from './input-batches.ts';
export { type ModelActivationsOptions, modelActivations } from './model-activations.ts';
export { openHost } from './node.ts';
export {
  type EvaluateRequest,
  evaluate,
  type HostSource,
  type SpliceRequest,
  type SpliceResult,
  splice,
} from './splice.ts';
export { type OpenInput, openInput } from './stored-inputs.ts';
export { type TextData, type TextOptions, textData } from './text-data.ts';
