/**
 * Presets are practices: all settings of a training except its data, sizes and sparsity, under the name of those who
 * train that way. A preset gives the value of a setting that the caller leaves open; any single one overrides it.
 * docs/training.md lists the presets with their sources.
 */
import type { ActivationKind } from '../models/architectures/registry.ts';
import type { SaeSettings } from './sae-settings.ts';

/** What a preset may depend on. */
export interface PresetSubject {
  readonly kind: ActivationKind;
  readonly dSae: number;
  readonly steps: number;
}

/** The settings of a preset; `activation` holds settings of the architecture beside its kind. */
export interface PresetSettings
  extends Pick<
    SaeSettings,
    | 'decoder'
    | 'start'
    | 'batchSize'
    | 'optimizer'
    | 'learningRate'
    | 'schedules'
    | 'reconstructionLoss'
    | 'clip'
    | 'normalize'
  > {
  readonly activation?: Readonly<Record<string, unknown>>;
}

/** The architectures that choose the largest latents of a sample or a batch; AuxK is for them. */
export const CHOOSES_LATENTS: readonly ActivationKind[] = ['topk', 'batchtopk', 'matryoshka'];
const HAS_L1: readonly ActivationKind[] = ['relu', 'gated'];

/** A learning rate that falls over the last fifth of training. */
function lastFifth(steps: number) {
  return { decay: 'linear', decaySteps: Math.floor(steps / 5) } as const;
}

/** A coefficient that rises from 0 over `steps` steps; no schedule where that is less than one step. */
function risingFrom0(name: 'l1' | 'l0', steps: number) {
  return steps < 1 ? {} : { [name]: { from: 0, steps: Math.floor(steps) } };
}

/** The settings of two training scripts of the Python project from which this package was ported, and nothing else. */
function seed({ kind }: PresetSubject): PresetSettings {
  return { batchSize: 2048, learningRate: 0.005, ...(HAS_L1.includes(kind) && { activation: { l1: 0.01 } }) };
}

/** Beyond so many latents the rate of `ours` falls with the root of their number. */
const MANY_LATENTS = 4096;

/**
 * Ours, for activations of models: their mean norm brought to √d.
 *
 * Those that choose latents have a rate of .003 that falls to 0 over the whole of training: rows of norm 1 turn slowly, and at .001 latents that had begun
 * between two features stayed there (of 50 features that a BatchTopK with the true k can find, five seeds found 48.4 in the mean, and 49.4 at .003); a high
 * rate that falls late leaves latents silent (431 of 4,096 on SmolLM2 instead of 58), and so does a high one of more than 4,096 latents (3,759 of 16,384, and
 * 734 at .0015), so that it falls with the root of their number there, as dictionary_learning's does. They have free decoder rows that start at norm 1, latents chosen by
 * what they add (activation times row norm), Adam without a first moment, and dead latents revived as SAELens does. From smaller rows the first winners win
 * for ever: of 4,096 latents of a TopK SAE on SmolLM2 2,038 were silent after 600 steps from norm .3, and 3 from norm 1, at .001. Rows held at norm 1 are
 * revived less well: on planted features 18 of 256 stayed silent, and 8 of free ones (docs/training.md).
 *
 * Those with a penalty start small, with free rows of norm 0.1, and keep the first moment: from rows of norm 1 they find fewer features with more latents
 * active. Their squared error is a sum, because the gradient is clipped to norm 1: that of a mean is seldom as long, and unclipped the large gradients of the
 * first steps stay in Adam's second moment for a thousand steps, in which thresholds hardly move.
 */
function ours(subject: PresetSubject): PresetSettings {
  const { kind, steps, dSae } = subject;
  return {
    batchSize: 1024,
    normalize: 'expected_average_only_in',
    ...(CHOOSES_LATENTS.includes(kind)
      ? {
          learningRate: 0.003 * Math.min(1, Math.sqrt(MANY_LATENTS / dSae)),
          schedules: { learningRate: { decay: 'linear', decaySteps: steps } },
          decoder: 'free',
          activation: { rescaleByDecoderNorm: true, auxK: { form: 'saelens', coefficient: 1, deadAfter: 200 } },
        }
      : {
          learningRate: 0.001,
          schedules: { learningRate: lastFifth(steps) },
          decoder: 'free',
          start: { decoderNorm: 0.1 },
          optimizer: { name: 'adam', betas: [0.9, 0.999] },
          clip: 1,
          reconstructionLoss: 'sum',
        }),
    ...(HAS_L1.includes(kind) && { activation: { l1: 1 } }),
  };
}

/**
 * SAELens 6.54's defaults (sae_lens/config.py, saes/sae.py, training/sae_trainer.py): squared errors summed over d_in,
 * free decoder rows that start at norm 0.1 with the encoder their transpose and biases 0, the gradient clipped to 1,
 * the choice of latents scaled by decoder norms, AuxK on. A latent is dead there that was silent for strictly more than
 * 1,000 steps.
 */
function saelens({ kind }: PresetSubject): PresetSettings {
  const choice = {
    rescaleByDecoderNorm: true,
    auxK: { form: 'saelens', coefficient: 1, deadAfter: 1001 },
    // SAELens's running threshold starts at 0 and never begins anew.
    ...(kind !== 'topk' && { restartThresholdAt: -1 }),
  };
  return {
    decoder: 'free',
    start: { directions: 'gaussian', decoderNorm: 0.1, bias: 'zero' },
    batchSize: 4096,
    optimizer: { name: 'adam', betas: [0.9, 0.999], eps: 1e-8 },
    learningRate: 3e-4,
    reconstructionLoss: 'sum',
    clip: 1,
    ...(CHOOSES_LATENTS.includes(kind) && { activation: choice }),
    ...(kind === 'relu' && { activation: { l1: 1 } }),
    ...(kind === 'gated' && { activation: { l1: 1, detachDecoder: false } }),
    ...(kind === 'jumprelu' && { activation: { l0: 1, bandwidth: 0.05, threshold: 0.01 } }),
  };
}

/**
 * Anthropic's update of January 2025, "Dictionary Learning Optimization Techniques", as SAELens's documentation gives
 * it: JumpReLU with a tanh penalty whose weight rises over the whole run, the mean norm brought to √d, the rate falling
 * over the last fifth. Other architectures take the settings that do not belong to JumpReLU: the penalty of L1 rises
 * over the first twentieth (its update of April 2024).
 */
function anthropic2025(subject: PresetSubject): PresetSettings {
  const { kind, steps } = subject;
  const rises =
    kind === 'jumprelu' ? risingFrom0('l0', steps) : HAS_L1.includes(kind) ? risingFrom0('l1', steps / 20) : {};
  return {
    ...saelens(subject),
    normalize: 'expected_average_only_in',
    schedules: { learningRate: lastFifth(steps), ...rises },
    ...(kind === 'jumprelu' && {
      activation: {
        sparsityLoss: 'tanh',
        l0: 10,
        bandwidth: 2,
        threshold: 0.1,
        tanhScale: 4,
        gradientToInput: true,
        preActivationLoss: 3e-6,
      },
    }),
    ...(HAS_L1.includes(kind) && { activation: { l1: 5 } }),
  };
}

/** Gemma Scope 2 (DeepMind 2025): JumpReLU with a quadratic penalty on each sample's L0, which needs a target; the rest as SAELens has it. */
function gemmaScope2(subject: PresetSubject): PresetSettings {
  return {
    ...saelens(subject),
    normalize: 'expected_average_only_in',
    ...(subject.kind === 'jumprelu' && {
      activation: { sparsityLoss: 'quadratic', l0: 5, bandwidth: 0.01, threshold: 0.01 },
    }),
  };
}

/**
 * saprmarks/dictionary_learning: unit decoder rows put back after each step, Adam without a first moment and warmed up over 1,000 steps, AuxK of Gao et
 * al. at 1/32, a BatchTopK threshold begun anew at step 1,000; sparsity penalties rise over 2,000 steps; the rate falls over the last fifth.
 */
function dictionaryLearning({ kind, dSae, steps }: PresetSubject): PresetSettings {
  const warmUpSteps = Math.min(1000, Math.floor(steps / 10));
  const rises = (name: 'l1' | 'l0') => risingFrom0(name, Math.min(2000, Math.floor(steps / 5)));
  return {
    decoder: 'renormalise',
    start: { directions: 'gaussian', bias: 'geometric-median' },
    batchSize: 2048,
    optimizer: { name: 'adam', betas: CHOOSES_LATENTS.includes(kind) ? [0.9, 0.999] : [0, 0.999], eps: 1e-8 },
    // The law of Gao et al., 2e-4 / √(n / 2¹⁴), for architectures that choose latents.
    learningRate: CHOOSES_LATENTS.includes(kind) ? 2e-4 / Math.sqrt(dSae / 2 ** 14) : kind === 'jumprelu' ? 7e-5 : 1e-4,
    clip: 1,
    schedules: {
      learningRate: { warmUpSteps, ...lastFifth(steps) },
      ...(HAS_L1.includes(kind) && rises('l1')),
      ...(kind === 'jumprelu' && rises('l0')),
    },
    ...(CHOOSES_LATENTS.includes(kind) && {
      activation: {
        auxK: { form: 'openai', coefficient: 1 / 32, deadAfter: Math.ceil(10_000_000 / 2048) },
        ...(kind !== 'topk' && { restartThresholdAt: 1000 }),
      },
    }),
    ...(HAS_L1.includes(kind) && { reconstructionLoss: 'sum', activation: { l1: 0.1 } }),
    ...(kind === 'jumprelu' && {
      activation: { sparsityLoss: 'quadratic-batch', l0: 1, bandwidth: 0.001, threshold: 0.001 },
    }),
  };
}

const TABLE = {
  ours,
  seed,
  saelens,
  'anthropic-2025': anthropic2025,
  'gemma-scope-2': gemmaScope2,
  'dictionary-learning': dictionaryLearning,
} satisfies Record<string, (subject: PresetSubject) => PresetSettings>;

/** The name of a preset. */
export type PresetName = keyof typeof TABLE;

/** The names of all presets. */
export const PRESETS = Object.keys(TABLE) as readonly PresetName[];

/** The settings of the preset `name` for a training of `subject`. */
export function presetSettings(name: PresetName, subject: PresetSubject): PresetSettings {
  return TABLE[name](subject);
}
