/** TopK: the k largest pre-activations of each sample stay, then ReLU (Makhzani & Frey 2013; Gao et al. 2024). */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { requirePositiveInteger } from '../dimensions.ts';
import { keepTopK } from '../keep-top-k.ts';
import { reluLargest } from '../relu-largest.ts';
import type { FlagValues, SaeArchitecture, SettingFlag } from './architecture.ts';
import { type AuxKOptions, auxKFlags, auxKFromFlags, withAuxK } from './aux-k.ts';
import { frozenLinear, linearForward, linearParameters } from './linear-coder.ts';

/** Settings of TopK. */
export interface TopkConfig {
  /** The number of latents that may be active in each sample, an integer from 1 to d_sae. */
  readonly k: number;
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
 * The architecture TopK.
 * @throws InvalidValueError where k is no integer from 1 to d_sae
 */
export function topk({ k, auxK, rescaleByDecoderNorm = false }: TopkConfig, dSae: number): SaeArchitecture {
  requirePositiveInteger(k, 'k');
  if (k > dSae) throw new InvalidValueError(`k must be less than or equal to d_sae ${dSae}, got ${k}`);
  const architecture: SaeArchitecture = {
    kind: 'topk',
    config: { kind: 'topk', k, ...(rescaleByDecoderNorm && { rescaleByDecoderNorm }) },
    k,
    scalars: { k: { value: k, setting: 'k', perStep: Math.round } },
    parameters: linearParameters,
    buffers: () => ({}),
    forward(inputs) {
      const kept = inputs.scalars['k']!;
      const isAlone = kept.value === 1 && !kept.tensor;
      return linearForward(inputs, {
        rows: preActivations => ({ features: tf.relu(keepTopK(preActivations, kept.value, kept.tensor)) }),
        columns: isAlone ? reluLargest : undefined,
        rescaleByDecoderNorm,
      });
    },
    freeze: (shape, state) =>
      frozenLinear(shape, state, { architecture: 'topk', k, weights: {}, rescaleByDecoderNorm }),
  };
  return auxK ? withAuxK(architecture, auxK, dSae) : architecture;
}

/** The options of TopK. */
export const topkFlags: readonly SettingFlag[] = [
  { flag: '--k <n>', says: 'active latents per sample (topk, batchtopk, matryoshka)', takes: 'a positive number' },
  ...auxKFlags,
];

/** The settings of TopK from the command line's options. */
export function topkFromFlags(flags: FlagValues): TopkConfig {
  return { k: Number(flags['k']), ...auxKFromFlags(flags) };
}
