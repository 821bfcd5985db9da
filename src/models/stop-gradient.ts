/** PyTorch's `detach`, which TensorFlow.js lacks. */
import * as tf from '@tensorflow/tfjs';

/** `x` as it is, through which no gradient flows. */
export function stopGradient(x: tf.Tensor): tf.Tensor {
  return tf.customGrad(given => ({
    value: tf.clone(given as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }))(x);
}
