/**
 * OpenAI's sparse_autoencoder (Gao et al. 2024), its state saved as .safetensors: encoder.weight [d_sae, d_in],
 * decoder.weight [d_in, d_sae] (none where it is tied), pre_bias [d_in], latent_bias [d_sae].
 *
 * f = activation((LN?(x) − pre_bias) encoder.weightᵀ + latent_bias), x̂ = f decoder.weightᵀ + pre_bias
 *
 * TopK includes LN, `layer_norm` here, as in `Autoencoder.from_state_dict`. Values that are no tensors (`activation`,
 * `k`) may stand in the file's `__metadata__` or in a config.json beside it.
 */
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { parseJson, shown } from '../files/json-text.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { transposed } from './fold-scales.ts';
import { CheckpointTensors, type Config, checkedSae, type LoadedSae, type ReadOptions } from './sae-checkpoint.ts';

/** Counters of training, and the parts of the activation's own state. */
const passedOver = ['stats_last_nonzero', 'latents_activation_frequency', 'latents_mean_square'];
const namesOfK = ['k', 'activation.k', 'activation_state_dict.k'];

/** Whether the tensors are named as in OpenAI's state. */
export function isOpenAi(tensors: ReadonlyMap<string, unknown>): boolean {
  return tensors.has('encoder.weight') && tensors.has('latent_bias');
}

/**
 * Reads OpenAI's state.
 * @throws FileFormatError where a tensor or the activation is missing, unknown, or of the wrong shape
 */
export function readOpenAi(
  config: Config | undefined,
  tensors: ReadonlyMap<string, FileTensor>,
  metadata: Readonly<Record<string, string>>,
  { file }: ReadOptions = {},
): LoadedSae {
  const source = new CheckpointTensors(tensors, file);
  const encoder = source.take('encoder.weight');
  const weights = {
    W_enc: transposed(encoder),
    W_dec: source.has('decoder.weight') ? transposed(source.take('decoder.weight')) : encoder,
    b_enc: source.take('latent_bias'),
    b_dec: source.take('pre_bias'),
  };
  const given = { ...metadata, ...config };
  const kTensor = namesOfK.find(name => source.has(name));
  const k = kTensor === undefined ? kOf(given, file) : source.take(kTensor).data[0];
  for (const name of passedOver.filter(candidate => source.has(candidate))) source.take(name);
  source.refuseRest();

  const notes: string[] = [];
  const named = given['activation'] ?? given['activation_fn'];
  if (named === undefined && k === undefined) {
    notes.push(
      'nothing says which activation: read as ReLU, as from_state_dict does. For TopK put "activation": "TopK" and "k" into a config.json beside it.',
    );
  }
  const activation = named ?? (k === undefined ? 'ReLU' : 'TopK');
  if (activation !== 'ReLU' && activation !== 'TopK') {
    throw new FileFormatError(`unknown activation ${shown(activation)}; known are ReLU and TopK`, { file });
  }
  if (activation === 'TopK' && k === undefined)
    throw new FileFormatError('its activation is TopK, but k is missing', { file });
  const isNormalized = given['normalize'] === undefined ? activation === 'TopK' : String(given['normalize']) === 'true';
  const [dIn = 0, dSae = 0] = weights.W_enc.shape;
  const sae: FrozenSae = {
    architecture: activation === 'TopK' ? 'topk' : 'standard',
    dIn,
    dSae,
    dOut: dIn,
    ...(activation === 'TopK' && { k: k! }),
    applyBDecToInput: true,
    normalizeActivations: isNormalized ? 'layer_norm' : 'none',
    transcoder: false,
    weights,
    description: { source: 'openai' },
  };
  return { sae: checkedSae(sae, file), format: 'openai', notes };
}

/** k, which stands beside the activation or in its state. */
function kOf(given: Readonly<Record<string, unknown>>, file: string | undefined): number | undefined {
  const state = given['activation_state_dict'] ?? given['activation_fn_kwargs'];
  const parsed = typeof state === 'string' ? parseJson(state, 'activation_state_dict', { file }) : state;
  const k = (parsed as { k?: unknown } | undefined | null)?.k ?? given['k'];
  if (k === undefined) return undefined;
  const value = Number(k);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new FileFormatError(`k must be positive, got ${shown(k)}`, { file });
  const postact = (parsed as { postact_fn?: unknown } | undefined | null)?.postact_fn ?? 'ReLU';
  if (postact !== 'ReLU') throw new FileFormatError(`unknown postact_fn ${shown(postact)}; known is ReLU`, { file });
  return value;
}
