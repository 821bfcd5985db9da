/** The k largest entries of the last axis, with a gradient, which tf.topk lacks. */
import * as tf from '@tensorflow/tfjs';
import { scatterUnique } from './scatter-unique.ts';

export interface TopK {
  /** [..., k]; gradients flow to the chosen entries. */
  readonly values: tf.Tensor;
  /** [..., k] int32, distinct along the last axis. */
  readonly indices: tf.Tensor;
}

/** The `k` largest entries of the last axis of `x` [..., n]; in falling order where `sorted`. */
export function topK(x: tf.Tensor, k: number, sorted = false): TopK {
  const size = x.shape.at(-1)!;
  const { values, indices } = tf.topk(x, k, sorted);
  const choose = tf.customGrad((_, save) => {
    (save as tf.GradSaveFunc)([indices]);
    return {
      value: values.clone(),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => scatterUnique(dy, saved[0]!, size),
    };
  });
  return { values: choose(x), indices };
}
