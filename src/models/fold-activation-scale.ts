/** Folds the number with which activations were multiplied in training into the weights. */
import type { HostTensor, HostTensors } from '../tensor.ts';

/** Every entry times `factor`. */
function times({ data, shape }: HostTensor, factor: number): HostTensor {
  return { shape, data: data.map(value => value * factor) };
}

/** Which weights the scale changes. */
export interface ActivationScaleOptions {
  /** Whether the threshold is in units of the decoder's norms, which the scale changes. Default false. */
  readonly scalesThreshold?: boolean;
  /** Whether the reconstruction is of other activations, which were not scaled. Default false. */
  readonly transcoder?: boolean;
}

/** The weights of an SAE that takes activations as they are, from those of one that took them times `factor`. Features stay as they were. */
export function foldActivationScale(
  weights: HostTensors,
  factor: number,
  { scalesThreshold = false, transcoder = false }: ActivationScaleOptions = {},
): Record<string, HostTensor> {
  return {
    ...weights,
    ...(scalesThreshold && { threshold: times(weights['threshold']!, 1 / factor) }),
    W_enc: times(weights['W_enc']!, factor),
    ...(!transcoder && { W_dec: times(weights['W_dec']!, 1 / factor), b_dec: times(weights['b_dec']!, 1 / factor) }),
    // In an autoencoder, a skip connection's input and output are scaled alike; in a transcoder only its input is.
    ...(transcoder && weights['W_skip'] && { W_skip: times(weights['W_skip'], factor) }),
  };
}
