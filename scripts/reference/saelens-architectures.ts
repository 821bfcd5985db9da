/** SAELens's architectures in our settings: an architecture that is not in the table is unknown, and so is a setting that its entry does not name. */
import { InvalidValueError } from '../../src/errors.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';

/** A training config as SAELens's `to_dict` gives it. */
export type SaelensConfig = Readonly<Record<string, unknown>>;

interface SaelensArchitecture {
  /** The architecture and its settings; `window` is SAELens's dead_feature_window. */
  activation(config: SaelensConfig, window: number): ActivationConfig;
  /** Our names of the loss's terms by SAELens's. Where several have one, it is their sum; numbers at their end are kept. */
  readonly terms: Readonly<Record<string, string>>;
  /** What its settings must be: one of these numbers, or anything. */
  readonly settings: Readonly<Record<string, readonly unknown[] | 'any'>>;
}

/** Settings that every architecture has. */
const SHARED: SaelensArchitecture['settings'] = {
  architecture: 'any',
  d_in: 'any',
  d_sae: 'any',
  // Figures are in float64 whatever the type; ours are in float32.
  dtype: 'any',
  apply_b_dec_to_input: [true],
  normalize_activations: ['none', 'expected_average_only_in', 'layer_norm', 'constant_norm_rescale'],
  reshape_activations: ['none'],
  // The start is given.
  decoder_init_norm: 'any',
};

const TOPK_SETTINGS: SaelensArchitecture['settings'] = {
  k: 'any',
  use_sparse_activations: 'any',
  aux_loss_coefficient: 'any',
  rescale_acts_by_decoder_norm: [true, false],
};

const AUX_K_TERM = { auxiliary_reconstruction_loss: 'aux_k' } as const;

const ARCHITECTURES: Readonly<Record<string, SaelensArchitecture>> = {
  standard: {
    activation: config => ({ kind: 'relu', l1: numberOf(config, 'l1_coefficient') }),
    terms: { l1_loss: 'l1' },
    settings: { l1_coefficient: 'any', l1_warm_up_steps: 'any', lp_norm: [1] },
  },
  topk: {
    activation: (config, window) => ({ kind: 'topk', ...topkSettings(config, window) }),
    terms: AUX_K_TERM,
    settings: TOPK_SETTINGS,
  },
  batchtopk: {
    activation: (config, window) => ({ kind: 'batchtopk', ...topkSettings(config, window) }),
    terms: AUX_K_TERM,
    settings: { ...TOPK_SETTINGS, topk_threshold_lr: [0.01] },
  },
  matryoshka_batchtopk: {
    activation: (config, window) => ({
      kind: 'matryoshka',
      ...topkSettings(config, window),
      widths: config['matryoshka_widths'] as readonly number[],
      auxKPerBlock: config['use_matryoshka_aux_loss'] === true,
    }),
    terms: { ...AUX_K_TERM, inner_mse_loss: 'mse' },
    settings: {
      ...TOPK_SETTINGS,
      topk_threshold_lr: [0.01],
      matryoshka_widths: 'any',
      use_matryoshka_aux_loss: [true, false],
    },
  },
  gated: {
    // SAELens's auxiliary loss trains the decoder too.
    activation: config => ({ kind: 'gated', l1: numberOf(config, 'l1_coefficient'), detachDecoder: false }),
    terms: { l1_loss: 'l1', auxiliary_reconstruction_loss: 'via_gate' },
    settings: { l1_coefficient: 'any', l1_warm_up_steps: 'any' },
  },
  jumprelu: {
    activation: (config, window) => ({ kind: 'jumprelu', ...jumpreluSettings(config, window) }),
    terms: { l0_loss: 'l0', pre_act_loss: 'pre_act' },
    settings: {
      jumprelu_init_threshold: 'any',
      jumprelu_bandwidth: 'any',
      jumprelu_sparsity_loss_mode: ['step', 'tanh', 'quadratic'],
      jumprelu_tanh_scale: 'any',
      jumprelu_ste_to_input: [true, false],
      l0_coefficient: 'any',
      l0_warm_up_steps: 'any',
      pre_act_loss_coefficient: 'any',
      target_l0: 'any',
    },
  },
};

/**
 * The entry of `name`.
 * @throws InvalidValueError for an architecture that is unknown, and for settings that it is not known to have or that ours has not.
 */
export function saelensArchitecture(name: string, config: SaelensConfig): SaelensArchitecture {
  if (!Object.hasOwn(ARCHITECTURES, name)) {
    const known = Object.keys(ARCHITECTURES).join(', ');
    throw new InvalidValueError(`architecture "${name}" is unknown here; known are ${known}`);
  }
  const architecture = ARCHITECTURES[name]!;
  const settings = { ...SHARED, ...architecture.settings };
  for (const [setting, value] of Object.entries(config)) {
    if (!Object.hasOwn(settings, setting)) throw new InvalidValueError(`${name} has no setting ${setting} known here`);
    const taken = settings[setting]!;
    if (taken !== 'any' && !taken.includes(value)) {
      throw new InvalidValueError(`${setting} ${String(value)} is not known here; known are ${taken.join(', ')}`);
    }
  }
  return architecture;
}

/** @throws InvalidValueError for a setting that is no number. */
export function numberOf(config: SaelensConfig, setting: string): number {
  const value = config[setting];
  if (typeof value !== 'number') throw new InvalidValueError(`${setting} must be a number, got ${String(value)}`);
  return value;
}

function topkSettings(config: SaelensConfig, window: number) {
  const coefficient = numberOf(config, 'aux_loss_coefficient');
  return {
    k: numberOf(config, 'k'),
    rescaleByDecoderNorm: config['rescale_acts_by_decoder_norm'] === true,
    // Dead is there what was silent for strictly more than the window.
    ...(coefficient !== 0 && { auxK: { form: 'saelens' as const, coefficient, deadAfter: window + 1 } }),
  };
}

function jumpreluSettings(config: SaelensConfig, window: number) {
  const sparsityLoss = config['jumprelu_sparsity_loss_mode'] as 'step' | 'tanh' | 'quadratic';
  return {
    sparsityLoss,
    l0: numberOf(config, 'l0_coefficient'),
    bandwidth: numberOf(config, 'jumprelu_bandwidth'),
    tanhScale: numberOf(config, 'jumprelu_tanh_scale'),
    gradientToInput: config['jumprelu_ste_to_input'] === true,
    preActivationLoss: config['pre_act_loss_coefficient'] === null ? 0 : numberOf(config, 'pre_act_loss_coefficient'),
    deadAfter: window,
    ...(sparsityLoss === 'quadratic' && { targetL0: numberOf(config, 'target_l0') }),
  };
}
