/** The loss of toy models. */
import * as tf from '@tensorflow/tfjs';
import { InvalidShapeError } from '../errors.ts';
import { meanSquare } from '../models/mean-square.ts';
import type { ModelDefinition, Trainable } from '../models/model.ts';
import { type HostTensor, sameShape } from '../tensor.ts';

/**
 * mean(weight · (target − output)²) over all elements.
 * @param output […, n_features]
 * @param target of the same shape
 * @param weight [n_features]
 * @returns []
 * @throws InvalidShapeError where the shapes disagree
 */
export function weightedMse(output: tf.Tensor, target: tf.Tensor, weight: tf.Tensor): tf.Scalar {
  const leading = output.shape.slice(0, -1).map((_, axis) => axis);
  return tf.mean(weightedMeanSquares(output, target, weight, leading)).asScalar();
}

/**
 * weight · mean over `axes` of (target − output)². The mean is taken first, because weighting a few means costs less
 * than weighting every square.
 */
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
 * A toy model as something to train. Its loss `mse` is the mean over batch and features of importance · (x − out)².
 * Parallel instances take the input [batch, n_instances, n_features], and each has a loss of its own.
 */
export function toyModelTrainable(model: ModelDefinition, importance: HostTensor): Trainable {
  return {
    terms: ['mse'],
    losses({ parameters, buffers, batch }) {
      const input = batch[model.inputName]!;
      const { outputs } = model.apply({ parameters, buffers }, input, 'train');
      const weight = tf.tensor(importance.data, [...importance.shape]);
      const output = outputs['reconstruction']!;
      if (input.rank < 3) return { losses: { mse: weightedMse(output, input, weight) }, buffers };
      return { losses: { mse: tf.mean(weightedMeanSquares(output, input, weight, [0]), -1) }, buffers };
    },
  };
}
