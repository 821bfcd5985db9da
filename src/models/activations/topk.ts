/** The k largest pre-activations of each sample stay, then ReLU (Makhzani & Frey 2013; Gao et al. 2024). */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { requirePositiveInteger } from '../dimensions.ts';
import { keepTopK } from '../keep-top-k.ts';
import type { Tensors } from '../model.ts';
import { reluLargest } from '../relu-largest.ts';
import { scatterUnique } from '../scatter-unique.ts';
import { KEPT, type SaeActivation } from './activation.ts';

/** InvalidValueError: k "must be positive" and "must be less than or equal to" d_sae. */
export function topkActivation(k: number, dSae: number): SaeActivation {
  requirePositiveInteger(k, 'k');
  if (k > dSae) throw new InvalidValueError(`k must be less than or equal to d_sae ${dSae}, got ${k}`);
  return {
    kind: 'topk',
    k,
    l1: 0,
    initialBuffers: () => ({}),
    kept: () => k,
    apply(preActivations, buffers, mode) {
      if (mode === 'train') return { features: tf.relu(keepTopK(preActivations, k, buffers[KEPT])), buffers };
      const { values, indices } = tf.topk(preActivations, k, true);
      const feature_values = tf.relu(values);
      const features = scatterUnique(feature_values, indices, dSae);
      return { features, buffers, named: { feature_indices: indices, feature_values } };
    },
    ...(k === 1 && {
      applyLatentsFirst: (preActivations: tf.Tensor, buffers: Tensors) => ({
        features: reluLargest(preActivations),
        buffers,
      }),
    }),
    frozen: () => ({ architecture: 'topk', k, weights: {} }),
  };
}
