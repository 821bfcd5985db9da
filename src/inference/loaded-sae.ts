/** A sparse autoencoder loaded from an ONNX file. */
import type { ModelMetadata } from '../onnx/metadata.ts';
import type { Provider } from '../sessions/runtime.ts';
import type { Attempt } from '../sessions/session.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import type { Autoencoder, CodeSamples } from './autoencoder.ts';
import type { Samples } from './samples.ts';
import type { SparseFeatures } from './sparse-features.ts';

/** What a call of `encode` may say beside the activations. */
export interface EncodeOptions {
  /** The shape of a Float32Array given without one. */
  readonly shape?: Shape;
  /** True for the features that are not zero alone. Default false. */
  readonly sparse?: boolean;
}

/** What a call of `decode` may say beside the features. */
export interface DecodeOptions {
  readonly shape?: Shape;
  /** What this decoder needs beside the features: see `decoderInputs`. */
  readonly inputs?: HostTensors;
}

/**
 * A sparse autoencoder, ready to run. Calls may overlap; what is passed in must stay as it is until the call is done.
 *
 * All methods throw InvalidShapeError for samples of another width, InvalidValueError for NaN and infinite numbers, and DisposedError
 * after `dispose`.
 */
export class LoadedSae {
  readonly #autoencoder: Autoencoder;
  /** Where it runs. */
  readonly provider: Provider;
  /** The providers that were tried before, and why they were not taken. */
  readonly attempts: readonly Attempt[];
  readonly metadata: ModelMetadata;
  /** Width of the activations. */
  readonly dIn: number;
  /** Number of features. */
  readonly dSae: number;
  /** Width of the reconstruction: `dIn` but for transcoders. */
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
   * Features of `activations` [..., d_in] as [..., d_sae]; nothing of the decoder is computed. With `sparse` those that are not zero, in
   * ascending order for each sample: the dense matrix is never built for a TopK model of ours, and never for more than a batch at a
   * time for any.
   */
  encode(activations: Samples, options: EncodeOptions & { readonly sparse: true }): Promise<SparseFeatures>;
  encode(activations: Samples, options?: EncodeOptions & { readonly sparse?: false }): Promise<HostTensor>;
  encode(activations: Samples, { shape, sparse = false }: EncodeOptions = {}): Promise<HostTensor | SparseFeatures> {
    return sparse ? this.#autoencoder.encodeSparse(activations, shape) : this.#autoencoder.encode(activations, shape);
  }

  /**
   * The reconstruction of `features`, [..., d_sae] or sparse, as [..., d_out]: change features and decode them to
   * steer.
   * @throws InvalidValueError where the decoder needs more than the features and `inputs` lacks it
   */
  decode(features: CodeSamples, { shape, inputs }: DecodeOptions = {}): Promise<HostTensor> {
    return this.#autoencoder.decode(features, shape, inputs);
  }

  /** Features and reconstruction of `activations` [..., d_in] in one run. */
  async forward(
    activations: Samples,
    { shape }: { readonly shape?: Shape } = {},
  ): Promise<{ readonly features: HostTensor; readonly reconstruction: HostTensor }> {
    const { code, reconstruction } = await this.#autoencoder.forward(activations, shape);
    return { features: code, reconstruction };
  }

  /**
   * What the decoder needs beside the features of these `activations`, for `decode`'s option `inputs`: layer-norm's statistics, say.
   * Empty for most SAEs.
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
