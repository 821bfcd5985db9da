/** features = relu(pre), made sparse by an L1 penalty (Cunningham et al. 2023; Bricken et al. 2023). */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { scaled } from '../scaled.ts';
import type { FlagValues, SaeArchitecture, SettingFlag } from './architecture.ts';
import { TARGET_L0, withL0Controller } from './l0-controller.ts';
import { frozenLinear, linearForward, linearParameters, weightedFeatureSums } from './linear-coder.ts';

export interface ReluConfig {
  /**
   * Weight of mean over batch of Σ_j |f_j| · ‖W_dec_j‖ in the loss, ≥ 0, in the unit of the reconstruction loss: beside a `mean` over d_out it
   * is SAELens's `l1_coefficient` / d_out, beside a `sum` the same. Default 0.
   */
  readonly l1?: number;
  /** Active latents per sample that the weight is steered to, in (0, d_sae] (see withL0Controller). Default none: the weight stays. */
  readonly targetL0?: number;
  /** How fast. Default by the number of steps. */
  readonly l0Gain?: number;
}

/** @throws InvalidValueError if `l1` is negative or not finite. */
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

export const reluFlags: readonly SettingFlag[] = [
  {
    flag: '--l1 <weight>',
    says: 'weight of the L1 penalty (relu, gated; default the preset’s)',
    takes: 'a number of at least 0',
  },
  TARGET_L0,
];

export function reluFromFlags({ l1, targetL0 }: FlagValues): ReluConfig {
  return {
    ...(l1 !== undefined && { l1: Number(l1) }),
    ...(targetL0 !== undefined && { targetL0: Number(targetL0) }),
  };
}
