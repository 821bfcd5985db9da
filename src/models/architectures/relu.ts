/** features = relu(pre), made sparse by an L1 penalty (Cunningham et al. 2023; Bricken et al. 2023). */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { scaled } from '../scaled.ts';
import type { FlagValues, SaeArchitecture, SettingFlag } from './architecture.ts';
import { TARGET_L0, withL0Controller } from './l0-controller.ts';
import { frozenLinear, linearForward, linearParameters, weightedFeatureSums } from './linear-coder.ts';

/** Settings of a ReLU SAE. */
export interface ReluConfig {
  /**
   * The weight of the mean over the batch of Σ_j |f_j| · ‖W_dec_j‖, at least 0, in the unit of the reconstruction loss:
   * with `sum` it is SAELens's `l1_coefficient`, with `mean` that coefficient divided by d_out. Default 0.
   */
  readonly l1?: number;
  /**
   * A number of active latents per sample, in (0, d_sae], to which the weight is steered (see withL0Controller).
   * Default: the weight is constant.
   */
  readonly targetL0?: number;
  /** The gain of that steering, in (0, 1). Default: from the number of steps. */
  readonly l0Gain?: number;
}

/**
 * The architecture ReLU with an L1 penalty.
 * @throws InvalidValueError where `l1` is negative or not finite
 */
export function relu({ l1 = 0, targetL0, l0Gain }: ReluConfig, dSae: number): SaeArchitecture {
  if (!(l1 >= 0 && Number.isFinite(l1))) throw new InvalidValueError(`l1 must be a number of at least 0, got ${l1}`);
  const architecture: SaeArchitecture = {
    kind: 'relu',
    config: { kind: 'relu', l1 },
    scalars: { l1: { value: l1, setting: 'l1' } },
    parameters: linearParameters,
    buffers: () => ({}),
    forward: inputs =>
      linearForward(inputs, {
        rows: preActivations => ({ features: tf.relu(preActivations) }),
        columns: preActivations => tf.relu(preActivations),
      }),
    terms: ['l1'],
    losses: (inputs, forward) => ({
      l1: scaled(tf.mean(weightedFeatureSums(inputs, forward), -1), inputs.scalars['l1']!),
    }),
    freeze: (shape, state) => frozenLinear(shape, state, { architecture: 'standard', weights: {} }),
  };
  return targetL0 === undefined ? architecture : withL0Controller(architecture, 'l1', { targetL0, l0Gain }, dSae);
}

/** The options of a ReLU SAE. */
export const reluFlags: readonly SettingFlag[] = [
  {
    flag: '--l1 <weight>',
    says: 'weight of the L1 penalty (relu, gated; default the preset’s)',
    takes: 'a number of at least 0',
  },
  TARGET_L0,
];

/** The settings of a ReLU SAE from the command line's options. */
export function reluFromFlags({ l1, targetL0 }: FlagValues): ReluConfig {
  return {
    ...(l1 !== undefined && { l1: Number(l1) }),
    ...(targetL0 !== undefined && { targetL0: Number(targetL0) }),
  };
}
