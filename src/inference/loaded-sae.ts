/** A sparse autoencoder loaded from an ONNX file. */
import type { ModelMetadata } from '../onnx/metadata.ts';
import type { Provider } from '../sessions/runtime.ts';
import type { Attempt } from '../sessions/session.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import type { Autoencoder, CodeSamples } from './autoencoder.ts';
import type { Samples } from './samples.ts';
import type { SparseFeatures } from './sparse-features.ts';

/** Options of `encode`. */
export interface EncodeOptions {
  /** The shape of a Float32Array given without one. */
  readonly shape?: Shape;
  /** Whether only the features that are not zero are given, as SparseFeatures. Default false. */
  readonly sparse?: boolean;
}

/** Options of `decode`. */
export interface DecodeOptions {
  readonly shape?: Shape;
  /** The tensors that this decoder needs beside the features, as `decoderInputs` gives them. */
  readonly inputs?: HostTensors;
}

/**
 * A sparse autoencoder, ready to run. Calls may overlap; an array that is passed in must not change until the call is
 * done.
 *
 * All methods throw InvalidShapeError for samples of another width, InvalidValueError for NaN and infinite numbers, and
 * DisposedError after `dispose`.
 */
export class LoadedSae {
  readonly #autoencoder: Autoencoder;
  /** The execution provider that runs the model. */
  readonly provider: Provider;
  /** The providers that were tried before, and why they were not taken. */
  readonly attempts: readonly Attempt[];
  readonly metadata: ModelMetadata;
  /** Width of the activations. */
  readonly dIn: number;
  /** Number of features. */
  readonly dSae: number;
  /** Width of the reconstruction. It equals `dIn`, except for a transcoder. */
  readonly dOut: number;

  constructor(autoencoder: Autoencoder) {
    const { provider, attempts, metadata, inputShape, codeShape, reconstructionShape } = autoencoder.info;
    this.#autoencoder = autoencoder;
    this.provider = provider;
    this.attempts = attempts;
    this.metadata = metadata;
    this.dIn = inputShape.at(-1)!;
    this.dSae = codeShape.at(-1)!;
    this.dOut = reconstructionShape.at(-1)!;
  }

  /**
   * The features of `activations`; the decoder is not computed.
   * @param activations [..., d_in]
   * @returns [..., d_sae]; with `sparse`, the entries that are not zero, in ascending order of the feature for each
   *   sample. The dense matrix is then never built for a TopK model of this package, and never for more than a batch at
   *   a time for others.
   */
  encode(activations: Samples, options: EncodeOptions & { readonly sparse: true }): Promise<SparseFeatures>;
  encode(activations: Samples, options?: EncodeOptions & { readonly sparse?: false }): Promise<HostTensor>;
  encode(activations: Samples, { shape, sparse = false }: EncodeOptions = {}): Promise<HostTensor | SparseFeatures> {
    return sparse ? this.#autoencoder.encodeSparse(activations, shape) : this.#autoencoder.encode(activations, shape);
  }

  /**
   * The reconstruction of `features`. To steer, change features and decode them.
   * @param features [..., d_sae], or sparse
   * @returns [..., d_out]
   * @throws InvalidValueError where the decoder needs more than the features and `inputs` lacks it
   */
  decode(features: CodeSamples, { shape, inputs }: DecodeOptions = {}): Promise<HostTensor> {
    return this.#autoencoder.decode(features, shape, inputs);
  }

  /** The features and the reconstruction of `activations` [..., d_in], from one pass over the samples. */
  async forward(
    activations: Samples,
    { shape }: { readonly shape?: Shape } = {},
  ): Promise<{ readonly features: HostTensor; readonly reconstruction: HostTensor }> {
    const { code, reconstruction } = await this.#autoencoder.forward(activations, shape);
    return { features: code, reconstruction };
  }

  /**
   * The tensors that the decoder needs beside the features of these `activations` [..., d_in], for `decode`'s option
   * `inputs`: the means and deviations of a layer norm, for example. Empty for most SAEs.
   */
  decoderInputs(activations: Samples, { shape }: { readonly shape?: Shape } = {}): Promise<HostTensors> {
    return this.#autoencoder.decoderInputs(activations, shape);
  }

  /** The direction that each feature writes to, [d_sae, d_out]: the rows of the decoder's matrix as they stand in the file. */
  featureDirections(): Promise<HostTensor> {
    return this.#autoencoder.featureDirections();
  }

  /** Frees the sessions once their runs are done. */
  dispose(): Promise<void> {
    return this.#autoencoder.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
