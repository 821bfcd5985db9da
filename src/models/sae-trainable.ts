/** A sparse autoencoder as a training step sees it: its architecture's forward pass and loss, and the count of samples since each latent fired. */
import * as tf from '@tensorflow/tfjs';
import type { ForwardInputs, SaeArchitecture, SaeShape } from './architectures/architecture.ts';
import { constrainParameters, projectGradients } from './decoder.ts';
import { meanSquare } from './mean-square.ts';
import type { Tensors, Trainable } from './model.ts';
import { denormalizeRows, normalizeRows } from './normalisation.ts';

/** Names of a batch's inputs: what is encoded, and what a transcoder reconstructs instead. */
export const ACTIVATIONS = 'activations';
export const TARGET = 'target';

/** What of an autoencoder training needs. */
interface TrainedSae {
  readonly architecture: SaeArchitecture;
  readonly shape: SaeShape;
}

/**
 * The loss `mse`, the mean over the batch, and the mean or sum over d_out, of (ŷ − y)², times the architecture's weight for it, beside its own terms. For instances side
 * by side each input has them first: [n_instances, batch, d_in].
 */
export function saeTrainable({ architecture, shape }: TrainedSae): Trainable {
  return {
    terms: ['mse', ...(architecture.terms ?? [])],
    losses({ parameters, buffers, batch, scalars }) {
      const input = batch[ACTIVATIONS]!;
      const target = batch[TARGET] ?? input;
      const given = { ...normalized(shape, input), shape, parameters, buffers, target, scalars };
      const forward = architecture.forward(given);
      const { rank } = forward.error;
      const mean = meanSquare(forward.error, [rank - 2, rank - 1]);
      const weight = (shape.reconstructionLoss === 'sum' ? shape.dOut : 1) * (architecture.mseWeight ?? 1);
      const mse = weight === 1 ? mean : tf.mul(mean, weight);
      const next = buffers['silent'] ? { silent: silentSamples(buffers['silent'], forward.features) } : {};
      return { losses: { mse, ...architecture.losses?.(given, forward) }, buffers: { ...forward.buffers, ...next } };
    },
    ...(architecture.project && { project: parameters => architecture.project!(parameters) }),
    projectGradients: (parameters: Tensors, gradients: Tensors) =>
      projectGradients(shape.decoder, parameters, gradients),
    constrain: (parameters: Tensors) => constrainParameters(shape.decoder, parameters),
  };
}

/** What is encoded, and how its reconstruction becomes one of the activations as they were. A transcoder's target is of other ones. */
export function normalized(
  { normalize = 'none', applyBDecToInput }: SaeShape,
  input: tf.Tensor,
): Pick<ForwardInputs, 'input' | 'raw' | 'undo'> {
  if (normalize === 'none') return { input };
  const { x, statistics } = normalizeRows(normalize, input);
  if (!applyBDecToInput) return { input: x, raw: input };
  return { input: x, raw: input, undo: decoded => denormalizeRows(normalize, statistics, decoded) };
}

/** Samples since each latent last fired, [...lead, d_sae]: 0 for those that fired in this batch. */
function silentSamples(before: tf.Tensor, features: tf.Tensor): tf.Tensor {
  const fired = tf.step(tf.max(features, -2));
  return tf.mul(tf.add(before, features.shape.at(-2)!), tf.sub(1, fired));
}
