/**
 * Dictionaries of saprmarks/dictionary_learning whose state was saved as .safetensors, with the config.json that stands beside their ae.pt:
 *
 *     AutoEncoder         f = relu((x − bias) encoder.weightᵀ + encoder.bias),   x̂ = f decoder.weightᵀ + bias
 *     AutoEncoderTopK     the same with b_dec for bias, and the k largest f
 *     BatchTopKSAE        the same with b_dec, and f where it is above `threshold`
 *     GatedAutoEncoder    gate_bias, mag_bias, r_mag and decoder_bias
 */
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { shown } from '../files/json-text.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensor } from '../tensor.ts';
import { transposed } from './fold-scales.ts';
import {
  CheckpointTensors,
  type Config,
  checkedSae,
  type LoadedSae,
  type ReadOptions,
  requireDimension,
} from './sae-checkpoint.ts';

/** Whether the tensors are named as in a dictionary's state. */
export function isDictionaryLearning(tensors: ReadonlyMap<string, unknown>): boolean {
  return tensors.has('encoder.weight') && tensors.has('decoder.weight');
}

/**
 * Reads a dictionary.
 * @throws FileFormatError where a tensor or the class is missing or unknown: classes that differ have the same tensors
 */
export function readDictionaryLearning(
  config: Config | undefined,
  tensors: ReadonlyMap<string, FileTensor>,
  { file }: ReadOptions = {},
): LoadedSae {
  const trainer = (config?.['trainer'] ?? config ?? {}) as Config;
  const source = new CheckpointTensors(tensors, file);
  const kind =
    trainer['dict_class'] ??
    (source.has('bias') ? 'AutoEncoder' : source.has('r_mag') ? 'GatedAutoEncoder' : undefined);
  if (kind === undefined) {
    throw new FileFormatError(
      'dict_class is missing: put the config.json of dictionary_learning beside it, because a TopK and a BatchTopK dictionary have the same tensors',
      { file },
    );
  }
  const shared = (bias: string): Record<string, HostTensor> => ({
    W_enc: transposed(source.take('encoder.weight')),
    W_dec: transposed(source.take('decoder.weight')),
    b_dec: source.take(bias),
  });
  const drop = (...names: string[]): void => {
    for (const name of names.filter(candidate => source.has(candidate))) source.take(name);
  };
  const read: { architecture: FrozenSae['architecture']; k?: number; weights: Record<string, HostTensor> } = (() => {
    switch (kind) {
      case 'AutoEncoder':
        return { architecture: 'standard', weights: { ...shared('bias'), b_enc: source.take('encoder.bias') } };
      case 'AutoEncoderTopK': {
        const k = source.has('k') ? source.take('k').data[0]! : requireDimension(trainer, 'k', file);
        drop('threshold');
        return { architecture: 'topk', k, weights: { ...shared('b_dec'), b_enc: source.take('encoder.bias') } };
      }
      case 'BatchTopKSAE': {
        const weights = { ...shared('b_dec'), b_enc: source.take('encoder.bias') };
        const { shape, data } = weights.b_enc;
        const threshold = { shape, data: new Float32Array(data.length).fill(source.take('threshold').data[0]!) };
        drop('k');
        return { architecture: 'jumprelu', weights: { ...weights, threshold } };
      }
      case 'GatedAutoEncoder':
        return {
          architecture: 'gated',
          weights: {
            ...shared('decoder_bias'),
            b_gate: source.take('gate_bias'),
            b_mag: source.take('mag_bias'),
            r_mag: source.take('r_mag'),
          },
        };
      default:
        throw new FileFormatError(
          `dict_class ${shown(kind)} cannot be converted; known are AutoEncoder, AutoEncoderTopK, BatchTopKSAE, GatedAutoEncoder`,
          { file },
        );
    }
  })();
  source.refuseRest();
  const [dIn = 0, dSae = 0] = read.weights['W_enc']!.shape;
  const names = { lm_name: 'model_name', layer: 'layer', submodule_name: 'hook_name' };
  const described = Object.entries(names).filter(([name]) => trainer[name] !== undefined && trainer[name] !== null);
  const sae: FrozenSae = {
    ...read,
    dIn,
    dSae,
    dOut: dIn,
    applyBDecToInput: true,
    normalizeActivations: 'none',
    transcoder: false,
    description: {
      source: 'dictionary-learning',
      ...Object.fromEntries(described.map(([name, ours]) => [ours, trainer[name]])),
    },
  };
  return { sae: checkedSae(sae, file), format: 'dictionary-learning', notes: [] };
}
