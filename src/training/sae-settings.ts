/** The settings of a training of sparse autoencoders: data, sizes, architecture, and all that has a default. */
import type { ActivationData } from '../data/activation-data.ts';
import { InvalidValueError } from '../errors.ts';
import type { ActivationConfig } from '../models/architectures/registry.ts';
import type { DecoderForm } from '../models/decoder.ts';
import type { Initialisation } from '../models/initialisation.ts';
import type { HostTensor } from '../tensor.ts';
import type { AdamOptions } from './optimizers.ts';
import { CHOOSES_LATENTS, PRESETS, type PresetName, presetSettings } from './presets.ts';
import { type ResampleOptions, resolveResampling } from './resample.ts';
import type { Schedules } from './schedules.ts';

/** The parameters with which an autoencoder starts, and which of them stay. */
export interface SaeStartSettings {
  /**
   * Decoder directions: a named start (see initialDirections), or rows [d_sae, d_out]. Default: `spread` up to 64
   * latents, `gaussian` beyond and for transcoders.
   */
  readonly directions?: Initialisation | HostTensor;
  /** Norm of the decoder's rows, above 0; a norm other than 1 needs `decoder: 'free'`. Default 1. */
  readonly decoderNorm?: number;
  /** Norm of the encoder's columns, which start along the decoder's rows. Default: the decoder's norm. */
  readonly encoderNorm?: number;
  /**
   * b_dec: computed from the sample of activations, or [d_out] numbers. Default `geometric-median`; for a transcoder
   * `zero`.
   */
  readonly bias?: 'geometric-median' | 'mean' | 'zero' | ArrayLike<number>;
  /**
   * Baselines of Korznikov et al. 2026, "Sanity Checks for SAEs" (2602.14111). `true` freezes the decoder at its start.
   * A number c in (0, 1) is the soft-frozen decoder: after each step every row is brought back to a cosine of at least
   * c with its start; the paper takes .8. Default false.
   */
  readonly holdDecoder?: boolean | number;
  /** Whether the encoder's weights stay at their start, the third baseline of the same paper. Default false. */
  readonly holdEncoder?: boolean;
  /** Whether b_dec stays at its start. Default false: it is trained. */
  readonly holdBias?: boolean;
  /** Whether there are biases. Without them b_dec and b_enc are 0 and stay 0. Default true. */
  readonly biases?: boolean;
}

/**
 * The settings of one training. Everything has a default but the data, the number of latents, the activation and the
 * number of steps.
 */
export interface SaeSettings {
  /** An activation source, rows [n][d_in], a tensor [n, d_in], or an iterable of rows (see activationSource). */
  readonly data: ActivationData;
  /**
   * The preset that gives all settings that are not given here (see presets.ts). Default: none; each setting then has
   * the default that it names.
   */
  readonly preset?: PresetName;
  /** The number of latents, at least 1. */
  readonly dSae: number;
  /**
   * The architecture and its own settings: `{ kind: 'topk', k: 32 }`. Without a preset, beyond 64 latents those that
   * choose latents (topk, batchtopk, matryoshka) have AuxK with its own defaults, unless `auxK: false` or a
   * normalisation of each sample is asked for (docs/study.md).
   */
  readonly activation: ActivationConfig;
  /** Training steps, at least 0. */
  readonly steps: number;
  /** How decoder rows keep their norm. Default `reparametrise`. */
  readonly decoder?: DecoderForm;
  readonly start?: SaeStartSettings;
  /** Rows of one step, at least 1. Default 2048. */
  readonly batchSize?: number;
  /** The optimizer. Default: Adam, betas (0, .999), eps 1e-8. */
  readonly optimizer?: AdamOptions;
  /** The learning rate, above 0. Default: the optimizer's, or .005. */
  readonly learningRate?: number;
  /** How the learning rate and the numbers of the architecture change over training. Default: they do not. */
  readonly schedules?: Schedules;
  /**
   * Whether the squared error is averaged (`mean`) or summed over d_out; it is averaged over the batch either way.
   * Every coefficient of the loss is relative to it. SAELens sums. Default `mean`.
   */
  readonly reconstructionLoss?: 'mean' | 'sum';
  /**
   * The norm, above 0, to which the gradient of all parameters together is clipped before each update. SAELens clips to
   * 1. Default 0: no clipping.
   */
  readonly clip?: number;
  /**
   * How activations are normalised, by SAELens's names. `expected_average_only_in` multiplies all of them by √d_in /
   * mean norm, measured on the sample; freezing folds the factor into the weights. `layer_norm` and
   * `constant_norm_rescale` normalise each sample and stay in the frozen graph. Default `none`.
   */
  readonly normalize?: NormalizeActivations;
  /**
   * Lets dead latents begin anew along badly reconstructed activations, every so many steps. Not for transcoders.
   * Default: off.
   */
  readonly resample?: ResampleOptions;
  /** Whether a transcoder's reconstruction has a further term that is linear in its input. Default false. */
  readonly skip?: boolean;
  /**
   * The share of all rows, in [0, 1), that training never sees. Generated data have a stream of their own for it.
   * Default .05.
   */
  readonly holdOut?: number;
  /**
   * The number of activations from which b_dec and the directions are computed before training. Default: the larger of
   * 10,000 and d_sae.
   */
  readonly sampleSize?: number;
  /** The seed of that sample. Default: the seed of the run. */
  readonly sampleSeed?: number;
  /** The seed of everything random, any safe integer. Default 0. */
  readonly seed?: number;
}

/** The normalisations of activations, by SAELens's names. */
export const NORMALIZE_ACTIVATIONS = [
  'none',
  'expected_average_only_in',
  'layer_norm',
  'constant_norm_rescale',
] as const;
/** The name of a normalisation of activations. */
export type NormalizeActivations = (typeof NORMALIZE_ACTIVATIONS)[number];

/** Many trainings that share all settings but those that vary. */
export interface ManySaeSettings extends SaeSettings {
  /** The settings in which each autoencoder differs; any setting may. */
  readonly vary: readonly Partial<SaeSettings>[];
}

/** The optimizer where a training names none. */
export const SAE_OPTIMIZER = { name: 'adam', learningRate: 0.005, betas: [0, 0.999] } as const satisfies AdamOptions;

/**
 * Up to this many latents, directions start spread over the activations and nothing revives dead latents; beyond,
 * directions start Gaussian and AuxK revives dead ones, in the form of Gao et al. docs/study.md, TopK at the true k: of
 * five features `spread` finds all in 32 of 32 seeds; of a hundred Gaussian rows find 85% without AuxK and 98% with it
 * (SAELens's form: 96%), of a thousand 86% and 99% (99.5%); BatchTopK of a hundred 45% and 67% (56%).
 */
export const FEW_LATENTS = 64;

/** The least number of activations in the sample before training, unless the settings say otherwise. */
const SAMPLE_SIZE = 10_000;

/** The settings with their defaults. */
export type ResolvedSaeSettings = Required<Omit<SaeSettings, 'preset' | 'resample'>> &
  Pick<SaeSettings, 'preset'> & { readonly resample?: Required<ResampleOptions> };

/**
 * Fills in preset and defaults.
 * @throws InvalidValueError where a count is not positive or the seed is no safe integer. Other values are checked
 *   where they are used.
 */
export function resolveSaeSettings(given: SaeSettings): ResolvedSaeSettings {
  const settings = given.preset === undefined ? withoutPreset(given) : withPreset(given.preset, given);
  const { seed = 0, batchSize = 2048, dSae, steps, sampleSize = Math.max(SAMPLE_SIZE, dSae) } = settings;
  for (const [name, value] of Object.entries({ dSae, batchSize, sampleSize })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidValueError(`${name} must be positive and an integer, got ${value}`);
    }
  }
  const { clip = 0 } = settings;
  if (!(clip >= 0 && Number.isFinite(clip))) throw new InvalidValueError(`clip must be at least 0, got ${clip}`);
  const { normalize = 'none' } = settings;
  if (!NORMALIZE_ACTIVATIONS.includes(normalize)) {
    throw new InvalidValueError(
      `normalize "${normalize}" does not exist; choose from ${NORMALIZE_ACTIVATIONS.join(', ')}`,
    );
  }
  if (!Number.isSafeInteger(steps) || steps < 0) throw new InvalidValueError(`steps must be a count, got ${steps}`);
  const { start = {}, schedules = {} } = settings;
  const { holdDecoder = false } = start;
  if (typeof holdDecoder === 'number' && !(holdDecoder > 0 && holdDecoder < 1)) {
    throw new InvalidValueError(`start.holdDecoder as a cosine must lie between 0 and 1, got ${holdDecoder}`);
  }
  const { resample: asked, ...others } = defined(settings);
  const resample = asked && resolveResampling(asked);
  const optimizer: AdamOptions = { ...SAE_OPTIMIZER, ...settings.optimizer };
  const learningRate = settings.learningRate ?? optimizer.learningRate ?? SAE_OPTIMIZER.learningRate;
  return {
    decoder: 'reparametrise',
    reconstructionLoss: 'mean',
    skip: false,
    clip: 0,
    normalize: 'none',
    holdOut: 0.05,
    sampleSeed: seed,
    ...others,
    start,
    schedules: resample ? warmUpAfterEach(resample.every, schedules) : schedules,
    ...(resample && { resample }),
    seed,
    batchSize,
    sampleSize,
    learningRate,
    optimizer: { ...optimizer, learningRate },
  };
}

/**
 * The schedules, in which the learning rate's warm-up begins again after every `steps` steps unless they say otherwise.
 */
function warmUpAfterEach(steps: number, { learningRate, ...schedules }: Schedules): Schedules {
  return learningRate ? { ...schedules, learningRate: { warmUpEvery: steps, ...learningRate } } : schedules;
}

/** The `given` settings of a training that names no preset: AuxK where there are many latents. */
function withoutPreset(given: SaeSettings): SaeSettings {
  const { activation, dSae, normalize } = given;
  const revives = dSae > FEW_LATENTS && CHOOSES_LATENTS.includes(activation.kind);
  return {
    ...given,
    activation: completedActivation(activation, revives ? { auxK: {} } : {}, normalize, given.decoder),
  };
}

/** The `given` settings, completed by those of the preset. In settings that have parts, each part counts by itself. */
function withPreset(name: PresetName, given: SaeSettings): SaeSettings {
  if (!PRESETS.includes(name)) {
    throw new InvalidValueError(`preset "${name}" does not exist; choose from ${PRESETS.join(', ')}`);
  }
  const { activation, dSae, steps } = given;
  const preset = presetSettings(name, { kind: activation.kind, dSae, steps });
  const own = defined(given);
  const { normalize = preset.normalize } = own;
  const learningRate = own.learningRate ?? own.optimizer?.learningRate ?? preset.learningRate;
  return {
    ...preset,
    ...own,
    ...(learningRate !== undefined && { learningRate }),
    optimizer: { ...preset.optimizer, ...defined(own.optimizer ?? {}) },
    start: { ...preset.start, ...defined(own.start ?? {}) },
    schedules: { ...preset.schedules, ...defined(own.schedules ?? {}) },
    activation: completedActivation(activation, preset.activation ?? {}, normalize, own.decoder ?? preset.decoder),
  };
}

/**
 * The architecture's settings, completed by its defaults or the preset's; those of AuxK one by one. AuxK that the
 * caller does not ask for is dropped where the normalisation does not go with it, and a preset's choice by decoder norms
 * where every row has norm 1. `auxK: false` stays in the result, so that settings resolved twice are still without it.
 */
function completedActivation(
  own: ActivationConfig,
  { auxK, rescaleByDecoderNorm, ...defaults }: Readonly<Record<string, unknown>>,
  normalize: NormalizeActivations | undefined,
  decoder: DecoderForm | undefined,
): ActivationConfig {
  const given = defined(own) as ActivationConfig & { readonly auxK?: object | false };
  const isByRow = normalize === 'layer_norm' || normalize === 'constant_norm_rescale';
  const revives = given.auxK === undefined ? auxK !== undefined && !isByRow : given.auxK !== false;
  return {
    ...defaults,
    ...(rescaleByDecoderNorm === true && decoder === 'free' && { rescaleByDecoderNorm }),
    ...given,
    ...(revives && { auxK: { ...(auxK as object | undefined), ...(given.auxK || {}) } }),
  } as ActivationConfig;
}

/** A setting that is given as `undefined` counts as not given. */
function defined<T extends object>(settings: T): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}
