/** The interface of an inference worker. Everything that touches a model file or ONNX Runtime happens there. */
import type { SaeNames } from '../../../src/inference/model-options.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import type { FiringBlock } from '../data/firings.ts';
import type { Compute, Fact, LatentGeometry, ModelKind } from '../data/model.ts';
import type { PlaneBasis } from '../data/plane-basis.ts';
import type { RowBlock } from '../data/rows.ts';
import type { LiveTextApi } from './live-text.ts';

/** A model file, read and made ready to run. */
export interface OpenedModel {
  /** The hash of the file; for a model of a parallel toy model followed by its instance. */
  readonly id: string;
  /** Which of a parallel toy model's instances this is. */
  readonly instance: number | undefined;
  readonly sha256: string;
  readonly kind: ModelKind;
  readonly directions: HostTensor;
  readonly bias: Float32Array;
  readonly inputSize: number;
  readonly outputSize: number;
  readonly codeSize: number;
  readonly architecture: string;
  readonly k: number | undefined;
  readonly trainedOn: string | undefined;
  readonly sparsity: number | undefined;
  readonly geometry: LatentGeometry | undefined;
  readonly facts: readonly Fact[];
  readonly compute: ComputeReport;
}

/** What a model runs on in fact. */
export interface ComputeReport {
  readonly provider: string;
  /** Why each provider that was tried before was refused; empty where the first one runs. */
  readonly refused: readonly string[];
}

/** A tensor by its name, and its shape in words. */
export interface Candidate {
  readonly name: string;
  readonly shape: string;
}

/** The tensors to choose from in a file that does not say which of them is what. */
export interface TensorCandidates {
  readonly inputs: readonly Candidate[];
  /** Computed tensors: features and reconstruction are among them. */
  readonly computed: readonly Candidate[];
  /** Matrices of weights: the decoder is among them. */
  readonly matrices: readonly Candidate[];
}

/** A latent held at a value, whatever the encoder says; 0 ablates it. */
export interface Pin {
  readonly latent: number;
  readonly value: number;
}

/** One input to run through the toy model and the autoencoder. */
export interface ProbeRequest {
  readonly toy: string | undefined;
  readonly sae: string | undefined;
  /** `features` go into the toy model and its hidden activations into the autoencoder; `activations` go straight into it. */
  readonly input: { readonly type: 'features' | 'activations'; readonly values: Float32Array };
  readonly pins: readonly Pin[];
}

/** The results for one request, together with that request. */
export interface ProbeResult {
  readonly request: ProbeRequest;
  readonly hidden: Float32Array | undefined;
  /** The toy model's reconstruction of the features, without the autoencoder. */
  readonly toyReconstruction: Float32Array | undefined;
  /** The latents that the encoder gave, before pins. */
  readonly latents: Float32Array | undefined;
  /** The autoencoder's reconstruction of the activations, without pins. */
  readonly reconstruction: Float32Array | undefined;
  /** The autoencoder's reconstruction with the pins in force; undefined where nothing is pinned. */
  readonly pinnedReconstruction: Float32Array | undefined;
  /** The features as the toy model decodes them from the autoencoder's reconstruction, without pins. */
  readonly toyThroughSae: Float32Array | undefined;
  /** The features as the toy model decodes them from the reconstruction with pins. */
  readonly toyWithPins: Float32Array | undefined;
  /** Milliseconds spent in ONNX Runtime. */
  readonly milliseconds: number;
}

/** The methods of an inference worker. */
export interface InferenceApi extends LiveTextApi {
  /** Takes ONNX Runtime's wasm, as bytes or as base64 of them gzipped. It is called once, before any other method. */
  start(wasm: ArrayBuffer | string): Promise<void>;
  /**
   * Reads a file and makes its model ready to run, or each instance of a parallel one. On failure it rejects with one
   * sentence for the person, and what was open stays open.
   * @param beside - The files that hold the model's external data, by name.
   * @param names - Which tensor is what, where the file leaves that open.
   */
  open(
    file: Blob,
    name: string,
    compute: Compute,
    beside?: Readonly<Record<string, Blob>>,
    names?: SaeNames,
  ): Promise<OpenedModel[]>;
  /**
   * Opens an autoencoder under its id on WASM, for running rows only. It does not describe the weights, which the page
   * knows already.
   */
  openForRows(
    id: string,
    file: Blob,
    name: string,
    beside: Readonly<Record<string, Blob>>,
    names: SaeNames | undefined,
  ): Promise<void>;
  /**
   * The names of the files, relative to the model, that hold its data; none where the model's own file holds all of it.
   */
  dataFiles(file: Blob, name: string): Promise<readonly string[]>;
  /** The tensors from which a person may choose, for a file that leaves open what is what. */
  candidates(file: Blob, name: string): Promise<TensorCandidates>;
  /** Frees a model's sessions and bytes. */
  close(id: string): Promise<void>;
  /** Moves an open model to another provider. On failure it stays where it was. */
  move(id: string, compute: Compute): Promise<ComputeReport>;
  probe(request: ProbeRequest): Promise<ProbeResult>;
  /** Hidden activations of many samples [samples, n_features]. */
  hidden(toy: string, features: HostTensor): Promise<HostTensor>;
  /** The strongest latent at each point of a grid over the square of half side `half` in a plane, from its top left, −1 where none fires. */
  winners(sae: string, basis: PlaneBasis, half: number, grid: number): Promise<Int32Array>;
  /** Encodes a block of rows, and measures how well it is reconstructed. */
  encode(sae: string, block: RowBlock): Promise<FiringBlock>;
  /** The sum of the given rows, [width]. */
  sumOf(blocks: readonly RowBlock[], width: number): Promise<Float64Array>;
  /** The file as it was given, and the files that hold its external data. */
  source(id: string): { file: Blob; beside: Readonly<Record<string, Blob>>; names: SaeNames | undefined };
}
