/**
 * A controller that steers the weight of a sparsity loss so that a wanted number of latents is active: the coefficient
 * autotuner of SynthSAEBench's JumpReLU and L1 autoencoders (decoderesearch/synth-sae-bench-experiments,
 * saes/components/coefficient_autotuner.py).
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { filled } from '../../tensor.ts';
import type { Tensors } from '../model.ts';
import { stopGradient } from '../stop-gradient.ts';
import type { SaeArchitecture, SettingFlag } from './architecture.ts';

const [SMOOTHING, CHANGE_SMOOTHING] = [0.99, 0.95];
const [GAIN_SCALE, GAIN_TOWARDS] = [10, 0.01];
/**
 * The published gain, for trainings of 200,000 steps. A shorter training would end before its weight has moved, so its
 * gain is larger, at most .01.
 */
const [GAIN, GAIN_STEPS, LARGEST_GAIN] = [3e-4, 200_000, 0.01];
const [LEAST, MOST] = [0.01, 100];
/** The value of the running mean before the first batch. */
const NOT_BEGUN = -1;

/**
 * `architecture` with the number `name` of its loss times a multiplier m, which starts at 1. With L the mean L0 of each batch:
 *
 *     s ← .99 s + .01 L, from the first L on      r ← .95 r + .05 (change of s)      e = s − target
 *     a = gain · (e r < 0 ? .01 : 1) · tanh(10 |e| / target)      m ← m (1 + a) if e > 0, else m (1 − a), in [.01, 100]
 *
 * and the batch's own m weighs its loss. The gain is 3e-4 there, in 200,000 steps; a training of fewer takes as many times more. All of it is state of the training, so that a resumed run goes on alike.
 * @param settings.targetL0 active latents per sample, in (0, d_sae]
 * @param settings.l0Gain in (0, 1). Default 3e-4; training sets 3e-4 · 200,000 / steps, at most .01
 * @throws InvalidValueError for settings out of range
 */
export function withL0Controller(
  architecture: SaeArchitecture,
  name: string,
  { targetL0: target, l0Gain: gain = GAIN }: { readonly targetL0: number; readonly l0Gain?: number | undefined },
  dSae: number,
): SaeArchitecture {
  if (!(gain > 0 && gain < 1)) throw new InvalidValueError(`l0Gain must lie between 0 and 1, got ${gain}`);
  if (!(target > 0 && target <= dSae)) {
    throw new InvalidValueError(`targetL0 must lie above 0 and be at most d_sae ${dSae}, got ${target}`);
  }
  return {
    ...architecture,
    config: { ...architecture.config, targetL0: target, l0Gain: gain },
    trainingDefaults: steps => ({
      ...architecture.trainingDefaults?.(steps),
      l0Gain: Math.min(LARGEST_GAIN, (GAIN * GAIN_STEPS) / Math.max(1, steps)),
    }),
    buffers: shape => ({
      ...architecture.buffers(shape),
      l0_mean: filled([], NOT_BEGUN),
      l0_change: filled([], 0),
      l0_multiplier: filled([], 1),
    }),
    forward(inputs) {
      const forward = architecture.forward(inputs);
      const active = tf.mean(tf.sum(tf.step(forward.features), -1), -1);
      return { ...forward, buffers: { ...forward.buffers, ...steered(inputs.buffers, active, target, gain) } };
    },
    losses(inputs, forward) {
      const { value, tensor } = inputs.scalars[name]!;
      const multiplier = stopGradient(forward.buffers['l0_multiplier']!);
      const weight = { value, tensor: tf.mul(tensor ?? value, multiplier) };
      return architecture.losses!({ ...inputs, scalars: { ...inputs.scalars, [name]: weight } }, forward);
    },
  };
}

/** The buffers after a batch with `active` latents per sample, [...lead]. */
function steered(before: Tensors, active: tf.Tensor, target: number, largestGain: number): Tensors {
  const mean = before['l0_mean']!;
  const hasBegun = tf.step(tf.add(mean, 0.5));
  const smoothed = tf.add(tf.mul(mean, SMOOTHING), tf.mul(active, 1 - SMOOTHING));
  const now = tf.add(tf.mul(hasBegun, smoothed), tf.mul(tf.sub(1, hasBegun), active));
  const changed = tf.add(
    tf.mul(before['l0_change']!, CHANGE_SMOOTHING),
    tf.mul(tf.sub(now, mean), 1 - CHANGE_SMOOTHING),
  );
  const change = tf.mul(hasBegun, changed);
  const error = tf.sub(now, target);
  const isTowards = tf.step(tf.neg(tf.mul(error, change)));
  // This factor grows with the gain, so that a short training can come near.
  const towards = Math.min(1, (GAIN_TOWARDS * largestGain) / GAIN);
  const gain = tf.sub(1, tf.mul(isTowards, 1 - towards));
  const size = tf.mul(tf.tanh(tf.mul(tf.abs(error), GAIN_SCALE / target)), tf.mul(gain, largestGain));
  const direction = tf.sub(tf.mul(tf.step(error), 2), 1);
  const multiplier = tf.mul(before['l0_multiplier']!, tf.add(tf.mul(direction, size), 1));
  return {
    l0_mean: now,
    l0_change: change,
    l0_multiplier: tf.minimum(tf.maximum(multiplier, LEAST), MOST),
  };
}

/** The option `--target-l0`. */
export const TARGET_L0: SettingFlag = {
  flag: '--target-l0 <n>',
  says: 'active latents per sample that the weight of the sparsity loss is steered to (relu, gated, jumprelu), or that a quadratic loss aims at',
  takes: 'a positive number',
};
