/**
 * Gemma Scope SAEs and transcoders (Lieberum et al. 2024): params.npz with W_enc, W_dec, b_enc, b_dec and threshold, jumprelu, nothing
 * subtracted from the input. Gemma Scope 2 stores the same as params.safetensors under lower-case names, some with an affine skip.
 */
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { transposed } from './fold-scales.ts';
import { CheckpointTensors, checkedSae, type LoadedSae, type ReadOptions } from './sae-checkpoint.ts';

/** True where the tensors are named as in a Gemma Scope file. */
export function isGemmaScope(tensors: ReadonlyMap<string, unknown>): boolean {
  return ['w_enc', 'w_dec', 'b_enc', 'b_dec', 'threshold'].every(
    name => tensors.has(name) || tensors.has(name.replace('w_', 'W_')),
  );
}

/** Reads the tensors of a Gemma Scope file. FileFormatError where one is missing, unknown, or of the wrong shape. */
export function readGemmaScope(tensors: ReadonlyMap<string, FileTensor>, { file }: ReadOptions = {}): LoadedSae {
  const source = new CheckpointTensors(tensors, file);
  const take = (name: string) => source.take(source.has(name) ? name : name.replace('W_', 'w_'));
  const weights = Object.fromEntries(['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'].map(name => [name, take(name)]));
  if (source.has('scaling_factor') && !source.take('scaling_factor').data.every(factor => factor === 1)) {
    throw new FileFormatError('scaling_factor is not all ones: its meaning is not known', { file });
  }
  // [d_in, d_out] there, [d_out, d_in] here and in SAELens.
  const hasSkip = source.has('affine_skip_connection');
  if (hasSkip) weights['W_skip'] = transposed(source.take('affine_skip_connection'));
  source.refuseRest();

  const [dIn = 0, dSae = 0] = weights['W_enc']!.shape;
  const dOut = weights['W_dec']!.shape[1] ?? 0;
  const sae: FrozenSae = {
    architecture: 'jumprelu',
    dIn,
    dSae,
    dOut,
    applyBDecToInput: false,
    normalizeActivations: 'none',
    transcoder: hasSkip || dOut !== dIn,
    weights,
    description: { source: 'gemma-scope' },
  };
  return { sae: checkedSae(sae, file), format: 'gemma-scope', notes: [] };
}
