/**
 * The frozen sparse autoencoder: what every trained or imported SAE becomes before it is written or run. Plain weights, a few options, and
 * one pure function of TensorFlow.js ops. Names, shapes and options are SAELens's (Bloom et al.), of which it takes four architectures:
 *
 *     x     = normalize(activations)                       'none', 'layer_norm' or 'constant_norm_rescale'
 *     pre   = (x − b_dec) W_enc + b_enc                    b_dec only with applyBDecToInput
 *     f     = relu(pre)                                    standard   (Bricken et al. 2023)
 *           = relu(the k largest of pre)                   topk       (Gao et al. 2024)
 *           = relu(pre) · [pre > threshold]                jumprelu   (Rajamanoharan et al. 2024b)
 *           = [x̃ W_enc + b_gate > 0] · relu(x̃ W_enc · exp(r_mag) + b_mag)   gated (Rajamanoharan et al. 2024a)
 *     x̂     = denormalize(f W_dec + b_dec) + activations W_skipᵀ
 *
 * Scales and decoder norms are folded before: W_dec is exactly the matrix that multiplies the features.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { type HostTensors, type Shape, sameShape } from '../tensor.ts';
import type { Tensors } from './model.ts';
import { type ActivationNormalization, denormalizeRows, normalizeRows } from './normalisation.ts';
import { scatterUnique } from './scatter-unique.ts';

/** The architectures of frozen SAEs. */
export type SaeArchitecture = 'standard' | 'topk' | 'jumprelu' | 'gated';

/** Everything about a frozen SAE but its weights. */
export interface FrozenSaeOptions {
  readonly architecture: SaeArchitecture;
  readonly dIn: number;
  readonly dSae: number;
  /** Width of the reconstruction. It equals `dIn`, except for a transcoder. */
  readonly dOut: number;
  /** Latents that may be active in each sample; topk only. */
  readonly k?: number;
  /** Whether b_dec is subtracted before encoding. */
  readonly applyBDecToInput: boolean;
  readonly normalizeActivations: ActivationNormalization;
  /** Whether the reconstruction is of other activations than the input; it is then not denormalised. */
  readonly transcoder: boolean;
}

/**
 * A frozen SAE. `weights`: `W_enc` [dIn, dSae], `W_dec` [dSae, dOut], `b_dec` [dOut], and [dSae] each: `b_enc` (not gated), `threshold`
 * (jumprelu), `b_gate`, `r_mag`, `b_mag` (gated); `W_skip` [dOut, dIn] where there is a skip connection.
 */
export interface FrozenSae extends FrozenSaeOptions {
  readonly weights: HostTensors;
  /** The SAE's origin, for people: JSON values such as SAELens's `model_name` and `hook_name`. It changes no result. */
  readonly description?: Readonly<Record<string, unknown>>;
}

/** The shape of each weight that `options` ask for; `W_skip` is optional and not among them. */
export function frozenSaeShapes({ architecture, dIn, dSae, dOut }: FrozenSaeOptions): Readonly<Record<string, Shape>> {
  const perLatent = {
    standard: ['b_enc'],
    topk: ['b_enc'],
    jumprelu: ['b_enc', 'threshold'],
    gated: ['b_gate', 'r_mag', 'b_mag'],
  }[architecture];
  return {
    W_enc: [dIn, dSae],
    ...Object.fromEntries(perLatent.map(name => [name, [dSae]])),
    W_dec: [dSae, dOut],
    b_dec: [dOut],
  };
}

/**
 * Checks a frozen SAE and gives it back.
 * @throws InvalidValueError for dimensions or k out of range and for weights that are not finite (a threshold may be
 *   infinite: that latent never fires)
 * @throws InvalidShapeError for weights that are missing, unknown or of another shape
 */
export function checkFrozenSae(sae: FrozenSae): FrozenSae {
  const { architecture, dIn, dSae, dOut, k, weights, applyBDecToInput } = sae;
  for (const [name, size] of Object.entries({ dIn, dSae, dOut })) {
    if (!Number.isSafeInteger(size) || size < 1) throw new InvalidValueError(`${name} must be positive, got ${size}`);
  }
  if (architecture === 'topk') {
    if (k === undefined || !Number.isSafeInteger(k) || k < 1)
      throw new InvalidValueError(`k must be positive, got ${k}`);
    if (k > dSae) throw new InvalidValueError(`k must be less than or equal to d_sae ${dSae}, got ${k}`);
  }
  if (applyBDecToInput && dOut !== dIn) {
    throw new InvalidValueError(`b_dec of ${dOut} values cannot be subtracted from an input of ${dIn}`);
  }
  const shapes = { ...frozenSaeShapes(sae), ...(weights['W_skip'] && { W_skip: [dOut, dIn] }) };
  for (const [name, shape] of Object.entries(shapes)) {
    const weight = weights[name];
    if (weight === undefined) throw new InvalidShapeError(`a ${architecture} SAE needs ${name} [${shape.join(', ')}]`);
    if (!sameShape(weight.shape, shape)) {
      throw new InvalidShapeError(`${name} must have shape [${shape.join(', ')}], got [${weight.shape.join(', ')}]`);
    }
    const isFine = name === 'threshold' ? (value: number) => !Number.isNaN(value) : Number.isFinite;
    const wrong = weight.data.findIndex(value => !isFine(value));
    if (wrong >= 0)
      throw new InvalidValueError(`${name} holds ${weight.data[wrong]} at ${wrong}; expected finite numbers`);
  }
  const unknown = Object.keys(weights).filter(name => !(name in shapes));
  if (unknown.length > 0) throw new InvalidShapeError(`a ${architecture} SAE has no weight ${unknown.join(', ')}`);
  return sae;
}

/** Names of the tensors that decoding needs beside `features`: they are among the results of `applyFrozenSae`. */
export function decoderInputsOf({ normalizeActivations, transcoder, weights }: FrozenSae): string[] {
  const undone = transcoder ? 'none' : normalizeActivations;
  return [
    ...{ none: [], layer_norm: ['ln_mu', 'ln_std'], constant_norm_rescale: ['x_norm_coeff'] }[undone],
    ...(weights['W_skip'] ? ['skip'] : []),
  ];
}

/**
 * Applies a frozen SAE to `activations` [batch, dIn].
 *
 * Gives `reconstruction` [batch, dOut] and `features` [batch, dSae]; for topk also `feature_indices` (int32) and `feature_values`
 * [batch, k], largest first; and what decoding needs beside the features (`decoderInputsOf`): `ln_mu`, `ln_std` or `x_norm_coeff`
 * [batch, 1], `skip` [batch, dOut].
 */
export function applyFrozenSae(options: FrozenSaeOptions, weights: Tensors, activations: tf.Tensor): Tensors {
  const { normalizeActivations, transcoder } = options;
  const { x, statistics: measured } = normalizeRows(normalizeActivations, activations);
  // A transcoder's reconstruction is of other activations, so it is not denormalised.
  const statistics = transcoder ? {} : measured;
  const centred = options.applyBDecToInput ? tf.sub(x, weights['b_dec']!) : x;
  const encoded = encode(options, weights, tf.matMul(centred as tf.Tensor2D, weights['W_enc'] as tf.Tensor2D));
  const decoded = tf.add(
    tf.matMul(encoded['features'] as tf.Tensor2D, weights['W_dec'] as tf.Tensor2D),
    weights['b_dec']!,
  );
  const denormalized = denormalizeRows(transcoder ? 'none' : normalizeActivations, statistics, decoded);
  if (!weights['W_skip']) return { reconstruction: denormalized, ...encoded, ...statistics };
  const skip = tf.matMul(activations as tf.Tensor2D, tf.transpose(weights['W_skip']));
  return { reconstruction: tf.add(denormalized, skip), ...encoded, ...statistics, skip };
}

/** Features from `projected` = x̃ W_enc [batch, dSae]. */
function encode(options: FrozenSaeOptions, weights: Tensors, projected: tf.Tensor): Tensors {
  switch (options.architecture) {
    case 'standard':
      return { features: tf.relu(tf.add(projected, weights['b_enc']!)) };
    case 'topk': {
      const { values, indices } = tf.topk(tf.add(projected, weights['b_enc']!), options.k, true);
      const kept = tf.relu(values);
      return {
        features: scatterUnique(kept, indices, options.dSae),
        feature_indices: indices,
        feature_values: kept,
      };
    }
    case 'jumprelu': {
      const pre = tf.add(projected, weights['b_enc']!);
      return { features: tf.mul(tf.relu(pre), tf.cast(tf.greater(pre, weights['threshold']!), 'float32')) };
    }
    case 'gated': {
      const gate = tf.add(projected, weights['b_gate']!);
      const isOpen = tf.cast(tf.greater(gate, 0), 'float32');
      // The magnitude is computed from the gate, so that both share one matrix product with its bias.
      const gain = tf.exp(weights['r_mag']!);
      const bias = tf.sub(weights['b_mag']!, tf.mul(weights['b_gate']!, gain));
      return { features: tf.mul(isOpen, tf.relu(tf.add(tf.mul(gate, gain), bias))) };
    }
  }
}
