/** A toy model of superposition, or several in parallel, loaded from an ONNX file. */
import type { ModelMetadata } from '../onnx/metadata.ts';
import type { Provider } from '../sessions/runtime.ts';
import type { Attempt } from '../sessions/session.ts';
import type { HostTensor, Shape } from '../tensor.ts';
import type { Autoencoder } from './autoencoder.ts';
import type { Samples } from './samples.ts';

interface ShapeOption {
  /** The shape of a Float32Array given without one. */
  readonly shape?: Shape;
}

/**
 * A toy model, ready to run. Calls may overlap; an array that is passed in must not change until the call is done. The
 * shapes of a parallel toy model have `nInstances` before the last dimension.
 *
 * All methods throw InvalidShapeError for samples of another width, InvalidValueError for NaN and infinite numbers, and
 * DisposedError after `dispose`.
 */
export class LoadedToyModel {
  readonly #autoencoder: Autoencoder;
  /** The execution provider that runs the model. */
  readonly provider: Provider;
  /** The providers that were tried before, and why they were not taken. */
  readonly attempts: readonly Attempt[];
  readonly metadata: ModelMetadata;
  /** Number of models in parallel; `undefined` for a single one. */
  readonly nInstances: number | undefined;
  readonly nFeatures: number;
  readonly nHidden: number;

  constructor(autoencoder: Autoencoder) {
    const { provider, attempts, metadata, inputShape, codeShape } = autoencoder.info;
    this.#autoencoder = autoencoder;
    this.provider = provider;
    this.attempts = attempts;
    this.metadata = metadata;
    this.nInstances = inputShape.length > 1 ? inputShape[0] : undefined;
    this.nFeatures = inputShape.at(-1)!;
    this.nHidden = codeShape.at(-1)!;
  }

  /** The hidden activations of `features` [..., n_features]: [..., n_hidden]. */
  encode(features: Samples, { shape }: ShapeOption = {}): Promise<HostTensor> {
    return this.#autoencoder.encode(features, shape);
  }

  /** The reconstruction of `hidden` [..., n_hidden]: [..., n_features]. */
  decode(hidden: Samples, { shape }: ShapeOption = {}): Promise<HostTensor> {
    return this.#autoencoder.decode(hidden, shape);
  }

  /** The hidden activations and the reconstruction of `features` [..., n_features], from one pass over the samples. */
  async forward(
    features: Samples,
    { shape }: ShapeOption = {},
  ): Promise<{ readonly hidden: HostTensor; readonly reconstruction: HostTensor }> {
    const { code, reconstruction } = await this.#autoencoder.forward(features, shape);
    return { hidden: code, reconstruction };
  }

  /**
   * The direction in which each feature is stored: [n_features, n_hidden], for a parallel model [n_instances,
   * n_features, n_hidden].
   */
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
