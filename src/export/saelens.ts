/**
 * SAELens checkpoints (github.com/decoderesearch/SAELens), in and out: cfg.json and sae_weights.safetensors. What SAELens computes at run
 * time from its options is folded into the weights where that is exact, so that features and reconstruction are its own:
 *
 * - rescale_acts_by_decoder_norm, n_j = ‖W_dec_j‖: topk(pre · n) and (f / n) W_dec are W_enc n, b_enc n and W_dec / n.
 * - expected_average_only_in with factor s: SAELens itself folds it, W_enc s, W_dec / s, b_dec / s. The factor is not in the weights. Where
 *   rescale_acts_by_decoder_norm is on, BatchTopK's threshold is in units of ‖W_dec_j‖ and becomes threshold / s.
 * - covariance_whitening z = (x − m) M (arXiv 2511.13981): M W_enc, W_dec M⁻¹, b_dec M⁻¹ + m, and where b_dec is not subtracted from the
 *   input b_enc − m M W_enc. Decoder norms are folded before, because M⁻¹ changes them.
 * - BatchTopK and Matryoshka checkpoints become jumprelu with one threshold for all latents.
 */

import { FileFormatError, InvalidValueError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { writeSafetensors } from '../files/safetensors.ts';
import { foldActivationScale } from '../models/fold-activation-scale.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { type HostTensor, type HostTensors, rowNorms, sameShape } from '../tensor.ts';
import { product, scaleColumns, scaleRows } from './fold-scales.ts';
import { CheckpointTensors, type Config, checkedSae, type LoadedSae, type ReadOptions } from './sae-checkpoint.ts';
import { readSaelensConfig, type SaelensConfig, saelensArchitecture } from './saelens-config.ts';

/** How a SAELens folder is read, and statistics that it may lack. */
export interface SaelensReadOptions extends ReadOptions {
  /**
   * The factor of `expected_average_only_in`, above 0: √d_in / mean norm of the activations. Default: it counts as
   * folded already.
   */
  readonly normScalingFactor?: number | undefined;
  /** The statistics of `covariance_whitening`. Default: they count as folded already. */
  readonly whitening?: Whitening | undefined;
}

/** Statistics of `covariance_whitening` as SAELens saves them: `mean` [d_in], `matrix` and `inverse` [d_in, d_in]. */
export interface Whitening {
  readonly mean: HostTensor<ArrayLike<number>>;
  readonly matrix: HostTensor<ArrayLike<number>>;
  readonly inverse: HostTensor<ArrayLike<number>>;
}

/** The config format that is written; SAELens reads a config without one, or with an older one, by other rules. */
const writtenVersion = '6.0.0';

/** The least divisor of a decoder row, as in SAELens. */
const leastNorm = 1e-8;

type Weights = Record<string, HostTensor>;

/**
 * Reads a SAELens checkpoint, of today's config or that before version 6, with weights of any float type.
 * @throws FileFormatError where an option or a tensor is unknown, missing or of the wrong shape; the message names it
 * @throws InvalidValueError for a `normScalingFactor` that is not positive
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
      weights = foldActivationScale(weights, factor, {
        scalesThreshold: parsed.batchTopK && parsed.rescaleActsByDecoderNorm,
      });
      notes.push(`expected_average_only_in: activations are scaled by ${factor}, folded into the weights`);
    }
  }
  if (parsed.rescaleActsByDecoderNorm) weights = foldDecoderNorms(weights);
  if (parsed.normalizeActivations === 'covariance_whitening') {
    if (options.whitening === undefined) {
      notes.push(
        'normalize_activations is covariance_whitening, but activation_whitening.safetensors is not beside the checkpoint: read as ' +
          'SAE.load_from_disk does, without it.',
      );
    } else {
      weights = foldWhitening(weights, parsed, options.whitening, file);
      notes.push('covariance_whitening: folded into the weights');
    }
  }
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
    normalizeActivations:
      normalizeActivations === 'expected_average_only_in' || normalizeActivations === 'covariance_whitening'
        ? 'none'
        : normalizeActivations,
    transcoder,
    weights,
    description: { source: 'saelens', ...metadata },
  };
  return { sae: checkedSae(sae, file), format: 'saelens', notes };
}

/**
 * Writes a SAELens checkpoint: the files of a folder that `SAE.load_from_disk` accepts and that gives the same
 * features, in float32.
 * @throws InvalidValueError for what SAELens has no class for: a topk or gated transcoder, a skip connection elsewhere
 */
export function writeSaelens(sae: FrozenSae): Record<'cfg.json' | 'sae_weights.safetensors', Uint8Array> {
  const { config, weights } = saelensFolder(sae);
  return { 'cfg.json': config, 'sae_weights.safetensors': writeSafetensors(weights, { format: 'pt' }) };
}

/**
 * The contents of a SAELens folder: the bytes of its config, and its tensors.
 * @throws InvalidValueError as `writeSaelens`
 */
export function saelensFolder(sae: FrozenSae): { readonly config: Uint8Array; readonly weights: HostTensors } {
  const skip = sae.weights['W_skip'] !== undefined;
  const transcoder = sae.transcoder || sae.dOut !== sae.dIn;
  const architecture = saelensArchitecture({ architecture: sae.architecture, transcoder, skip });
  if (architecture === undefined) {
    const what = `${sae.architecture}${skip ? ' skip' : ''}${transcoder ? ' transcoder' : ' SAE with a skip connection'}`;
    throw new InvalidValueError(`SAELens has no class for a ${what}`);
  }
  // Entries that SAELens wrote (l0, num_dead_features, training_architecture and others) are written back unchanged.
  const { source: _, ...metadata } = sae.description ?? {};
  const trainedWith = metadata['sae_lens_training_version'] ?? metadata['sae_lens_version'];
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
    metadata: {
      ...metadata,
      sae_lens_version: writtenVersion,
      ...(trainedWith !== undefined && { sae_lens_training_version: trainedWith }),
      exported_by: 'monosemantic',
    },
  };
  return { config: new TextEncoder().encode(JSON.stringify(config)), weights: sae.weights };
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

function foldWhitening(
  weights: Weights,
  { architecture, transcoder, applyBDecToInput, dIn }: SaelensConfig,
  { mean, matrix, inverse }: Whitening,
  file: string | undefined,
): Weights {
  if (transcoder) {
    throw new FileFormatError('covariance_whitening of a transcoder: SAELens does not say which side it whitens', {
      file,
    });
  }
  for (const [name, { shape }, expected] of [
    ['mean', mean, [dIn]],
    ['matrix', matrix, [dIn, dIn]],
    ['inverse_matrix', inverse, [dIn, dIn]],
  ] as const) {
    if (!sameShape(shape, expected)) {
      const got = `[${shape.join(', ')}], expected [${expected.join(', ')}]`;
      throw new FileFormatError(`${name} of activation_whitening.safetensors has the shape ${got}`, { file });
    }
  }
  const W_enc = product(matrix, weights['W_enc']!);
  const row = (name: string): HostTensor => ({ data: weights[name]!.data, shape: [1, dIn] });
  const folded: Weights = {
    ...weights,
    W_enc,
    W_dec: product(weights['W_dec']!, inverse),
    b_dec: { shape: [dIn], data: product(row('b_dec'), inverse).data.map((value, i) => value + mean.data[i]!) },
  };
  if (applyBDecToInput) return folded;
  const { data: shift } = product({ data: mean.data, shape: [1, dIn] }, W_enc);
  const shifted = (name: string, gain: (i: number) => number = () => 1): HostTensor => ({
    shape: weights[name]!.shape,
    data: weights[name]!.data.map((value, i) => value - shift[i]! * gain(i)),
  });
  if (architecture !== 'gated') return { ...folded, b_enc: shifted('b_enc') };
  const { data: rMag } = weights['r_mag']!;
  return { ...folded, b_gate: shifted('b_gate'), b_mag: shifted('b_mag', i => Math.exp(rMag[i]!)) };
}
