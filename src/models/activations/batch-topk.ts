/**
 * ReLU, then the k · batch largest features of the whole batch stay (Bussmann et al. 2024). A sample alone has no batch, so for
 * inference a threshold θ stands in: a running mean of the smallest positive feature that was selected.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import type { HostTensor, Shape } from '../../tensor.ts';
import { keepTopK } from '../keep-top-k.ts';
import type { Tensors } from '../model.ts';
import { KEPT, type SaeActivation } from './activation.ts';

/** θ ← .99 θ + .01 · (smallest selected). */
const MOMENTUM = 0.99;
/** Larger than any activation: what an unselected entry counts as when the smallest is sought. */
const NOT_SELECTED = 3e38;

export interface BatchTopkOptions {
  /** Completed steps at which θ starts again, when the first wild steps are over: a tenth of training. Default never. */
  readonly restartThresholdAt?: number;
}

/**
 * `k` may be fractional: ⌊k · batch⌋ features are kept. Buffers: `threshold` and `steps`, scalars per instance; θ = 0 means that
 * nothing was selected yet. InvalidValueError: k "must be positive" and "must be less than or equal to" d_sae.
 */
export function batchTopkActivation(k: number, dSae: number, options: BatchTopkOptions = {}): SaeActivation {
  const { restartThresholdAt = -1 } = options;
  if (!(k > 0)) throw new InvalidValueError(`k must be positive, got ${k}`);
  if (k > dSae) throw new InvalidValueError(`k must be less than or equal to d_sae ${dSae}, got ${k}`);
  const kept = (batch: number): number => {
    const count = Math.floor(k * batch);
    if (count < 1) throw new InvalidValueError(`k must be positive: ${k} · ${batch} samples keeps no feature`);
    return count;
  };
  return {
    kind: 'batchtopk',
    k,
    l1: 0,
    initialBuffers: lead => ({ threshold: filled(lead, 0), steps: filled(lead, 0) }),
    kept,

    apply(preActivations, buffers, mode) {
      const positive = tf.relu(preActivations);
      if (mode === 'frozen') return { features: aboveThreshold(positive, buffers['threshold']!), buffers };
      const shape = positive.shape;
      const lead = shape.slice(0, -2);
      const [batch, width] = shape.slice(-2) as [number, number];
      const selected = keepTopK(tf.reshape(positive, [...lead, batch * width]), kept(batch), buffers[KEPT]);
      return {
        features: tf.reshape(selected, shape),
        buffers: { ...buffers, ...updateThreshold(selected, buffers, restartThresholdAt) },
      };
    },

    frozen: ({ threshold }, size) => ({
      architecture: 'jumprelu',
      weights: { threshold: filled([size], threshold!.data[0]!) },
    }),
  };
}

/** f · [f > θ]. */
function aboveThreshold(features: tf.Tensor, threshold: tf.Tensor): tf.Tensor {
  const perSample = threshold.rank > 0 ? tf.reshape(threshold, [...threshold.shape, 1, 1]) : threshold;
  return tf.mul(features, tf.step(tf.sub(features, perSample)));
}

/** A step that selects no positive feature changes nothing; θ takes the first as it is, then moves slowly. */
function updateThreshold(selected: tf.Tensor, { threshold, steps }: Tensors, restartAt: number): Tensors {
  const smallest = tf.min(tf.where(tf.greater(selected, 0), selected, tf.fill(selected.shape, NOT_SELECTED)), -1);
  const moved = tf.add(tf.mul(threshold!, MOMENTUM), tf.mul(smallest, 1 - MOMENTUM));
  const starts = tf.logicalOr(tf.equal(threshold!, 0), tf.equal(steps!, restartAt));
  const next = tf.where(starts, smallest, moved);
  const none = tf.greaterEqual(smallest, NOT_SELECTED);
  return { threshold: tf.where(none, threshold!, next), steps: tf.add(steps!, 1) };
}

function filled(shape: Shape, value: number): HostTensor {
  return { data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape: [...shape] };
}
