/** A tensor times a number of the training step. */
import * as tf from '@tensorflow/tfjs';
import type { Scalar } from './model.ts';

/** `x` [...lead] times the scalar, [] or [n_instances]. */
export function scaled(x: tf.Tensor, { value, tensor }: Scalar): tf.Tensor {
  return tf.mul(x, tensor ?? value);
}
