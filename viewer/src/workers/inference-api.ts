/** The interface of an inference worker. Everything that touches a model file or ONNX Runtime happens there. */
import type { SaeNames } from '../../../src/inference/model-options.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import type { FiringBlock } from '../data/firings.ts';
import type { Compute, Fact, LatentGeometry, ModelKind } from '../data/model.ts';
import type { PlaneBasis } from '../data/plane-basis.ts';
import type { RowBlock } from '../data/rows.ts';
import type { ShippedWasm } from '../data/shipped.ts';
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
  /**
   * The input's values. `features` go into the toy model, whose hidden activations go into the autoencoder; `activations`
   * go straight into the autoencoder.
   */
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

/** A decoder that computes b_dec + Σ f_i W_dec[i], which needs no session. */
export interface LinearDecoder {
  readonly directions: HostTensor;
  readonly bias: Float32Array;
}

/** What a model was opened from. */
export interface SourceFiles {
  /** The file as it was given. */
  readonly file: Blob;
  /** The files that hold its external data, by name. */
  readonly beside: Readonly<Record<string, Blob>>;
  /** Which tensor is what, where the file leaves that open. */
  readonly names: SaeNames | undefined;
}

/** The methods of an inference worker. */
export interface InferenceApi extends LiveTextApi, NearestApi {
  /** Reads ONNX Runtime's wasm, once, before anything else. */
  start(wasm: ShippedWasm): Promise<void>;
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
   * Opens an autoencoder on WASM under its id, to run rows and nothing else. Nothing is read of its weights, which the
   * page knows already.
   * @param decoder - What `linearDecoder` gave. Where it is defined, the decoder needs no session, and none is opened.
   */
  openForRows(id: string, source: SourceFiles, name: string, decoder: LinearDecoder | undefined): Promise<void>;
  /**
   * Gives the decoder as a sum of directions where that is what it computes, and undefined where it computes more. This is
   * checked on the first rows of `block`.
   */
  linearDecoder(sae: string, block: RowBlock): Promise<LinearDecoder | undefined>;
  /** Names of the files beside the model that hold its data, relative to it; none where it holds all of it. */
  dataFiles(file: Blob, name: string): Promise<readonly string[]>;
  /** The tensors from which a person may choose, for a file that leaves open what is what. */
  candidates(file: Blob, name: string): Promise<TensorCandidates>;
  /** Frees a model's sessions and bytes. */
  close(id: string): Promise<void>;
  /** Moves an open model to another provider. On failure it stays where it was. */
  move(id: string, compute: Compute): Promise<ComputeReport>;
  /** Runs one input through the toy model and the autoencoder. */
  probe(request: ProbeRequest): Promise<ProbeResult>;
  /** Hidden activations of many samples [samples, n_features]. */
  hidden(toy: string, features: HostTensor): Promise<HostTensor>;
  /**
   * Gives the strongest latent at each point of a grid in a plane, row by row from its top left, [grid · grid]; −1 where no
   * latent fires.
   * @param half - Half the side of the square that the grid covers.
   * @param grid - How many points the grid has on a side.
   */
  winners(sae: string, basis: PlaneBasis, half: number, grid: number): Promise<Int32Array>;
  /** Encodes a block of rows, and measures how well it is reconstructed. */
  encode(sae: string, block: RowBlock): Promise<FiringBlock>;
  /** The sum of the given rows, [width]. */
  sumOf(blocks: readonly RowBlock[], width: number): Promise<Float64Array>;
  /** Gives the files that a model was opened from. */
  source(id: string): SourceFiles;
}
