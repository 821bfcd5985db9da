/** Keeping the k largest entries, with a gradient, which tf.topk lacks. */
import * as tf from '@tensorflow/tfjs';
import { EAGER_BACKENDS } from './eager-backends.ts';
import { scatterUnique } from './scatter-unique.ts';

/** A kernel of ours, so that a recorded graph can take a faster form for k = 1. */
export const TOP_K_MASK = 'TopKMask';

/**
 * `x` [..., n] with all but the `k` largest entries of the last axis set to 0; exactly k stay, ties broken by the backend.
 * Gradients flow to the entries that stay.
 */
export function keepTopK(x: tf.Tensor, k: number): tf.Tensor {
  const keep = tf.customGrad((given, save) => {
    const mask = tf.engine().runKernel(TOP_K_MASK, { x: given as tf.Tensor }, { k }) as tf.Tensor;
    (save as tf.GradSaveFunc)([mask]);
    return {
      value: tf.mul(given as tf.Tensor, mask),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0]!),
    };
  });
  return keep(x);
}

for (const backendName of EAGER_BACKENDS) {
  tf.registerKernel({
    kernelName: TOP_K_MASK,
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const { x } = inputs as unknown as { x: tf.Tensor };
      const { k } = attrs as unknown as { k: number };
      const { indices } = tf.topk(x, k, false);
      return scatterUnique(tf.ones(indices.shape), indices, x.shape.at(-1)!);
    },
  });
}
