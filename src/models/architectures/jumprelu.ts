/**
 * f = z · [z > θ] with a threshold θ of each latent's own that is trained by straight-through estimates (Rajamanoharan et al. 2024,
 * "Jumping Ahead"; Anthropic, January 2025; Gemma Scope 2). With ε the bandwidth and rect(u) = [|u| < ½]:
 *
 *     ∂f/∂θ = −(θ/ε) rect((z − θ)/ε)      ∂f/∂z = [z > θ], and with `gradientToInput` + (θ/ε) rect((z − θ)/ε)
 *     H = [z > θ]:  ∂H/∂θ = −(1/ε) rect((z − θ)/ε)      ∂H/∂z = 0, and with `gradientToInput` + (1/ε) rect((z − θ)/ε)
 *
 * Formulas and defaults are SAELens's. θ is a plain parameter, put back to at least 0 before each step: Adam moves its logarithm too little.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { filled, type HostTensor } from '../../tensor.ts';
import { scaled } from '../scaled.ts';
import type { FlagValues, Forward, ForwardInputs, SaeArchitecture, SettingFlag } from './architecture.ts';
import { TARGET_L0, withL0Controller } from './l0-controller.ts';
import { frozenLinear, linearForward, linearParameters, rowOf } from './linear-coder.ts';

/** The names of JumpReLU's sparsity losses. */
export const SPARSITY_LOSSES = ['step', 'tanh', 'quadratic', 'quadratic-batch'] as const;

/**
 * The sparsity loss, times `l0`: `step` mean of L0 = Σ H (DeepMind 2024); `tanh` mean of Σ tanh(c · f · ‖W_dec‖) (Anthropic 2025); `quadratic` mean of
 * 2/target · (L0 − target)² of each sample (Gemma Scope 2, in SAELens); `quadratic-batch` (mean L0 / target − 1)² (dictionary_learning).
 */
export type SparsityLoss = (typeof SPARSITY_LOSSES)[number];

/** Settings of JumpReLU. */
export interface JumpreluConfig {
  /** The sparsity loss. Default `step`. */
  readonly sparsityLoss?: SparsityLoss;
  /** Weight of the sparsity loss, ≥ 0, in the unit of the reconstruction loss. Default 1 for `step` and `quadratic-batch`, else 5. */
  readonly l0?: number;
  /**
   * The bandwidth ε of the estimated gradients, above 0. Default .05 for `step`, 2 for `tanh`, .01 for `quadratic`,
   * .001 for `quadratic-batch`.
   */
  readonly bandwidth?: number;
  /**
   * The threshold θ of every latent before training, at least 0. Default .01 for `step` and `quadratic`, .1 for `tanh`,
   * .001 for `quadratic-batch`.
   */
  readonly threshold?: number;
  /**
   * A number of active latents per sample, in (0, d_sae]. The quadratic losses aim at it and need it. With `step` and
   * `tanh` the loss's weight is steered towards it (see withL0Controller). Default: none.
   */
  readonly targetL0?: number;
  /** The gain of that steering, in (0, 1). Default: from the number of steps. */
  readonly l0Gain?: number;
  /** The scale c of `tanh`, above 0. Default 4. */
  readonly tanhScale?: number;
  /**
   * Whether the estimated gradients also reach the pre-activations, and so the encoder. Default true for `tanh`
   * (Anthropic), otherwise false (DeepMind).
   */
  readonly gradientToInput?: boolean;
  /**
   * The weight of a term that draws dead latents back, the mean of Σ over dead latents of relu(θ − z) · ‖W_dec‖; at
   * least 0. Default 3e-6 for `tanh`, otherwise 0.
   */
  readonly preActivationLoss?: number;
  /** A latent is dead for that term after this many steps without firing. Default 1000. */
  readonly deadAfter?: number;
}

const DEFAULTS: Readonly<Record<SparsityLoss, { l0: number; bandwidth: number; threshold: number }>> = {
  step: { l0: 1, bandwidth: 0.05, threshold: 0.01 },
  tanh: { l0: 5, bandwidth: 2, threshold: 0.1 },
  quadratic: { l0: 5, bandwidth: 0.01, threshold: 0.01 },
  'quadratic-batch': { l0: 1, bandwidth: 0.001, threshold: 0.001 },
};

/**
 * The architecture JumpReLU.
 * @throws InvalidValueError for settings out of their range
 */
export function jumprelu(config: JumpreluConfig, dSae: number): SaeArchitecture {
  const settings = resolved(config, dSae);
  const { sparsityLoss, l0, bandwidth, threshold, gradientToInput, preActivationLoss } = settings;
  const estimates = { bandwidth, gradientToInput };
  const architecture: SaeArchitecture = {
    kind: 'jumprelu',
    config: { kind: 'jumprelu', ...settings },
    scalars: {
      l0: { value: l0, setting: 'l0' },
      ...(preActivationLoss > 0 && { pre_act: { value: preActivationLoss, setting: 'preActivationLoss' } }),
    },
    asksForFiring: preActivationLoss > 0,
    parameters: (shape, start) => ({ ...linearParameters(shape, start), threshold: filled([dSae], threshold) }),
    buffers: () => ({}),
    project: parameters => ({ ...parameters, threshold: tf.relu(parameters['threshold']!) }),
    forward: inputs =>
      linearForward(
        { ...inputs, readsPreActivations: true },
        {
          rows: preActivations => ({
            features: jump(preActivations, rowOf(inputs.parameters['threshold']!), estimates),
          }),
        },
      ),
    terms: ['l0', ...(preActivationLoss > 0 ? ['pre_act'] : [])],
    losses: (inputs, forward) => ({
      l0: scaled(sparsity(inputs, forward, sparsityLoss, settings), inputs.scalars['l0']!),
      ...(preActivationLoss > 0 && {
        pre_act: scaled(deadPull(inputs, forward, settings.deadAfter), inputs.scalars['pre_act']!),
      }),
    }),
    freeze(shape, state) {
      const trained = state.parameters['threshold']!;
      const positive: HostTensor = { data: trained.data.map(value => Math.max(0, value)), shape: trained.shape };
      return frozenLinear(shape, state, { architecture: 'jumprelu', weights: { threshold: positive } });
    },
  };
  const { targetL0 } = settings;
  if (targetL0 === undefined || isQuadratic(sparsityLoss)) return architecture;
  return withL0Controller(architecture, 'l0', { targetL0, l0Gain: settings.l0Gain }, dSae);
}

/** Whether the loss itself aims at a number of active latents. */
function isQuadratic(loss: SparsityLoss): boolean {
  return loss.startsWith('quadratic');
}

function resolved(config: JumpreluConfig, dSae: number) {
  const { sparsityLoss = 'step', targetL0 } = config;
  if (!SPARSITY_LOSSES.includes(sparsityLoss)) {
    throw new InvalidValueError(
      `sparsity loss "${sparsityLoss}" does not exist; choose from ${SPARSITY_LOSSES.join(', ')}`,
    );
  }
  const isAnthropic = sparsityLoss === 'tanh';
  const settings = {
    ...DEFAULTS[sparsityLoss],
    tanhScale: 4,
    gradientToInput: isAnthropic,
    preActivationLoss: isAnthropic ? 3e-6 : 0,
    deadAfter: 1000,
    ...config,
    sparsityLoss,
  };
  const { l0, bandwidth, threshold, tanhScale, preActivationLoss, deadAfter } = settings;
  for (const [name, value] of Object.entries({ l0, threshold, preActivationLoss })) {
    if (!(value >= 0 && Number.isFinite(value))) {
      throw new InvalidValueError(`${name} must be a number of at least 0, got ${value}`);
    }
  }
  for (const [name, value] of Object.entries({ bandwidth, tanhScale, deadAfter })) {
    if (!(value > 0 && Number.isFinite(value))) throw new InvalidValueError(`${name} must be positive, got ${value}`);
  }
  if (isQuadratic(sparsityLoss) && !(targetL0 !== undefined && targetL0 > 0 && targetL0 <= dSae)) {
    throw new InvalidValueError(`targetL0 must lie in (0, d_sae ${dSae}] for ${sparsityLoss}, got ${targetL0}`);
  }
  return settings;
}

interface Estimates {
  readonly bandwidth: number;
  readonly gradientToInput: boolean;
}

/** z · [z > θ], with the estimated gradients. */
function jump(z: tf.Tensor, threshold: tf.Tensor, { bandwidth, gradientToInput }: Estimates): tf.Tensor {
  return estimated(
    z,
    threshold,
    given => tf.mul(given.z, given.isOpen),
    (dy, given) => {
      const near = tf.mul(
        tf.mul(nearThreshold(given.z, given.threshold, bandwidth), tf.div(given.threshold, bandwidth)),
        dy,
      );
      const open = tf.mul(dy, given.isOpen);
      return { byZ: gradientToInput ? tf.add(open, near) : open, byThreshold: tf.neg(near) };
    },
  );
}

/** [z > θ], with the estimated gradients. */
function step(z: tf.Tensor, threshold: tf.Tensor, { bandwidth, gradientToInput }: Estimates): tf.Tensor {
  return estimated(
    z,
    threshold,
    given => tf.clone(given.isOpen),
    (dy, given) => {
      const near = tf.mul(tf.div(nearThreshold(given.z, given.threshold, bandwidth), bandwidth), dy);
      return { byZ: gradientToInput ? near : tf.zerosLike(near), byThreshold: tf.neg(near) };
    },
  );
}

interface Given {
  readonly z: tf.Tensor;
  readonly threshold: tf.Tensor;
  readonly isOpen: tf.Tensor;
}

/** A function of z [...lead, batch, d_sae] and θ [...lead, 1, d_sae] or [d_sae] with gradients of its own; θ's are summed over the batch. */
function estimated(
  z: tf.Tensor,
  threshold: tf.Tensor,
  value: (given: Given) => tf.Tensor,
  gradients: (dy: tf.Tensor, given: Given) => { readonly byZ: tf.Tensor; readonly byThreshold: tf.Tensor },
): tf.Tensor {
  const fn = tf.customGrad((...args) => {
    const [pre, bound, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const isOpen = tf.cast(tf.greater(pre, bound), 'float32');
    save([pre, bound, isOpen]);
    return {
      value: value({ z: pre, threshold: bound, isOpen }),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [savedZ, savedBound, open] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const { byZ, byThreshold } = gradients(dy, { z: savedZ, threshold: savedBound, isOpen: open });
        return [byZ, tf.reshape(tf.sum(byThreshold, -2, true), savedBound.shape)];
      },
    };
  });
  return fn(z, threshold);
}

/** 1 where |z − θ| < ε/2, else 0. */
function nearThreshold(z: tf.Tensor, threshold: tf.Tensor, bandwidth: number): tf.Tensor {
  return tf.step(tf.sub(bandwidth / 2, tf.abs(tf.sub(z, threshold))));
}

/** The sparsity loss without its weight, [...lead]. */
function sparsity(
  { parameters, shape }: ForwardInputs,
  { features, preActivations, decoder }: Forward,
  loss: SparsityLoss,
  { tanhScale, targetL0, ...estimates }: ReturnType<typeof resolved>,
): tf.Tensor {
  if (loss === 'tanh') {
    const weighted = tf.mul(features, tf.mul(decoderNorms(shape.decoder, decoder), tanhScale));
    return tf.mean(tf.sum(tf.tanh(weighted), -1), -1);
  }
  const active = tf.sum(step(preActivations!, rowOf(parameters['threshold']!), estimates), -1);
  if (loss === 'step') return tf.mean(active, -1);
  if (loss === 'quadratic') return tf.mul(tf.mean(tf.square(tf.sub(active, targetL0!)), -1), 2 / targetL0!);
  return tf.square(tf.sub(tf.div(tf.mean(active, -1), targetL0!), 1));
}

/** mean over the batch of Σ over dead latents of relu(θ − z) · ‖W_dec‖, [...lead]. */
function deadPull(
  { parameters, buffers, shape, target }: ForwardInputs,
  forward: Forward,
  deadAfter: number,
): tf.Tensor {
  const batch = target.shape.at(-2)!;
  const dead = rowOf(tf.cast(tf.greater(buffers['silent']!, deadAfter * batch), 'float32'));
  const below = tf.relu(tf.sub(rowOf(parameters['threshold']!), forward.preActivations!));
  const weight = tf.mul(dead, decoderNorms(shape.decoder, forward.decoder));
  return tf.mean(tf.sum(tf.mul(below, weight), -1), -1);
}

/** ‖W_dec‖ of each latent as a row under each batch; a number where every row has norm 1. */
function decoderNorms(form: string, decoder: tf.Tensor): tf.Tensor {
  return form === 'free' ? rowOf(tf.sqrt(tf.sum(tf.square(decoder), -1))) : tf.scalar(1);
}

/** The options of JumpReLU. */
export const jumpreluFlags: readonly SettingFlag[] = [
  {
    flag: '--sparsity-loss <name>',
    says: `of jumprelu: ${SPARSITY_LOSSES.join(', ')}`,
    takes: 'a name',
    choices: SPARSITY_LOSSES,
  },
  {
    flag: '--l0-coefficient <weight>',
    says: 'weight of the sparsity loss (jumprelu)',
    takes: 'a number of at least 0',
  },
  TARGET_L0,
  { flag: '--bandwidth <width>', says: 'ε of the straight-through estimates (jumprelu)', takes: 'a positive number' },
  { flag: '--threshold <value>', says: 'θ before training (jumprelu)', takes: 'a number of at least 0' },
  { flag: '--gradient-to-input', says: 'let the estimates reach the encoder (jumprelu)', takes: 'nothing' },
  {
    flag: '--pre-activation-loss <weight>',
    says: 'draws dead latents back (jumprelu)',
    takes: 'a number of at least 0',
  },
];

/** The settings of JumpReLU from the command line's options. */
export function jumpreluFromFlags(flags: FlagValues): JumpreluConfig {
  const { sparsityLoss, l0Coefficient: l0, targetL0, bandwidth, threshold, gradientToInput, preActivationLoss } = flags;
  const given = { sparsityLoss, l0, targetL0, bandwidth, threshold, gradientToInput, preActivationLoss };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as JumpreluConfig;
}
