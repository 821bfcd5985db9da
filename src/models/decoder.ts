/**
 * The forms in which an autoencoder keeps its decoder rows at unit norm. Without it, an L1 penalty is escaped by
 * shrinking features and growing rows, and directions cannot be compared.
 */
import * as tf from '@tensorflow/tfjs';
import type { HostTensor, HostTensors } from '../tensor.ts';
import type { Tensors } from './model.ts';
import { unitRows } from './unit-rows.ts';

/**
 * `reparametrise`: the parameter is V, W_dec = V / ‖V‖ per row, gradients flow through the norm. `renormalise`: the
 * parameter is W_dec; the gradient along each row is removed, rows are scaled to 1 after each step (OpenAI's and
 * EleutherAI's way). `unprojected`: rows are scaled so too, gradients are left as they are (the way of O'Neill et al., arXiv
 * 2411.13117). `free`: the parameter is W_dec, without a constraint.
 */
export type DecoderForm = 'reparametrise' | 'renormalise' | 'unprojected' | 'free';

/** The names of the decoder's forms; see DecoderForm. */
export const DECODER_FORMS: readonly DecoderForm[] = ['reparametrise', 'renormalise', 'unprojected', 'free'];

/** The name of the parameter that holds the decoder. */
export function decoderParameter(form: DecoderForm): 'V' | 'W_dec' {
  return form === 'reparametrise' ? 'V' : 'W_dec';
}

/** The matrix that multiplies features, [..., d_sae, d_in]. */
export function decoderMatrix(form: DecoderForm, parameters: Tensors): tf.Tensor {
  return form === 'reparametrise' ? unitRowsOf(parameters['V']!) : parameters['W_dec']!;
}

/** `decoderMatrix` of host tensors: the direction of each latent, of unit norm unless the decoder is `free`. */
export function decoderRows(form: DecoderForm, parameters: HostTensors): HostTensor {
  return form === 'reparametrise' ? unitRows(parameters['V']!) : parameters['W_dec']!;
}

/** The gradients, for `renormalise` without the component along each decoder row. */
export function projectGradients(form: DecoderForm, parameters: Tensors, gradients: Tensors): Tensors {
  if (form !== 'renormalise') return gradients;
  const rows = parameters['W_dec']!;
  const gradient = gradients['W_dec']!;
  const along = tf.sum(tf.mul(gradient, rows), -1, true);
  return { ...gradients, W_dec: tf.sub(gradient, tf.mul(rows, along)) };
}

/** The parameters, for `renormalise` and `unprojected` with decoder rows scaled back to norm 1. */
export function constrainParameters(form: DecoderForm, parameters: Tensors): Tensors {
  if (form !== 'renormalise' && form !== 'unprojected') return parameters;
  return { ...parameters, W_dec: unitRowsOf(parameters['W_dec']!) };
}

function unitRowsOf(rows: tf.Tensor): tf.Tensor {
  return tf.div(rows, tf.sqrt(tf.sum(tf.square(rows), -1, true)));
}
