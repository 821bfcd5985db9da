/** What the page asks of the inference worker. Everything that touches a model file or ONNX Runtime happens there. */
import type { HostTensor } from '../../../src/tensor.ts';
import type { Compute, ModelKind } from '../data/model.ts';

/** A model file, read and made ready to run. */
export interface OpenedModel {
  /** The hash; of a parallel toy model with the instance behind it. */
  readonly id: string;
  /** Which of a parallel toy model's instances this is. */
  readonly instance: number | undefined;
  readonly sha256: string;
  readonly kind: ModelKind;
  readonly directions: HostTensor;
  readonly bias: Float32Array;
  readonly inputSize: number;
  readonly codeSize: number;
  readonly architecture: string;
  readonly k: number | undefined;
  readonly trainedOn: string | undefined;
  readonly sparsity: number | undefined;
  readonly compute: ComputeReport;
}

/** What a model really runs on. */
export interface ComputeReport {
  readonly provider: string;
  /** Why the providers before it were refused; empty where the first choice runs. */
  readonly refused: readonly string[];
}

/** A latent held at a value, whatever the encoder says; 0 ablates it. */
export interface Pin {
  readonly latent: number;
  readonly value: number;
}

export interface ProbeRequest {
  readonly toy: string | undefined;
  readonly sae: string | undefined;
  /** `features` go into the toy model and its hidden activations into the autoencoder; `activations` go straight into it. */
  readonly input: { readonly type: 'features' | 'activations'; readonly values: Float32Array };
  readonly pins: readonly Pin[];
}

export interface ProbeResult {
  /** The input as it was run. */
  readonly input: ProbeRequest['input'];
  readonly hidden: Float32Array | undefined;
  /** Of the features, by the toy model. */
  readonly toyReconstruction: Float32Array | undefined;
  /** What the encoder gave, before pins. */
  readonly latents: Float32Array | undefined;
  /** Of the hidden activations, by the autoencoder, without pins. */
  readonly reconstruction: Float32Array | undefined;
  /** The same with the pins in force; undefined where there are none. */
  readonly pinnedReconstruction: Float32Array | undefined;
  /** Milliseconds spent in ONNX Runtime. */
  readonly milliseconds: number;
}

/** How each latent behaved over many samples. */
export interface LatentStatistics {
  readonly samples: number;
  /** Share of samples on which it fired. */
  readonly density: Float32Array;
  /** Mean over the samples on which it fired; 0 where it never did. */
  readonly mean: Float32Array;
  readonly max: Float32Array;
}

export interface InferenceApi {
  /** ONNX Runtime's wasm, once, before anything else. */
  start(wasm: ArrayBuffer): void;
  /** Reads a file and makes it ready: one model, or each instance of a parallel one. Rejects with one readable sentence; what was open stays open. */
  open(bytes: Uint8Array, name: string, compute: Compute): Promise<OpenedModel[]>;
  /** Runs a model that is open on another provider from now on; on failure it stays where it was. */
  move(id: string, compute: Compute): Promise<ComputeReport>;
  probe(request: ProbeRequest): Promise<ProbeResult>;
  /** Hidden activations of many samples [samples, n_features]. */
  hidden(toy: string, features: HostTensor): Promise<HostTensor>;
  /** The strongest latent of each activation vector, −1 where none fires. */
  winners(sae: string, activations: HostTensor): Promise<Int32Array>;
  statistics(sae: string, activations: HostTensor): Promise<LatentStatistics>;
  /** One latent's activation on each sample. */
  latentActivations(sae: string, activations: HostTensor, latent: number): Promise<Float32Array>;
  /** The file's bytes. */
  bytes(id: string): Uint8Array;
}
