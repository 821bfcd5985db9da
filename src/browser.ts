/**
 * `monosemantic` in a browser: models, data, training and freezing. Node has all of this too; index.ts adds what needs
 * files, and the engines of Node. Needs the optional package @tensorflow/tfjs.
 */

export { type ActivationData, activationSource, type GivenPairs } from './data/activation-data.ts';
export type { ActivationItem, ActivationIterable, RowPair, Rows } from './data/activation-iterable.ts';
export type { ActivationSource, HeldOutRows, OpenOptions, OpenSource } from './data/activation-source.ts';
export type { BatchRecipe, BatchSource } from './data/batch-source.ts';
export { type ClusteredFeatureOptions, type ClusteredFeatures, clusteredFeatures } from './data/clustered-features.ts';
export {
  type DictionaryFeatureOptions,
  type DictionaryFeatures,
  dictionaryFeatures,
} from './data/dictionary-features.ts';
export type { Correlation } from './data/feature-correlation.ts';
export type { FeatureTrees } from './data/feature-trees.ts';
export {
  type Firing,
  type FiringFeatureOptions,
  type FiringFeatures,
  firingFeatures,
} from './data/firing-features.ts';
export { type GeneratedSource, type GeneratedSourceParts, generatedSource } from './data/generated-source.ts';
export type { Magnitudes } from './data/magnitudes.ts';
export type { Orthogonalisation } from './data/random-dictionary.ts';
export { createRandomSource, type RandomSource, type RandomState, restoreRandomSource } from './data/random-source.ts';
export type { PresentEntries, SampleGenerator, SampleRecipe } from './data/sample-generator.ts';
export {
  createSparsityRange,
  createUniformSparsity,
  importanceDecayByMin,
  importanceDecayByRatio,
} from './data/schedules.ts';
export { type SparseFeatureOptions, sparseFeatures } from './data/sparse-features.ts';
export { randomStream, type StreamName } from './data/streams.ts';
export { type SynthSaeBenchOptions, synthSaeBench } from './data/synth-sae-bench.ts';
export {
  type ClusteredDataOptions,
  type ClusteredDataState,
  SyntheticClusteredDataGenerator,
} from './data/synthetic-clustered.ts';
export { SyntheticSparseDataGenerator } from './data/synthetic-sparse.ts';
export { type HasFeatureDirections, toyModelActivations } from './data/toy-model-activations.ts';
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
export { freezeSae, freezeToyModel, type SaeFreezeOptions, type TrainingRecord } from './export/freeze.ts';
export { frozenSaeFromOnnx, frozenSaeToOnnx, type SaeMetadata } from './export/frozen-sae-onnx.ts';
export { loadSaeFromFiles, type NamedBytes } from './export/load-sae-checkpoint.ts';
export type { LoadedSae as SaeCheckpoint, SaeFormat } from './export/sae-checkpoint.ts';
export { type SaelensReadOptions, writeSaelens } from './export/saelens.ts';
export type {
  Forward,
  ForwardInputs,
  LinearStart,
  SaeArchitecture,
  SaeShape,
  ScalarSetting,
} from './models/architectures/architecture.ts';
export type { AuxKOptions } from './models/architectures/aux-k.ts';
export { ACTIVATION_KINDS, type ActivationConfig, type ActivationKind } from './models/architectures/registry.ts';
export { DECODER_FORMS, type DecoderForm } from './models/decoder.ts';
export type { FrozenSae, FrozenSaeOptions } from './models/frozen-sae.ts';
export { type GeometricMedianOptions, geometricMedian } from './models/geometric-median.ts';
export {
  INITIALISATIONS,
  type InitialDirectionsOptions,
  type Initialisation,
  initialDirections,
} from './models/initialisation.ts';
export type { Applied, Mode, ModelDefinition, ModelState, Scalar, Tensors, Trainable } from './models/model.ts';
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
export { trainSae, trainSaes, trainToyModel, trainToyModels } from './training/browser.ts';
export type { ModelSnapshot, TrainingHistory } from './training/history.ts';
export type { LearningRateSchedule } from './training/learning-rate.ts';
export { toyModelTrainable, weightedMse } from './training/losses.ts';
export { type AdamOptions, adam, type Optimizer } from './training/optimizers.ts';
export type { ResampleOptions } from './training/resample.ts';
export type { RunReport, TrainingOptions } from './training/run-settings.ts';
export type { ManySaeSettings, SaeSettings, SaeStartSettings } from './training/sae-settings.ts';
export type { Ramp, Schedules } from './training/schedules.ts';
export { snapshotSteps } from './training/snapshot-steps.ts';
export { type Progress, type RunOptions, type Trained, type TrainOptions, train } from './training/train.ts';
export type { SaeTrainingResult } from './training/train-sae.ts';
export {
  type ManyToyModelSettings,
  type ToyModelRestart,
  type ToyModelSettings,
  type ToyModelTrainingResult,
  TrainedToyModel,
} from './training/train-toy-model.ts';
export { TrainedSparseAutoencoder } from './training/trained-sae.ts';
export { modelState, type TrainingStepOptions, trainingStep } from './training/training-step.ts';
