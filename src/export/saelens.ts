/**
 * SAELens checkpoints (github.com/decoderesearch/SAELens), in and out: cfg.json and sae_weights.safetensors. What SAELens computes at run
 * time from its options is folded into the weights where that is exact, so that features and reconstruction are its own:
 *
 * - rescale_acts_by_decoder_norm, n_j = ‖W_dec_j‖: topk(pre · n) and (f / n) W_dec are W_enc n, b_enc n and W_dec / n.
 * - expected_average_only_in with factor s: SAELens itself folds it, W_enc s, W_dec / s, b_dec / s. The factor is not in the weights.
 * - BatchTopK and Matryoshka checkpoints become jumprelu with one threshold for all latents.
 */
import { FileFormatError, InvalidValueError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { writeSafetensors } from '../files/safetensors.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensor } from '../tensor.ts';
import { rowNorms, scaleAll, scaleColumns, scaleRows } from './fold-scales.ts';
import { CheckpointTensors, type Config, checkedSae, type LoadedSae, type ReadOptions } from './sae-checkpoint.ts';
import { readSaelensConfig, type SaelensConfig, saelensArchitecture } from './saelens-config.ts';

export interface SaelensReadOptions extends ReadOptions {
  /** The factor of `expected_average_only_in`: √d_in / mean norm of the activations. Default: as if it were folded already. */
  readonly normScalingFactor?: number | undefined;
}

/** The config format that is written; SAELens reads a config without one, or with an older one, by other rules. */
const writtenVersion = '6.0.0';

/** As SAELens: a decoder row of norm zero is divided by this instead. */
const leastNorm = 1e-8;

type Weights = Record<string, HostTensor>;

/**
 * Reads a SAELens checkpoint, of today's config or that before version 6, with weights of any float type.
 * FileFormatError where an option or a tensor is unknown, missing or of the wrong shape: it is named. InvalidValueError for a
 * `normScalingFactor` that is not positive.
 */
export function readSaelens(
  config: Config,
  tensors: ReadonlyMap<string, FileTensor>,
  options: SaelensReadOptions = {},
): LoadedSae {
  const { file } = options;
  const parsed = readSaelensConfig(config, options);
  const notes: string[] = [];
  let weights = takeWeights(parsed, new CheckpointTensors(tensors, file), file);

  if (parsed.normalizeActivations === 'expected_average_only_in') {
    const factor = options.normScalingFactor;
    if (factor === undefined) {
      notes.push(
        'normalize_activations is expected_average_only_in, but its factor is not in the checkpoint: read as SAE.load_from_disk does, ' +
          'without it. Pass normScalingFactor where it is known.',
      );
    } else if (!(factor > 0 && Number.isFinite(factor))) {
      throw new InvalidValueError(`normScalingFactor must be positive and finite, got ${factor}`);
    } else {
      weights = foldActivationScale(weights, factor);
      notes.push(`expected_average_only_in: activations are scaled by ${factor}, folded into the weights`);
    }
  }
  if (parsed.rescaleActsByDecoderNorm) weights = foldDecoderNorms(weights);
  if (parsed.reshapesHeads)
    notes.push('reshape_activations is hook_z: give the heads flattened, [batch, n_heads · d_head]');

  const { architecture, dIn, dSae, dOut, k, applyBDecToInput, normalizeActivations, transcoder, metadata } = parsed;
  const sae: FrozenSae = {
    architecture,
    dIn,
    dSae,
    dOut,
    ...(k !== undefined && { k }),
    applyBDecToInput,
    normalizeActivations: normalizeActivations === 'expected_average_only_in' ? 'none' : normalizeActivations,
    transcoder,
    weights,
    description: { source: 'saelens', ...metadata },
  };
  return { sae: checkedSae(sae, file), format: 'saelens', notes };
}

/**
 * Writes a SAELens checkpoint: the files of a folder that `SAE.load_from_disk` accepts and that gives the same features, in float32.
 * InvalidValueError for what SAELens has no class for: a topk or gated transcoder, a skip connection elsewhere.
 */
export function writeSaelens(sae: FrozenSae): Record<'cfg.json' | 'sae_weights.safetensors', Uint8Array> {
  const skip = sae.weights['W_skip'] !== undefined;
  const transcoder = sae.transcoder || sae.dOut !== sae.dIn;
  const architecture = saelensArchitecture({ architecture: sae.architecture, transcoder, skip });
  if (architecture === undefined) {
    const what = `${sae.architecture}${skip ? ' skip' : ''}${transcoder ? ' transcoder' : ' SAE with a skip connection'}`;
    throw new InvalidValueError(`SAELens has no class for a ${what}`);
  }
  const { source: _, ...metadata } = sae.description ?? {};
  const config = {
    architecture,
    d_in: sae.dIn,
    d_sae: sae.dSae,
    ...(transcoder && { d_out: sae.dOut }),
    ...(sae.k !== undefined && { k: sae.k, rescale_acts_by_decoder_norm: false }),
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: sae.applyBDecToInput,
    normalize_activations: sae.normalizeActivations,
    reshape_activations: 'none',
    metadata: { ...metadata, sae_lens_version: writtenVersion, exported_by: 'monosemantic' },
  };
  return {
    'cfg.json': new TextEncoder().encode(JSON.stringify(config)),
    'sae_weights.safetensors': writeSafetensors(sae.weights, { format: 'pt' }),
  };
}

function takeWeights(config: SaelensConfig, tensors: CheckpointTensors, file: string | undefined): Weights {
  const names = ['W_enc', 'W_dec', 'b_dec'];
  if (config.architecture === 'gated') names.push('b_gate', 'r_mag', 'b_mag');
  else names.push('b_enc');
  if (config.architecture === 'jumprelu' && !config.batchTopK) names.push('threshold');
  if (config.skip) names.push('W_skip');
  const weights: Weights = Object.fromEntries(names.map(name => [name, tensors.take(name)]));

  if (config.batchTopK) {
    const threshold = tensors.take('topk_threshold').data[0]!;
    weights['threshold'] = { shape: [config.dSae], data: new Float32Array(config.dSae).fill(threshold) };
  }
  const scaled = takeFeatureScale(config, tensors, weights, file);
  tensors.refuseRest();
  return scaled;
}

/** Before version 6 a fine-tuned factor per latent multiplied the features before decoding; for a time all ones were saved. */
function takeFeatureScale(
  { scalesFeatures, dSae }: SaelensConfig,
  tensors: CheckpointTensors,
  weights: Weights,
  file: string | undefined,
): Weights {
  const name = ['scaling_factor', 'finetuning_scaling_factor'].find(candidate => tensors.has(candidate));
  if (name === undefined) return weights;
  const factors = tensors.take(name);
  if (factors.data.every(factor => factor === 1)) return weights;
  if (!scalesFeatures) {
    throw new FileFormatError(`${name} is not all ones, but the option finetuning_scaling_factor is off`, { file });
  }
  if (factors.data.length !== dSae) {
    throw new FileFormatError(`${name} must have shape [${dSae}], got [${factors.shape.join(', ')}]`, { file });
  }
  return { ...weights, W_dec: scaleRows(weights['W_dec']!, factors.data) };
}

function foldActivationScale(weights: Weights, factor: number): Weights {
  return {
    ...weights,
    W_enc: scaleAll(weights['W_enc']!, factor),
    W_dec: scaleAll(weights['W_dec']!, 1 / factor),
    b_dec: scaleAll(weights['b_dec']!, 1 / factor),
  };
}

function foldDecoderNorms(weights: Weights): Weights {
  const norms = rowNorms(weights['W_dec']!).map(norm => Math.max(norm, leastNorm));
  return {
    ...weights,
    W_enc: scaleColumns(weights['W_enc']!, norms),
    b_enc: scaleColumns(weights['b_enc']!, norms),
    W_dec: scaleRows(
      weights['W_dec']!,
      norms.map(norm => 1 / norm),
    ),
  };
}
