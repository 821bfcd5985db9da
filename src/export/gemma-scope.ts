/**
 * Gemma Scope SAEs and transcoders (Lieberum et al. 2024): params.npz with W_enc, W_dec, b_enc, b_dec and threshold, jumprelu, nothing
 * subtracted from the input. Gemma Scope 2 stores the same as params.safetensors under lower-case names, some with an affine skip.
 */
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { shown } from '../files/json-text.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { transposed } from './fold-scales.ts';
import { CheckpointTensors, type Config, checkedSae, type LoadedSae, type ReadOptions } from './sae-checkpoint.ts';

/**
 * Whether the tensors are named as in a Gemma Scope file. The first release has SAELens's names for jumprelu, and
 * differs from it by having no `config`.
 */
export function isGemmaScope(tensors: ReadonlyMap<string, unknown>, config?: Config): boolean {
  if (tensors.has('w_enc') && tensors.has('w_dec')) return true;
  const names = ['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'];
  return (config === undefined || !('d_in' in config)) && names.every(name => tensors.has(name));
}

/**
 * Reads the tensors of a Gemma Scope file, and the config.json that Gemma Scope 2 has beside them.
 * @throws FileFormatError where a tensor is missing, unknown, or of the wrong shape, and for a cross-layer transcoder
 */
export function readGemmaScope(
  config: Config | undefined,
  tensors: ReadonlyMap<string, FileTensor>,
  { file }: ReadOptions = {},
): LoadedSae {
  const architecture = config?.['architecture'] ?? 'jump_relu';
  if (architecture !== 'jump_relu' && architecture !== 'jumprelu') {
    throw new FileFormatError(`unknown architecture ${shown(architecture)}; known is jump_relu`, { file });
  }
  const source = new CheckpointTensors(tensors, file);
  const take = (name: string) => source.take(source.has(name) ? name : name.replace('W_', 'w_'));
  const weights = Object.fromEntries(['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'].map(name => [name, take(name)]));
  if (source.has('scaling_factor') && !source.take('scaling_factor').data.every(factor => factor === 1)) {
    throw new FileFormatError('scaling_factor is not all ones: its meaning is not known', { file });
  }
  // The matrix is [d_in, d_out] in the file, and [d_out, d_in] here and in SAELens.
  const hasSkip = source.has('affine_skip_connection');
  if (hasSkip) weights['W_skip'] = transposed(source.take('affine_skip_connection'));
  source.refuseRest();

  if (weights['W_dec']!.shape.length === 3) {
    throw new FileFormatError(
      `W_dec is [${weights['W_dec']!.shape.join(', ')}], a decoder for each layer: a cross-layer transcoder cannot be converted, because the ` +
        'frozen form writes to one place',
      { file },
    );
  }
  if (config?.['affine_connection'] === true && !hasSkip) {
    throw new FileFormatError('its config has an affine connection, but affine_skip_connection is missing', { file });
  }
  const [dIn = 0, dSae = 0] = weights['W_enc']!.shape;
  const dOut = weights['W_dec']!.shape[1] ?? 0;
  const sae: FrozenSae = {
    architecture: 'jumprelu',
    dIn,
    dSae,
    dOut,
    applyBDecToInput: false,
    normalizeActivations: 'none',
    transcoder: hasSkip || dOut !== dIn || typeof config?.['hf_hook_point_out'] === 'string',
    weights,
    description: { source: 'gemma-scope', ...described(config) },
  };
  return { sae: checkedSae(sae, file), format: 'gemma-scope', notes: [] };
}

/** The place in the model that the config names, under SAELens's names. */
function described(config: Config | undefined): Readonly<Record<string, unknown>> {
  const names = {
    model_name: 'model_name',
    hf_hook_point_in: 'hf_hook_name',
    hf_hook_point_out: 'hf_hook_name_out',
    l0: 'l0',
  };
  const entries = Object.entries(names).filter(([name]) => config?.[name] !== undefined && config[name] !== null);
  return Object.fromEntries(entries.map(([name, ours]) => [ours, config![name]]));
}
