/** The interface of an inference worker. Everything that touches a model file or ONNX Runtime happens there. */
import type { SaeNames } from '../../../src/inference/model-options.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import type { FiringBlock } from '../data/firings.ts';
import type { Compute, Fact, LatentGeometry, ModelKind } from '../data/model.ts';
import type { PlaneBasis } from '../data/plane-basis.ts';
import type { RowBlock } from '../data/rows.ts';
import type { LiveTextApi } from './live-text.ts';
import type { NearestApi } from './nearest.ts';

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

/** How reconstructions are made of sparse features without a session, where the decoder is b_dec + Σ f_i W_dec[i]. */
export interface LinearDecoder {
  readonly directions: HostTensor;
  readonly bias: Float32Array;
}

/** A file as it was given, the files that hold its external data by name, and which tensor is what where the file leaves that open. */
export interface SourceFiles {
  readonly file: Blob;
  readonly beside: Readonly<Record<string, Blob>>;
  readonly names: SaeNames | undefined;
}

export interface InferenceApi extends LiveTextApi, NearestApi {
  /** ONNX Runtime's wasm, once, before anything else: bytes, or base64 of them gzipped. */
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
   * Opens an autoencoder under its id to run rows and nothing else, on WASM: what is said of its weights, the page knows already.
   * `decoder` is what `linearDecoder` gave: with one, no session of the decoder is ever opened.
   */
  openForRows(id: string, source: SourceFiles, name: string, decoder: LinearDecoder | undefined): Promise<void>;
  /** The decoder as a sum of directions, where that is what it does to these rows, a few of those to come; otherwise undefined. */
  linearDecoder(sae: string, block: RowBlock): Promise<LinearDecoder | undefined>;
  /** Names of the files beside the model that hold its data, relative to it; none where it holds all of it. */
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
  source(id: string): SourceFiles;
}
