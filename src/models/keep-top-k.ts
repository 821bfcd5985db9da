/** Keeping the k largest entries, with a gradient, which tf.topk lacks. */
import * as tf from '@tensorflow/tfjs';
import { EAGER_BACKENDS } from './eager-backends.ts';
import { scatterUnique } from './scatter-unique.ts';

/** The name of this package's own kernel, for which a recorded graph can take a faster form where k = 1. */
export const TOP_K_MASK = 'TopKMask';

/**
 * `x` [..., n] with all but the `k` largest entries of the last axis set to 0; exactly k stay, ties broken by the backend.
 * With `counts` [n_instances], at most k each, entry i of the leading axis keeps its own number. Gradients flow to the entries that stay.
 */
export function keepTopK(x: tf.Tensor, k: number, counts?: tf.Tensor): tf.Tensor {
  const keep = tf.customGrad((given, save) => {
    const mask = counts
      ? maskOfEach(given as tf.Tensor, k, counts)
      : (tf.engine().runKernel(TOP_K_MASK, { x: given as tf.Tensor }, { k }) as tf.Tensor);
    (save as tf.GradSaveFunc)([mask]);
    return {
      value: tf.mul(given as tf.Tensor, mask),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0]!),
    };
  });
  return keep(x);
}

/** 1 at the `counts` largest entries of each row: of the `most` largest in order, those whose rank is below the count. */
function maskOfEach(x: tf.Tensor, most: number, counts: tf.Tensor): tf.Tensor {
  const { indices } = tf.topk(x, most, true);
  const each = tf.reshape(counts, [-1, ...Array<number>(x.rank - 1).fill(1)]);
  const stays = tf.cast(tf.less(tf.range(0, most), each), 'float32');
  return scatterUnique(tf.mul(tf.ones(indices.shape), stays), indices, x.shape.at(-1)!);
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
