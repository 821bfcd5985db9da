/** What the page knows of a model, as plain values. */
import type { HostTensor } from '../../../src/tensor.ts';

export type ModelKind = 'toy-model' | 'sparse-autoencoder';

/** Where a model came from; a bundled one or an address can be named in a link, the others only on this machine. */
export type ModelSource =
  | { readonly type: 'bundled'; readonly id: string }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'file' }
  | { readonly type: 'trained' }
  /** It stands inside this page. */
  | { readonly type: 'page' };

/** A run's history.json: about 60 snapshots spaced by log step, step 0 included. */
export interface History {
  readonly steps: readonly number[];
  readonly loss: readonly number[];
  /** The terms of the loss by name, [frames] each, where the run tells them apart. */
  readonly losses?: Readonly<Record<string, readonly number[]>>;
  /** [frames, directions, dimensions]. */
  readonly directions: readonly (readonly (readonly number[])[])[];
  /** Of an autoencoder: where its directions start from, [frames, dimensions]; older files lack it. */
  readonly b_dec?: readonly (readonly number[])[];
}

/** What can be read off the weights of an autoencoder alone, one entry a latent. */
export interface LatentGeometry {
  /** ‖W_dec‖ of each row. */
  readonly decoderNorms: Float32Array;
  /** Cosine of each latent's encoder and decoder direction; undefined where the file does not name its encoder. */
  readonly encoderCosines: Float32Array | undefined;
  readonly encoderBias: Float32Array | undefined;
}

/** One line of what a file says of itself. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** What the page knows of a model; its weights beyond these stay in the workers, under `id`. */
export interface Model {
  readonly id: string;
  readonly name: string;
  readonly kind: ModelKind;
  readonly source: ModelSource;
  readonly sha256: string;
  /**
   * Feature directions as rows: [n_features, n_hidden] of a toy model, [d_sae, d_out] of an autoencoder; undefined where they are
   * too many to be worked with on the page: workers have them.
   */
  readonly directions: HostTensor | undefined;
  /** Output bias: [n_features] of a toy model, `b_dec` of an autoencoder. */
  readonly bias: Float32Array;
  /** Width of the input. */
  readonly inputSize: number;
  /** Width of the output. */
  readonly outputSize: number;
  /** Hidden dimensions of a toy model, latents of an autoencoder. */
  readonly codeSize: number;
  /** How the latents are chosen, in words: "TopK"; empty where the file does not say. */
  readonly architecture: string;
  /** Active latents per sample where the file says so. */
  readonly k: number | undefined;
  /** SHA-256 of the toy model that it was trained on, where the file says so. */
  readonly trainedOn: string | undefined;
  /** Sparsity of the data it was trained on, where the file says so. */
  readonly sparsity: number | undefined;
  readonly history: History | undefined;
  readonly geometry: LatentGeometry | undefined;
  /** False where only its feature pages are open and not its weights. */
  readonly runs: boolean;
  /** What the file says of itself: hook, model, training. */
  readonly facts: readonly Fact[];
  /** What a person should know about how it was read. */
  readonly notes: readonly string[];
}

/** What the person wants models to run on. */
export type Compute = 'auto' | 'webgpu' | 'wasm';

/** Directions with more values than this stay in the workers. */
export const MOST_VALUES_HERE = 2 ** 18;
