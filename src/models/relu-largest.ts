/**
 * TopK with k = 1, then ReLU, for pre-activations laid out latents first, batch last. tf.topk works along the last axis only; here the
 * long axis is last, which elementwise work wants when there are few latents.
 */
import * as tf from '@tensorflow/tfjs';

/** The smallest normal float32: an entry counts as positive from here on. */
const SMALLEST = 2 ** -126;

/**
 * `x` [..., n, batch] with all but the largest of each column's n entries set to 0, and that too unless it is positive;
 * of equal ones the first stays. Gradients flow to what stays. n should be small: the computation costs a product with
 * an n × n matrix.
 */
export function reluLargest(x: tf.Tensor): tf.Tensor {
  const n = x.shape.at(-2)!;
  const keep = tf.customGrad((given, save) => {
    const values = given as tf.Tensor;
    // Where no entry is positive the bound lies above all of them.
    const bound = tf.maximum(tf.max(values, -2, true), SMALLEST);
    const largest = tf.cast(tf.greaterEqual(values, bound), 'float32');
    // Each entry minus those before it: 1 for the first of equal ones, at most 0 for the rest.
    const mask = tf.relu(tf.matMul(oneLessThoseBefore(n, x.rank), largest));
    (save as tf.GradSaveFunc)([mask]);
    return {
      value: tf.mul(values, mask),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0]!),
    };
  });
  return keep(x);
}

/** [..., n, n] with 1 on the diagonal and −1 below it. */
function oneLessThoseBefore(n: number, rank: number): tf.Tensor {
  const data = Float32Array.from({ length: n * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    if (row === column) return 1;
    return column < row ? -1 : 0;
  });
  return tf.tensor(data, [...Array<number>(rank - 2).fill(1), n, n]);
}
