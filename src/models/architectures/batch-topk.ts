/**
 * BatchTopK: after ReLU, only the k · batch largest features of the whole batch stay (Bussmann et al. 2024). A single
 * sample has no batch; inference therefore uses a threshold θ, a running mean of the smallest positive feature that was
 * selected.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { filled } from '../../tensor.ts';
import { keepTopK } from '../keep-top-k.ts';
import type { Tensors } from '../model.ts';
import type { SaeArchitecture, SettingFlag } from './architecture.ts';
import { type AuxKOptions, withAuxK } from './aux-k.ts';
import { frozenLinear, linearForward, linearParameters } from './linear-coder.ts';
import { topkFlags, topkFromFlags } from './topk.ts';

/** θ ← .99 θ + .01 · (smallest selected). */
const MOMENTUM = 0.99;
/** Larger than any activation: the value of unselected entries when the smallest selected one is sought. */
const NOT_SELECTED = 3e38;

/** Settings of BatchTopK. */
export interface BatchTopkConfig {
  /** Active latents per sample on average over a batch, > 0 and at most d_sae; may be fractional: ⌊k · batch⌋ features are kept. */
  readonly k: number;
  /**
   * The number of completed steps at which θ starts again, after the first unsettled steps. Default: never; training
   * sets a tenth of its steps.
   */
  readonly restartThresholdAt?: number;
  /**
   * Revives dead latents: `{}` takes the paper's settings, `false` none. Default: none; training takes the preset's, or
   * without a preset `{}` beyond 64 latents.
   */
  readonly auxK?: AuxKOptions | false;
  /**
   * Whether latents are chosen by z · ‖W_dec‖ and decoded by W_dec / ‖W_dec‖; meant for `decoder: 'free'`. Default
   * false.
   */
  readonly rescaleByDecoderNorm?: boolean;
}

/**
 * The architecture BatchTopK. Its buffers are `threshold` and `steps`, [] each; θ = 0 says that nothing has been
 * selected yet.
 * @throws InvalidValueError where k is out of range
 */
export function batchTopk(config: BatchTopkConfig, dSae: number): SaeArchitecture {
  const { k, restartThresholdAt = -1, auxK, rescaleByDecoderNorm = false } = config;
  if (!(k > 0)) throw new InvalidValueError(`k must be positive, got ${k}`);
  if (k > dSae) throw new InvalidValueError(`k must be less than or equal to d_sae ${dSae}, got ${k}`);
  const architecture: SaeArchitecture = {
    kind: 'batchtopk',
    config: {
      kind: 'batchtopk',
      k,
      ...(restartThresholdAt >= 0 && { restartThresholdAt }),
      ...(rescaleByDecoderNorm && { rescaleByDecoderNorm }),
    },
    k,
    scalars: { k: { value: k, setting: 'k', perStep: entriesKept } },
    trainingDefaults: steps => ({ restartThresholdAt: Math.floor(steps / 10) }),
    parameters: linearParameters,
    buffers: () => ({ threshold: filled([], 0), steps: filled([], 0) }),
    forward(inputs) {
      const kept = inputs.scalars['k']!;
      return linearForward(inputs, {
        rescaleByDecoderNorm,
        rows(preActivations) {
          const positive = tf.relu(preActivations);
          const { shape } = positive;
          const lead = shape.slice(0, -2);
          const [batch, width] = shape.slice(-2) as [number, number];
          const selected = keepTopK(tf.reshape(positive, [...lead, batch * width]), kept.value, kept.tensor);
          return {
            features: tf.reshape(selected, shape),
            buffers: updateThreshold(selected, inputs.buffers, restartThresholdAt),
          };
        },
      });
    },
    freeze: (shape, state) =>
      frozenLinear(shape, state, {
        architecture: 'jumprelu',
        rescaleByDecoderNorm,
        weights: { threshold: filled([dSae], state.buffers['threshold']!.data[0]!) },
      }),
  };
  return auxK ? withAuxK(architecture, auxK, dSae) : architecture;
}

/** How many entries of the whole batch stay: ⌊k · batch⌋. */
function entriesKept(k: number, batch: number): number {
  const count = Math.floor(k * batch);
  if (count < 1) throw new InvalidValueError(`k must be positive: ${k} · ${batch} samples keeps no feature`);
  return count;
}

/**
 * The buffers after a batch. The first selected feature sets θ, later ones move it slowly; a batch that selects no
 * positive feature changes nothing.
 */
function updateThreshold(selected: tf.Tensor, { threshold, steps }: Tensors, restartAt: number): Tensors {
  const smallest = tf.min(tf.where(tf.greater(selected, 0), selected, tf.fill(selected.shape, NOT_SELECTED)), -1);
  const moved = tf.add(tf.mul(threshold!, MOMENTUM), tf.mul(smallest, 1 - MOMENTUM));
  const starts = tf.logicalOr(tf.equal(threshold!, 0), tf.equal(steps!, restartAt));
  const next = tf.where(starts, smallest, moved);
  const none = tf.greaterEqual(smallest, NOT_SELECTED);
  return { threshold: tf.where(none, threshold!, next), steps: tf.add(steps!, 1) };
}

/** The options of BatchTopK: those of TopK. */
export const batchTopkFlags: readonly SettingFlag[] = topkFlags;

/** The settings of BatchTopK from the command line's options. */
export const batchTopkFromFlags: typeof topkFromFlags = topkFromFlags;
