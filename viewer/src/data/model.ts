/** The models of the page as plain values. */
import type { HostTensor } from '../../../src/tensor.ts';

/** The two kinds of models that the page shows. */
export type ModelKind = 'toy-model' | 'sparse-autoencoder';

/** Where a model came from; a bundled one or an address can be named in a link, the others only on this machine. */
export type ModelSource =
  | { readonly type: 'bundled'; readonly id: string }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'file' }
  | { readonly type: 'trained' }
  /** The model is part of this page's own file. */
  | { readonly type: 'page' };

/** A run's history.json: about 60 snapshots spaced by log step, step 0 included. */
export interface History {
  readonly steps: readonly number[];
  readonly loss: readonly number[];
  /** The terms of the loss by name, [frames] each, where the run tells them apart. */
  readonly losses?: Readonly<Record<string, readonly number[]>>;
  /** [frames, directions, dimensions]. */
  readonly directions: readonly (readonly (readonly number[])[])[];
  /** An autoencoder's b_dec, from which its directions start, [frames, dimensions]. Older files lack it. */
  readonly b_dec?: readonly (readonly number[])[];
}

/** What the weights of an autoencoder alone tell, one entry for each latent. */
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
  /** Active latents per sample; undefined where the file does not say. */
  readonly k: number | undefined;
  /** SHA-256 of the toy model that the autoencoder was trained on; undefined where the file does not say. */
  readonly trainedOn: string | undefined;
  /** Sparsity of the training data; undefined where the file does not say. */
  readonly sparsity: number | undefined;
  readonly history: History | undefined;
  readonly geometry: LatentGeometry | undefined;
  /** Whether the model can be run. False where its feature pages are open and its weights are not. */
  readonly runs: boolean;
  /** What the file says of itself, such as the hook, the language model and the training. */
  readonly facts: readonly Fact[];
  /** Remarks for the person on how the file was read. */
  readonly notes: readonly string[];
}

/** The person's choice of what models run on. */
export type Compute = 'auto' | 'webgpu' | 'wasm';

/** The most values that directions may have to be held on the page; larger ones stay in the workers. */
export const MOST_VALUES_HERE = 2 ** 18;
