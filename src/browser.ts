/**
 * `monosemantic` in a browser: models, data, training, freezing. The same in Node, which adds what needs files and its own engines
 * (index.ts). Needs the optional package @tensorflow/tfjs.
 */

export { type BatchRecipe, type BatchSource, generatedBatches, sideBySide } from './data/batch-source.ts';
export { hiddenActivations } from './data/hidden-activations.ts';
export { createRandomSource, type RandomSource, type RandomState, restoreRandomSource } from './data/random-source.ts';
export type { PresentEntries, SampleGenerator, SampleRecipe } from './data/sample-generator.ts';
export {
  createSparsityRange,
  createUniformSparsity,
  importanceDecayByMin,
  importanceDecayByRatio,
} from './data/schedules.ts';
export { randomStream } from './data/streams.ts';
export {
  type ClusteredDataOptions,
  type ClusteredDataState,
  SyntheticClusteredDataGenerator,
} from './data/synthetic-clustered.ts';
export { SyntheticSparseDataGenerator } from './data/synthetic-sparse.ts';
export { prepareCpuBackend, prepareWasmBackend } from './engines/backends.ts';
export { createEagerEngine } from './engines/eager.ts';
export type {
  Engine,
  EngineDescription,
  EngineName,
  StepDescriptor,
  StepProgram,
  StepRunner,
} from './engines/engine.ts';
export { createOnnxRuntimeEngine, type OnnxRuntimeEngineOptions } from './engines/onnxruntime.ts';
export * from './errors.ts';
export { freezeSae, freezeToyModel, type SaeFreezeOptions, type TrainingRecord, toFrozenSae } from './export/freeze.ts';
export { frozenSaeFromOnnx, frozenSaeToOnnx, type SaeMetadata } from './export/frozen-sae-onnx.ts';
export { loadSaeFromFiles, type NamedBytes } from './export/load-sae-checkpoint.ts';
export type { LoadedSae as SaeCheckpoint, SaeFormat } from './export/sae-checkpoint.ts';
export { type SaelensReadOptions, writeSaelens } from './export/saelens.ts';
export type { SaeActivation } from './models/activations/activation.ts';
export { ACTIVATION_KINDS, type ActivationConfig, type ActivationKind } from './models/activations/registry.ts';
export { DECODER_FORMS, type DecoderForm } from './models/decoder.ts';
export type { FrozenSae, FrozenSaeOptions } from './models/frozen-sae.ts';
export { type GeometricMedianOptions, geometricMedian } from './models/geometric-median.ts';
export {
  INITIALISATIONS,
  type InitialDirectionsOptions,
  type Initialisation,
  initialDirections,
} from './models/initialisation.ts';
export type { Applied, Mode, ModelDefinition, ModelState, Tensors } from './models/model.ts';
export { ParallelToyModel, type ParallelToyModelConfig } from './models/parallel-toy-model.ts';
export {
  SparseAutoencoder,
  type SparseAutoencoderConfig,
  type SparseAutoencoderStart,
} from './models/sparse-autoencoder.ts';
export { ToyModel, type ToyModelConfig } from './models/toy-model.ts';
export { loadWebRuntime, type WebRuntimeOptions } from './sessions/browser.ts';
export type { Provider, Runtime } from './sessions/runtime.ts';
export {
  fromNested,
  type HostTensor,
  type HostTensors,
  hostTensor,
  type NestedArray,
  type Shape,
  toNested,
} from './tensor.ts';
export {
  type Losses,
  type Objective,
  saeObjective,
  toyModelObjective,
  weightedMse,
} from './training/losses.ts';
export { type AdamOptions, adam, type Optimizer } from './training/optimizers.ts';
export { snapshotSteps } from './training/snapshot-steps.ts';
export { type Progress, type RunOptions, type Trained, type TrainOptions, train } from './training/train.ts';
export {
  type ActivationData,
  type SaeRunOptions,
  type SaeTraining,
  type TrainedSae,
  trainSae,
  trainSaes,
} from './training/train-sae.ts';
export {
  type ToyModelTraining,
  type TrainedToyModels,
  trainToyModels,
} from './training/train-toy-models.ts';
export { modelState, type TrainingStepOptions, trainingStep } from './training/training-step.ts';
