/**
 * The parts that all architectures share: pre-activations (x − b_dec) W_enc + b_enc, the reconstruction f W_dec +
 * b_dec, and their frozen form. An architecture adds the step from pre-activations to features.
 */

import * as tf from '@tensorflow/tfjs';
import { type HostTensor, type HostTensors, rowNorms, zeros } from '../../tensor.ts';
import { centredProduct, centredProductBatchLast } from '../centred-product.ts';
import { decoderMatrix, decoderParameter, decoderRows } from '../decoder.ts';
import type { FrozenSae } from '../frozen-sae.ts';
import type { ModelState, Tensors } from '../model.ts';
import { unitRows } from '../unit-rows.ts';
import type { Forward, ForwardInputs, LinearStart, SaeShape } from './architecture.ts';

/** Up to this many latents, a training step lays out the latents first and the batch last. */
export const FEW_LATENTS = 64;

/** How pre-activations become features in training. */
export interface Activation {
  /** Computes features from pre-activations, both [...lead, batch, d_sae], and the buffers that change. */
  readonly rows: (preActivations: tf.Tensor) => { readonly features: tf.Tensor; readonly buffers?: Tensors };
  /**
   * Computes features from pre-activations, both [...lead, d_sae, batch]: with few latents the long axis is best the
   * last. Absent where this would not be faster.
   */
  readonly columns?: ((preActivations: tf.Tensor) => tf.Tensor) | undefined;
  /**
   * Whether pre-activations are multiplied by ‖W_dec‖ before they are chosen from, and features decoded by W_dec / ‖W_dec‖, so that the choice does
   * not depend on how a free decoder divides a feature's size between itself and the encoder (SAELens's `rescale_acts_by_decoder_norm`). Default false.
   */
  readonly rescaleByDecoderNorm?: boolean;
}

/**
 * The parameters at their start: `V` or `W_dec` [d_sae, d_out], `W_enc` [d_in, d_sae], `b_enc` [d_sae], `b_dec`
 * [d_out], and `W_skip` [d_out, d_in] of zeros where there is a skip connection.
 */
export function linearParameters(shape: SaeShape, { decoder, encoder, bias }: LinearStart): HostTensors {
  const { dIn, dSae, dOut, skip } = shape;
  return {
    [decoderParameter(shape.decoder)]: decoder,
    W_enc: encoder,
    b_enc: zeros([dSae]),
    b_dec: bias,
    ...(skip && { W_skip: zeros([dOut, dIn]) }),
  };
}

/**
 * Computes the forward pass.
 * @param activation how pre-activations become features
 */
export function linearForward(inputs: ForwardInputs, activation: Activation): Forward {
  const { rows, columns, rescaleByDecoderNorm = false } = activation;
  const { shape, parameters, buffers, target } = inputs;
  const isPlain = !rescaleByDecoderNorm && !shape.skip && !inputs.undo && !inputs.readsPreActivations;
  if (columns && isPlain && shape.dSae <= FEW_LATENTS) return latentsFirst(inputs, columns);
  const own = tf.add(encoderProduct(inputs), rowOf(parameters['b_enc']!));
  const rowsOfDecoder = decoderMatrix(shape.decoder, parameters);
  const norms = rescaleByDecoderNorm ? tf.sqrt(tf.sum(tf.square(rowsOfDecoder), -1)) : undefined;
  const preActivations = norms ? tf.mul(own, rowOf(norms)) : own;
  const decoder = norms ? tf.div(rowsOfDecoder, tf.expandDims(norms, -1)) : rowsOfDecoder;
  const { features, buffers: changed } = rows(preActivations);
  const reconstruction = finished(inputs, tf.add(tf.matMul(features, decoder), rowOf(parameters['b_dec']!)));
  const error = tf.sub(reconstruction, target);
  return { preActivations, features, reconstruction, error, decoder, buffers: { ...buffers, ...changed } };
}

/**
 * Completes a reconstruction from the decoder's output f W_dec + b_dec: denormalises it and adds the skip connection.
 */
export function finished(
  { shape, parameters, input, raw = input, undo }: ForwardInputs,
  decoded: tf.Tensor,
): tf.Tensor {
  const undone = undo ? undo(decoded) : decoded;
  return shape.skip ? tf.add(undone, tf.matMul(raw, parameters['W_skip']!, false, true)) : undone;
}

/** (x − b_dec) W_enc, or x W_enc where b_dec is not applied to the input: [...lead, batch, d_sae]. */
function encoderProduct({ shape, parameters, input }: ForwardInputs): tf.Tensor {
  return shape.applyBDecToInput
    ? centredProduct(input, parameters['b_dec']!, parameters['W_enc']!)
    : tf.matMul(input, parameters['W_enc']!);
}

/**
 * The forward pass with the batch along the last axis, where engines add biases and compare latents several times as
 * fast. The error stays [...lead, d_out, batch], which saves the loss two transpositions.
 */
function latentsFirst(inputs: ForwardInputs, activate: (preActivations: tf.Tensor) => tf.Tensor): Forward {
  const { shape, parameters, buffers, input, target } = inputs;
  const turned = swapLastTwo(input);
  const product = shape.applyBDecToInput
    ? centredProductBatchLast(turned, parameters['b_dec']!, parameters['W_enc']!)
    : tf.matMul(parameters['W_enc']!, turned, true);
  const features = activate(tf.add(product, columnOf(parameters['b_enc']!)));
  const decoder = decoderMatrix(shape.decoder, parameters);
  const reconstruction = tf.add(tf.matMul(decoder, features, true), columnOf(parameters['b_dec']!));
  return {
    features: swapLastTwo(features),
    batchLast: features,
    reconstruction: swapLastTwo(reconstruction),
    error: tf.sub(reconstruction, target === input ? turned : swapLastTwo(target)),
    decoder,
    buffers,
  };
}

/** Σ_j |f_j| · ‖W_dec_j‖ of each sample, [...lead, batch]: the norm is 1 unless the decoder is `free`. Features are at least 0. */
export function weightedFeatureSums({ shape }: ForwardInputs, { features, decoder }: Forward): tf.Tensor {
  if (shape.decoder !== 'free') return tf.sum(tf.abs(features), -1);
  const norms = tf.sqrt(tf.sum(tf.square(decoder), -1));
  return tf.sum(tf.abs(tf.mul(features, norms.rank === 1 ? norms : tf.expandDims(norms, -2))), -1);
}

/** The options and weights that every frozen form shares; `architecture` adds its own weights and options. */
export function frozenLinear(
  shape: SaeShape,
  { parameters }: ModelState<HostTensors>,
  { rescaleByDecoderNorm = false, ...architecture }: FrozenArchitecture,
): FrozenSae {
  const { dIn, dSae, dOut, applyBDecToInput } = shape;
  const { [decoderParameter(shape.decoder)]: _, ...own } = parameters;
  const rows = decoderRows(shape.decoder, parameters);
  const shared = rescaleByDecoderNorm ? { ...own, ...timesNorms(own, rowNorms(rows)) } : own;
  return {
    ...architecture,
    dIn,
    dSae,
    dOut,
    applyBDecToInput,
    normalizeActivations: shape.normalize ?? 'none',
    transcoder: !applyBDecToInput,
    weights: { ...shared, W_dec: rescaleByDecoderNorm ? unitRows(rows) : rows, ...architecture.weights },
  };
}

/** The parts that an architecture adds to the frozen form. */
type FrozenArchitecture = Pick<FrozenSae, 'architecture' | 'weights'> &
  Pick<Partial<FrozenSae>, 'k'> &
  Pick<Activation, 'rescaleByDecoderNorm'>;

/** The encoder with each latent's column and bias times the norm of its decoder row. */
function timesNorms({ W_enc, b_enc }: HostTensors, norms: Float64Array): HostTensors {
  const times = ({ data, shape }: HostTensor): HostTensor => ({
    data: data.map((value, i) => value * norms[i % norms.length]!),
    shape,
  });
  return { W_enc: times(W_enc!), b_enc: times(b_enc!) };
}

/** A vector as a row under each batch: [d] stays, [n_instances, d] becomes [n_instances, 1, d]. */
export function rowOf(vector: tf.Tensor): tf.Tensor {
  return vector.rank === 1 ? vector : tf.expandDims(vector, -2);
}

/** A vector as a column beside each batch: [d] becomes [d, 1], [n_instances, d] becomes [n_instances, d, 1]. */
function columnOf(vector: tf.Tensor): tf.Tensor {
  return tf.expandDims(vector, -1);
}

function swapLastTwo(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, x.rank === 2 ? [1, 0] : [0, 2, 1]);
}
