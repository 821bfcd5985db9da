/**
 * SAEs and toy models share one form, input → code → reconstruction, which stands here as an interface. A model in this
 * thread (local-autoencoder.ts) and one in a worker (remote-autoencoder.ts) are used alike. LoadedSae and
 * LoadedToyModel give it the field's words.
 */
import type { ModelKind, ModelMetadata } from '../onnx/metadata.ts';
import type { Provider } from '../sessions/runtime.ts';
import type { Attempt } from '../sessions/session.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import type { Samples } from './samples.ts';
import type { SparseFeatures } from './sparse-features.ts';

/** What is known of a model once it is loaded, as plain data. */
export interface AutoencoderInfo {
  readonly file: string | undefined;
  readonly kind: ModelKind;
  readonly metadata: ModelMetadata;
  /** The execution provider that runs the model. */
  readonly provider: Provider;
  /** The providers that were tried before, and why they were not taken. */
  readonly attempts: readonly Attempt[];
  /** Shapes of one sample. */
  readonly inputShape: Shape;
  readonly codeShape: Shape;
  readonly reconstructionShape: Shape;
  /** Names of the tensors that `decode` needs beside the code. */
  readonly decoderInputs: readonly string[];
}

/** What `decode` takes: the code as samples, or sparse. */
export type CodeSamples = Samples | SparseFeatures;

/** A loaded model. The argument `shape` belongs to a Float32Array that is given without one. */
export interface Autoencoder {
  readonly info: AutoencoderInfo;
  encode(input: Samples, shape?: Shape): Promise<HostTensor>;
  encodeSparse(input: Samples, shape?: Shape): Promise<SparseFeatures>;
  /** `inputs` holds the tensors that `info.decoderInputs` names. */
  decode(code: CodeSamples, shape?: Shape, inputs?: HostTensors): Promise<HostTensor>;
  forward(input: Samples, shape?: Shape): Promise<{ readonly code: HostTensor; readonly reconstruction: HostTensor }>;
  decoderInputs(input: Samples, shape?: Shape): Promise<HostTensors>;
  featureDirections(): Promise<HostTensor>;
  dispose(): Promise<void>;
}
