/** Means of squares, with the gradient in its shortest form. */
import * as tf from '@tensorflow/tfjs';

/** Mean of x² over `axes`. Its gradient is one product, (2/n · dy) x; autodiff takes two over every element of x. */
export function meanSquare(x: tf.Tensor, axes: readonly number[]): tf.Tensor {
  const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const mean = tf.customGrad((given, save) => {
    (save as tf.GradSaveFunc)([given as tf.Tensor]);
    return {
      value: tf.mean(tf.square(given as tf.Tensor), [...axes]),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(tf.reshape(tf.mul(dy, 2 / count), kept), saved[0]!),
    };
  });
  return mean(x);
}
