/** What the page asks of the training worker: training itself, and the conversions that need TensorFlow.js. */
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

export type ActivationName = 'topk' | 'batchtopk' | 'relu';

/** An autoencoder on the activations of a toy model. */
export interface SaeSettings {
  readonly kind: 'sparse-autoencoder';
  /** [n_features, n_hidden] of the toy model whose activations it learns. */
  readonly weight: readonly (readonly number[])[];
  /** The file's hash. */
  readonly trainedOn: string;
  readonly sparsity: number;
  readonly dSae: number;
  readonly activation: ActivationName;
  /** Latents a sample, of TopK and BatchTopK. */
  readonly k: number;
  /** Weight of the L1 penalty, of ReLU. */
  readonly l1: number;
  readonly initialisation: InitialisationName;
  readonly steps: number;
  readonly seed: number;
}

export type TrainingSettings = ToySettings | SaeSettings;

export interface TrainingProgress {
  /** Completed steps. */
  readonly step: number;
  readonly steps: number;
  /** Every loss so far is not sent: these are the snapshots. */
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
  /** Trains until the steps are done or `stop` is called; resolves with the model as it stands then. */
  train(settings: TrainingSettings, progress: (progress: TrainingProgress) => void): Promise<TrainedModel>;
  pause(): void;
  resume(): void;
  stop(): void;
  /** The files of a SAELens (or sparsify, or Gemma Scope) autoencoder as one .onnx file, and what a person should know of it. */
  convert(files: Readonly<Record<string, Blob>>): Promise<{ onnx: Blob; notes: readonly string[] }>;
}
