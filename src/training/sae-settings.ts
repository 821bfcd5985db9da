/** What a training of sparse autoencoders is told: data, sizes, architecture, and everything that has a default. */
import type { ActivationData } from '../data/activation-data.ts';
import { InvalidValueError } from '../errors.ts';
import type { ActivationConfig } from '../models/architectures/registry.ts';
import type { DecoderForm } from '../models/decoder.ts';
import type { Initialisation } from '../models/initialisation.ts';
import type { HostTensor } from '../tensor.ts';
import type { AdamOptions } from './optimizers.ts';
import { PRESETS, type PresetName, presetSettings } from './presets.ts';
import { type ResampleOptions, resolveResampling } from './resample.ts';
import type { Schedules } from './schedules.ts';

/** Where an autoencoder starts. */
export interface SaeStartSettings {
  /** Decoder directions: a named start (see initialDirections), or rows [d_sae, d_out]. Default `spread` up to 64 latents, `gaussian` beyond and for transcoders. */
  readonly directions?: Initialisation | HostTensor;
  /** Norm of the decoder's rows. Default 1; another needs the decoder `free`. */
  readonly decoderNorm?: number;
  /** Norm of the encoder's columns, which start along the decoder's rows. Default as the decoder's. */
  readonly encoderNorm?: number;
  /** b_dec: of the sample of activations, or [d_out] numbers. Default `geometric-median`; `zero` for a transcoder. */
  readonly bias?: 'geometric-median' | 'mean' | 'zero' | ArrayLike<number>;
  /**
   * Baselines of Korznikov et al. 2026, "Sanity Checks for SAEs" (2602.14111). `true`: the decoder stays where it starts; a number c in (0, 1), the
   * soft-frozen decoder: after each step every row is brought back to a cosine of at least c with its start, the paper's is .8. Default false.
   */
  readonly holdDecoder?: boolean | number;
  /** Whether the encoder's weights stay where they start, the same paper's third baseline. Default false. */
  readonly holdEncoder?: boolean;
  /** Whether b_dec stays where it starts. Default false: it is trained. */
  readonly holdBias?: boolean;
  /** Whether there are biases at all; without, b_dec and b_enc are 0 and stay so. Default true. */
  readonly biases?: boolean;
}

/** One training. Everything has a default but the data, the number of latents, the activation and the number of steps. */
export interface SaeSettings {
  /** An activation source, rows [n][d_in], a tensor [n, d_in], or an iterable of rows (see activationSource). */
  readonly data: ActivationData;
  /** A practice of this name sets what is not given here (presets.ts). Default none: the defaults that each setting names. */
  readonly preset?: PresetName;
  /** Latents, at least 1. */
  readonly dSae: number;
  /** The architecture and its own settings: `{ kind: 'topk', k: 32 }`. */
  readonly activation: ActivationConfig;
  /** Training steps, at least 0. */
  readonly steps: number;
  /** How decoder rows keep their norm. Default `reparametrise`. */
  readonly decoder?: DecoderForm;
  readonly start?: SaeStartSettings;
  /** Rows of one step. Default 2048. */
  readonly batchSize?: number;
  /** Default Adam, betas (0, .999), eps 1e-8. */
  readonly optimizer?: AdamOptions;
  /** Default .005, or the optimizer's. */
  readonly learningRate?: number;
  /** How the learning rate, and the numbers of the architecture, change over training. Default not at all. */
  readonly schedules?: Schedules;
  /**
   * Whether the squared error is averaged (the default) or summed over d_out; it is averaged over the batch either way. Every coefficient of the
   * loss is in that unit. SAELens sums.
   */
  readonly reconstructionLoss?: 'mean' | 'sum';
  /** The norm, > 0, to which the gradient of all parameters together is clipped before each update. Default 0: not at all. SAELens clips to 1. */
  readonly clip?: number;
  /**
   * What happens to activations: `expected_average_only_in` multiplies all by √d_in / mean norm, measured on the sample, and is folded into the
   * weights when frozen; `layer_norm` and `constant_norm_rescale` normalise each sample and stay in the frozen graph. As SAELens has them. Default `none`.
   */
  readonly normalize?: NormalizeActivations;
  /** Dead latents begin anew along badly reconstructed activations, every so many steps. Not for transcoders. Default not at all. */
  readonly resample?: ResampleOptions;
  /** Whether a transcoder's reconstruction has a linear term of its input. Default false. */
  readonly skip?: boolean;
  /** The share of all rows that training never sees, in [0, 1). Default .05; generated data have a stream of their own for it. */
  readonly holdOut?: number;
  /** Activations seen beforehand, for b_dec and the directions. Default 10,000, or d_sae where that is more. */
  readonly sampleSize?: number;
  /** The seed of these. Default the seed of the run. */
  readonly sampleSeed?: number;
  /** The seed of everything random, any safe integer. Default 0. */
  readonly seed?: number;
}

/** Normalisations of SAELens's names. */
export const NORMALIZE_ACTIVATIONS = [
  'none',
  'expected_average_only_in',
  'layer_norm',
  'constant_norm_rescale',
] as const;
export type NormalizeActivations = (typeof NORMALIZE_ACTIVATIONS)[number];

/** Many trainings that share all settings but those that vary. */
export interface ManySaeSettings extends SaeSettings {
  /** For each autoencoder the settings in which it differs; any may. */
  readonly vary: readonly Partial<SaeSettings>[];
}

/** The optimizer where a training names none. */
export const SAE_OPTIMIZER = { name: 'adam', learningRate: 0.005, betas: [0, 0.999] } as const satisfies AdamOptions;

/** Activations seen beforehand, at least. */
const SAMPLE_SIZE = 10_000;

/** The settings with their defaults. */
export type ResolvedSaeSettings = Required<Omit<SaeSettings, 'preset' | 'resample'>> &
  Pick<SaeSettings, 'preset'> & { readonly resample?: Required<ResampleOptions> };

/** @throws InvalidValueError if a count is not positive or the seed no safe integer; what else is out of range its own part refuses. */
export function resolveSaeSettings(given: SaeSettings): ResolvedSaeSettings {
  const settings = given.preset === undefined ? given : withPreset(given.preset, given);
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

/** The schedules, with the learning rate's warm-up beginning again after every so many steps unless they say otherwise. */
function warmUpAfterEach(steps: number, { learningRate, ...schedules }: Schedules): Schedules {
  return learningRate ? { ...schedules, learningRate: { warmUpEvery: steps, ...learningRate } } : schedules;
}

/** `given` settings, and for what they leave open those of the preset. Of settings with parts, each part is one. */
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
    activation: withPresetActivation(activation, preset.activation ?? {}, normalize),
  };
}

/** The architecture's settings, AuxK's one by one. A preset's AuxK gives way to a normalisation that it does not go with. */
function withPresetActivation(
  own: ActivationConfig,
  { auxK, ...preset }: Readonly<Record<string, unknown>>,
  normalize: NormalizeActivations | undefined,
): ActivationConfig {
  const given = defined(own) as ActivationConfig & { readonly auxK?: object | false };
  const isByRow = normalize === 'layer_norm' || normalize === 'constant_norm_rescale';
  const revives = given.auxK === undefined ? auxK !== undefined && !isByRow : given.auxK !== false;
  const { auxK: ownAuxK, ...rest } = given;
  return {
    ...preset,
    ...rest,
    ...(revives && { auxK: { ...(auxK as object | undefined), ...(ownAuxK || {}) } }),
  } as ActivationConfig;
}

/** A setting that is given as undefined is one that is not given. */
function defined<T extends object>(settings: T): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}
