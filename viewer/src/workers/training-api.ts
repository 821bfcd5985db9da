/** What the page asks of the training worker: training itself, and the conversions that need TensorFlow.js. */
import type { FlagValues } from '../../../src/models/architectures/architecture.ts';
import type { History } from '../data/model.ts';

export type InitialisationName = 'gaussian' | 'activations' | 'spread' | 'blend';

/** A toy model, trained as parallel restarts of which the lowest loss is kept. */
export interface ToySettings {
  readonly kind: 'toy-model';
  readonly nFeatures: number;
  readonly nHidden: number;
  /** Probability that a feature is zero. */
  readonly sparsity: number;
  /** Importance of feature i is this to the power i. */
  readonly importance: number;
  readonly restarts: number;
  readonly steps: number;
  readonly seed: number;
}

/** Autoencoders on the activations of a toy model: one for each seed, trained side by side. */
export interface SaeSettings {
  readonly kind: 'sparse-autoencoder';
  /** [n_features, n_hidden] of the toy model whose activations it learns. */
  readonly weight: readonly (readonly number[])[];
  /** The file's hash. */
  readonly trainedOn: string;
  readonly sparsity: number;
  readonly dSae: number;
  /** The architecture's name in the library's registry. */
  readonly architecture: string;
  /** Its own settings, as the command line's flags name them. */
  readonly flags: FlagValues;
  readonly initialisation: InitialisationName;
  readonly steps: number;
  readonly seeds: readonly number[];
}

export type TrainingSettings = ToySettings | SaeSettings;

export interface TrainingProgress {
  /** Which of the models that are trained side by side. */
  readonly index: number;
  /** Completed steps. */
  readonly step: number;
  readonly steps: number;
  /** Every loss so far is not sent: these are the snapshots, with the losses as they were then. */
  readonly history: History;
  readonly stepsPerSecond: number;
  /** What runs it. */
  readonly engine: string;
}

export interface TrainedModel {
  readonly onnx: Uint8Array<ArrayBuffer>;
  readonly history: History;
  /** Of a toy model: the losses of all restarts. */
  readonly losses: readonly number[];
}

export interface TrainingApi {
  start(wasm: ArrayBuffer | string): Promise<void>;
  /** Trains until the steps are done or `stop` is called; resolves with the models as they stand then, one for each seed. */
  train(settings: TrainingSettings, progress: (progress: TrainingProgress) => void): Promise<readonly TrainedModel[]>;
  pause(): void;
  resume(): void;
  stop(): void;
  /** The files of a SAELens (or sparsify, or Gemma Scope) autoencoder as one .onnx file, and what a person should know of it. */
  convert(files: Readonly<Record<string, Blob>>): Promise<{ onnx: Blob; notes: readonly string[] }>;
}
