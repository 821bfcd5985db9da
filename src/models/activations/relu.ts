/** features = relu(pre), made sparse by an L1 penalty (Cunningham et al. 2023; Bricken et al. 2023). */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import type { SaeActivation } from './activation.ts';

export interface ReluOptions {
  /** Weight of mean over batch of Σ_j |f_j|·‖W_dec_j‖ in the loss, ≥ 0. Default 0. */
  readonly l1?: number;
}

export function reluActivation({ l1 = 0 }: ReluOptions = {}): SaeActivation {
  if (!(l1 >= 0 && Number.isFinite(l1))) throw new InvalidValueError(`l1 must be a number of at least 0, got ${l1}`);
  return {
    kind: 'relu',
    l1,
    initialBuffers: () => ({}),
    apply: (preActivations, buffers) => ({ features: tf.relu(preActivations), buffers }),
    applyLatentsFirst: (preActivations, buffers) => ({ features: tf.relu(preActivations), buffers }),
    frozen: () => ({ architecture: 'standard', weights: {} }),
  };
}
