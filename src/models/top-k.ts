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
  let indices: tf.Tensor | undefined;
  // What runs inside customGrad is not on the tape, so that no gradient is asked of the indices.
  const choose = tf.customGrad((input, save) => {
    const top = tf.topk(input as tf.Tensor, k, sorted);
    indices = top.indices;
    (save as tf.GradSaveFunc)([top.indices]);
    return {
      value: top.values,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => scatterUnique(dy, saved[0]!, size),
    };
  });
  const values = choose(x);
  return { values, indices: indices! };
}
