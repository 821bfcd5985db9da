/** What the page knows of a model, as plain values. */
import type { HostTensor } from '../../../src/tensor.ts';

export type ModelKind = 'toy-model' | 'sparse-autoencoder';

/** Where a model came from; a bundled one or a URL can be named in a link, a file cannot. */
export type ModelSource =
  | { readonly type: 'bundled'; readonly id: string }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'file' }
  | { readonly type: 'trained' };

/** A run's history.json: about 60 snapshots spaced by log step, step 0 included. */
export interface History {
  readonly steps: readonly number[];
  readonly loss: readonly number[];
  /** [frames, directions, dimensions]. */
  readonly directions: readonly (readonly (readonly number[])[])[];
}

/** What the page knows of a model; its weights beyond these stay in the worker, under `id`. */
export interface Model {
  readonly id: string;
  readonly name: string;
  readonly kind: ModelKind;
  readonly source: ModelSource;
  readonly sha256: string;
  /** Feature directions as rows: [n_features, n_hidden] of a toy model, [d_sae, d_out] of an autoencoder. */
  readonly directions: HostTensor;
  /** Output bias: [n_features] of a toy model, `b_dec` of an autoencoder. */
  readonly bias: Float32Array;
  /** Width of the input. */
  readonly inputSize: number;
  /** Hidden dimensions of a toy model, latents of an autoencoder. */
  readonly codeSize: number;
  /** How the latents are chosen, in words: "TopK, k = 1"; empty where the file does not say. */
  readonly architecture: string;
  /** Active latents per sample where the file says so. */
  readonly k: number | undefined;
  /** SHA-256 of the toy model that it was trained on, where the file says so. */
  readonly trainedOn: string | undefined;
  /** Sparsity of the data it was trained on, where the file says so. */
  readonly sparsity: number | undefined;
  readonly history: History | undefined;
}

/** What the person wants models to run on. */
export type Compute = 'auto' | 'webgpu' | 'wasm';
