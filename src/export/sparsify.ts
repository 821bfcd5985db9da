/**
 * EleutherAI's sparsify (and its predecessor `sae`): cfg.json and sae.safetensors. TopK SAEs and transcoders:
 * pre = relu((x − b_dec) encoder.weightᵀ + encoder.bias), the k largest stay, x̂ = f W_dec + b_dec + x W_skipᵀ. A transcoder subtracts
 * nothing. Decoder norms are in the weights: `normalize_decoder` is a step of training.
 */
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { shown } from '../files/json-text.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { transposed } from './fold-scales.ts';
import {
  CheckpointTensors,
  type Config,
  checkedSae,
  type LoadedSae,
  type ReadOptions,
  readFlag,
  refuseUnknownOptions,
  requireDimension,
} from './sae-checkpoint.ts';

const knownOptions = new Set([
  'activation',
  'd_in',
  'expansion_factor',
  'gram_table_hash',
  'k',
  'lookup_max_order',
  'multi_topk',
  'normalize_decoder',
  'num_latents',
  'skip_connection',
  'transcode',
]);

/** Whether the tensors are named as in a sparsify file. */
export function isSparsify(tensors: ReadonlyMap<string, unknown>): boolean {
  return tensors.has('encoder.weight') && tensors.has('W_dec');
}

/**
 * Reads a sparsify checkpoint.
 * @throws FileFormatError where an option (such as `signed` or `groupmax`) or a tensor is unknown
 */
export function readSparsify(
  config: Config,
  tensors: ReadonlyMap<string, FileTensor>,
  options: ReadOptions = {},
): LoadedSae {
  const { file } = options;
  refuseUnknownOptions(config, knownOptions, options);
  const activation = config['activation'] ?? 'topk';
  if (activation !== 'topk') {
    throw new FileFormatError(`unknown activation ${shown(activation)}; known is topk`, { file });
  }
  const transcoder = readFlag(config, 'transcode', false, file);
  const source = new CheckpointTensors(tensors, file);
  const weights = {
    W_enc: transposed(source.take('encoder.weight')),
    b_enc: source.take('encoder.bias'),
    W_dec: source.take('W_dec'),
    b_dec: source.take('b_dec'),
    ...(readFlag(config, 'skip_connection', false, file) && { W_skip: source.take('W_skip') }),
  };
  source.refuseRest();

  const dIn = requireDimension(config, 'd_in', file);
  const dSae = config['num_latents']
    ? requireDimension(config, 'num_latents', file)
    : dIn * requireDimension(config, 'expansion_factor', file);
  const sae: FrozenSae = {
    architecture: 'topk',
    dIn,
    dSae,
    dOut: weights.W_dec.shape[1] ?? 0,
    k: requireDimension(config, 'k', file),
    applyBDecToInput: !transcoder,
    normalizeActivations: 'none',
    transcoder,
    weights,
    description: { source: 'sparsify' },
  };
  return { sae: checkedSae(sae, file), format: 'sparsify', notes: [] };
}
