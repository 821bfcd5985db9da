/**
 * The normalisation of each sample before it is encoded, and its undoing after it is decoded: SAELens's
 * `normalize_activations` with the names `layer_norm`, (x − µ) / (σ + 1e-5), and `constant_norm_rescale`, x · √d / ‖x‖
 * (sae_lens/saes/sae.py).
 */
import * as tf from '@tensorflow/tfjs';
import type { Tensors } from './model.ts';

/** How each sample is normalised before it is encoded; its reconstruction is denormalised. */
export type ActivationNormalization = 'none' | 'layer_norm' | 'constant_norm_rescale';

/** The names of the normalisations. */
export const ACTIVATION_NORMALIZATIONS: readonly ActivationNormalization[] = [
  'none',
  'layer_norm',
  'constant_norm_rescale',
];

/** Added to the standard deviation, as in SAELens. */
const layerNormEpsilon = 1e-5;

/**
 * Normalised activations, and the statistics that undo the normalisation: `ln_mu` and `ln_std`, or `x_norm_coeff`,
 * [..., batch, 1].
 */
export interface NormalizedActivations {
  readonly x: tf.Tensor;
  readonly statistics: Tensors;
}

/** Normalises each row of `activations` [..., batch, d_in]. */
export function normalizeRows(kind: ActivationNormalization, activations: tf.Tensor): NormalizedActivations {
  const dIn = activations.shape.at(-1)!;
  switch (kind) {
    case 'none':
      return { x: activations, statistics: {} };
    case 'layer_norm': {
      const mean = tf.mean(activations, -1, true);
      const centred = tf.sub(activations, mean);
      // The standard deviation with dIn − 1 in the denominator, as torch.std.
      const deviation = tf.sqrt(tf.div(tf.sum(tf.square(centred), -1, true), dIn - 1));
      return {
        x: tf.div(centred, tf.add(deviation, layerNormEpsilon)),
        statistics: { ln_mu: mean, ln_std: deviation },
      };
    }
    case 'constant_norm_rescale': {
      const coefficient = tf.div(Math.sqrt(dIn), tf.sqrt(tf.sum(tf.square(activations), -1, true)));
      return { x: tf.mul(activations, coefficient), statistics: { x_norm_coeff: coefficient } };
    }
  }
}

/** Turns a reconstruction of normalised activations [..., batch, d_in] into one of the activations themselves. */
export function denormalizeRows(kind: ActivationNormalization, statistics: Tensors, decoded: tf.Tensor): tf.Tensor {
  if (kind === 'none') return decoded;
  if (kind === 'layer_norm') return tf.add(tf.mul(decoded, statistics['ln_std']!), statistics['ln_mu']!);
  return tf.div(decoded, statistics['x_norm_coeff']!);
}
