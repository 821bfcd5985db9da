/** What training minimises. */
import * as tf from '@tensorflow/tfjs';
import { InvalidShapeError } from '../errors.ts';
import { L1 } from '../models/activations/activation.ts';
import { decoderMatrix } from '../models/decoder.ts';
import { meanSquare } from '../models/mean-square.ts';
import type { Applied, Tensors } from '../models/model.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { type HostTensor, sameShape } from '../tensor.ts';

/** `loss` is differentiated; `perInstance` [n_instances] where several models train side by side, whose sum `loss` is. */
export interface Losses {
  readonly loss: tf.Scalar;
  readonly perInstance?: tf.Tensor;
}

/** The loss of one batch. */
export type Objective = (applied: Applied, input: tf.Tensor, parameters: Tensors) => Losses;

/**
 * mean(weight · (target − output)²) over every element.
 * `output` and `target` "must have the same shape" […, n_features]; `weight` "must have shape" [n_features].
 */
export function weightedMse(output: tf.Tensor, target: tf.Tensor, weight: tf.Tensor): tf.Scalar {
  const leading = output.shape.slice(0, -1).map((_, axis) => axis);
  return tf.mean(weightedMeanSquares(output, target, weight, leading)).asScalar();
}

/** weight · mean over `axes` of (target − output)². Averaged first: engines weight a few means sooner than every square. */
function weightedMeanSquares(output: tf.Tensor, target: tf.Tensor, weight: tf.Tensor, axes: number[]): tf.Tensor {
  if (!sameShape(output.shape, target.shape)) {
    throw new InvalidShapeError(
      `output and target must have the same shape, got [${output.shape.join(', ')}] and [${target.shape.join(', ')}]`,
    );
  }
  const nFeatures = output.shape.at(-1);
  if (!sameShape(weight.shape, [nFeatures ?? 0])) {
    throw new InvalidShapeError(`weight must have shape [${nFeatures}], got [${weight.shape.join(', ')}]`);
  }
  return tf.mul(weight, meanSquare(tf.sub(output, target), axes));
}

/**
 * The toy model's loss: mean over batch and features of importance · (x − out)². For parallel instances, input
 * [batch, n_instances, n_features], each one's own, and their sum.
 */
export function toyModelObjective(importance: HostTensor): Objective {
  return ({ outputs }, input) => {
    const weight = tf.tensor(importance.data, [...importance.shape]);
    const output = outputs['reconstruction']!;
    if (input.rank < 3) return { loss: weightedMse(output, input, weight) };
    const perInstance = tf.mean(weightedMeanSquares(output, input, weight, [0]), -1);
    return { loss: tf.sum(perInstance).asScalar(), perInstance };
  };
}

/**
 * An autoencoder's loss: mean over batch and d_in of (x − x̂)², for an L1 weight l1 · mean over batch of Σ_j |f_j|·‖W_dec_j‖, and what
 * its activation adds (auxiliaryLoss).
 * For instances side by side, input [n_instances, batch, d_in], each one's own, and their sum; l1 is each one's own where there is a buffer of it.
 */
export function saeObjective(sae: SparseAutoencoder): Objective {
  const { l1 } = sae.activation;
  return (applied, input, parameters) => {
    const { outputs } = applied;
    const parallel = input.rank === 3;
    let losses = meanSquare(outputs['error'] ?? tf.sub(outputs['reconstruction']!, input), parallel ? [1, 2] : [0, 1]);
    if (l1 > 0) {
      const features = outputs['features']!;
      const magnitudes = sae.config.decoder === 'free' ? tf.mul(features, rowNorms(sae, parameters)) : features;
      const weight = applied.buffers[L1] ?? l1;
      losses = tf.add(losses, tf.mul(tf.mean(tf.sum(tf.abs(magnitudes), -1), -1), weight));
    }
    const auxiliary = outputs['auxiliary_loss'];
    if (auxiliary) losses = tf.add(losses, auxiliary);
    if (!parallel) return { loss: losses.asScalar() };
    return { loss: tf.sum(losses).asScalar(), perInstance: losses };
  };
}

function rowNorms(sae: SparseAutoencoder, parameters: Tensors): tf.Tensor {
  const rows = decoderMatrix(sae.config.decoder, parameters);
  const norms = tf.sqrt(tf.sum(tf.square(rows), -1));
  return norms.rank === 1 ? norms : tf.expandDims(norms, -2);
}
