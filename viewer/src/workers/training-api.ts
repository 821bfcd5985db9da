/** The interface of the training worker, which trains, and converts files that need TensorFlow.js. */
import type { FlagValues } from '../../../src/models/architectures/architecture.ts';
import type { History } from '../data/model.ts';
import type { ShippedWasm } from '../data/shipped.ts';

/** How an autoencoder's weights begin, by the library's names. */
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
  /** The hash of the toy model's file. */
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

/** The settings of a training. */
export type TrainingSettings = ToySettings | SaeSettings;

/** How far the training of one model has come. */
export interface TrainingProgress {
  /** The index of the model among those that are trained side by side. */
  readonly index: number;
  /** Completed steps. */
  readonly step: number;
  readonly steps: number;
  /** The snapshots so far, with the loss at each of them. */
  readonly history: History;
  readonly stepsPerSecond: number;
  /** The engine that runs the training. */
  readonly engine: string;
}

/** A trained model as an .onnx file, with its history. */
export interface TrainedModel {
  readonly onnx: Uint8Array<ArrayBuffer>;
  readonly history: History;
  /** The final losses of all restarts of a toy model. */
  readonly losses: readonly number[];
}

/** The methods of the training worker. */
export interface TrainingApi {
  /** Reads ONNX Runtime's wasm, once, before anything else. */
  start(wasm: ShippedWasm): Promise<void>;
  /**
   * Trains until the steps are done or `stop` is called. Resolves with the models as they then are, one for each seed.
   */
  train(settings: TrainingSettings, progress: (progress: TrainingProgress) => void): Promise<readonly TrainedModel[]>;
  pause(): void;
  resume(): void;
  stop(): void;
  /**
   * Converts the files of an autoencoder of SAELens, sparsify or Gemma Scope to one .onnx file, with remarks for the
   * person.
   */
  convert(files: Readonly<Record<string, Blob>>): Promise<{ onnx: Blob; notes: readonly string[] }>;
}
