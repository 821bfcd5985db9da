/**
 * Counts how often each latent fires, over windows of steps that follow each other without overlap, as SAELens measures
 * its `log_feature_sparsity`. A latent that fires now and then is never silent for long; only its rate shows that it is
 * nearly dead.
 */
import * as tf from '@tensorflow/tfjs';
import { filled, type HostTensors } from '../tensor.ts';
import type { Tensors } from './model.ts';

/** The buffer that holds each latent's share of samples in the last whole window; 1 before there is one, so that none counts as dead. */
export const FIRING_RATE = 'firing_rate';
/** Samples of the current window on which each latent fired, and the steps of that window. */
const FIRED = 'fired';
const WINDOW_STEPS = 'window_steps';

/** The buffers before the first step. */
export function firingRateBuffers(dSae: number): HostTensors {
  return { [FIRING_RATE]: filled([dSae], 1), [FIRED]: filled([dSae], 0), [WINDOW_STEPS]: filled([], 0) };
}

/** The buffers after a batch of `features` [...lead, batch, d_sae], where a window has `window` steps. */
export function countedFiring(buffers: Tensors, features: tf.Tensor, window: number): Tensors {
  const fired = tf.add(buffers[FIRED]!, tf.sum(tf.step(features), -2));
  const steps = tf.add(buffers[WINDOW_STEPS]!, 1);
  const ends = tf.cast(tf.greaterEqual(steps, window), 'float32');
  const goesOn = tf.sub(1, ends);
  // A number [] or [n_instances] becomes a column beside [...lead, d_sae].
  const column = (number: tf.Tensor): tf.Tensor => (number.rank === 0 ? number : tf.expandDims(number, -1));
  const rate = tf.div(fired, window * features.shape.at(-2)!);
  return {
    [FIRING_RATE]: tf.add(tf.mul(rate, column(ends)), tf.mul(buffers[FIRING_RATE]!, column(goesOn))),
    [FIRED]: tf.mul(fired, column(goesOn)),
    [WINDOW_STEPS]: tf.mul(steps, goesOn),
  };
}
