/** An SAE from files of any format that is known, told apart by what they hold and not by what they are called. Runs in browsers too. */
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { readNpz } from '../files/npz.ts';
import { readSafetensors } from '../files/safetensors.ts';
import { isZip } from '../files/zip.ts';
import { frozenSaeFromOnnx } from './frozen-sae-onnx.ts';
import { isGemmaScope, readGemmaScope } from './gemma-scope.ts';
import { type Config, type LoadedSae, parseConfig } from './sae-checkpoint.ts';
import { readSaelens, type SaelensReadOptions } from './saelens.ts';
import { isSparsify, readSparsify } from './sparsify.ts';

/** Files by name; folders before the name are passed over. */
export type NamedBytes = Readonly<Record<string, Uint8Array>>;

interface Weights {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, FileTensor>;
}

/** Names of the encoder's matrix in the formats that are known: which of several tensor files is the SAE. */
const encoderNames = ['W_enc', 'w_enc', 'encoder.weight'];

/**
 * Reads the SAE that `files` hold: a SAELens or sparsify folder's config and weights, a Gemma Scope params.npz or params.safetensors, or an
 * `.onnx` file of ours. Other files of the folder are passed over; SAELens's activation_scaler.json is used where the config asks for it.
 *
 * FileFormatError where none or several SAEs are there, the config of one is missing, or one is damaged or has an unknown option.
 */
export function loadSaeFromFiles(files: NamedBytes, options: SaelensReadOptions = {}): LoadedSae {
  const entries = Object.entries(files);
  const weights = entries.map(([name, bytes]) => readWeights(name, bytes)).filter(found => found !== undefined);
  if (weights.length === 0) {
    const [onnx, ...others] = entries.filter(([, bytes]) => looksLikeOnnx(bytes));
    if (onnx && others.length === 0) return frozenSaeFromOnnx(onnx[1], { file: options.file ?? onnx[0] });
    const names = entries.map(([name]) => name).join(', ') || 'no files';
    throw new FileFormatError(`no sparse autoencoder among ${names}`, { file: options.file });
  }
  if (weights.length > 1) {
    const names = weights.map(({ name }) => name).join(', ');
    throw new FileFormatError(`several sparse autoencoders, ${names}: give one`, { file: options.file });
  }
  const { name, tensors } = weights[0]!;
  const file = options.file ?? name;
  if (isZip(files[name]!) || tensors.has('w_enc')) {
    if (isGemmaScope(tensors)) return readGemmaScope(tensors, { ...options, file });
  }
  const config = findConfig(entries, file);
  if (isSparsify(tensors)) return readSparsify(config, tensors, { ...options, file });
  return readSaelens(config, tensors, {
    ...options,
    file,
    normScalingFactor: options.normScalingFactor ?? findScale(entries),
  });
}

/** The tensors of a file that holds an SAE's encoder; `undefined` for any other file. */
function readWeights(name: string, bytes: Uint8Array): Weights | undefined {
  if (!isZip(bytes) && !looksLikeSafetensors(bytes)) return undefined;
  const tensors = isZip(bytes) ? readNpz(bytes, { file: name }) : readSafetensors(bytes, { file: name }).tensors;
  return encoderNames.some(encoder => tensors.has(encoder)) ? { name, tensors } : undefined;
}

/** Behind eight bytes of length, of which the last are zero in any real file, stands JSON. */
function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.byteLength > 8 && bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0;
}

/** An ONNX file begins with its IR version: field 1, a varint. */
function looksLikeOnnx(bytes: Uint8Array): boolean {
  return bytes[0] === 0x08;
}

function baseName(name: string): string {
  return name.split(/[/\\]/).at(-1)!;
}

function isJsonObject(bytes: Uint8Array): boolean {
  return /^\s*\{/.test(new TextDecoder().decode(bytes.subarray(0, 64)));
}

/** The JSON object that states d_in. */
function findConfig(entries: readonly (readonly [string, Uint8Array])[], weightsFile: string): Config {
  const named = entries.find(([name]) => baseName(name) === 'cfg.json');
  if (named) return parseConfig(named[1], named[0]);
  const configs = entries
    .filter(([, bytes]) => isJsonObject(bytes))
    .map(([name, bytes]) => parseConfig(bytes, name))
    .filter(config => 'd_in' in config);
  if (configs.length !== 1)
    throw new FileFormatError('the cfg.json that belongs beside it is missing', { file: weightsFile });
  return configs[0]!;
}

/** The factor that SAELens's trainer saves beside a checkpoint for as long as it is not folded. */
function findScale(entries: readonly (readonly [string, Uint8Array])[]): number | undefined {
  const found = entries.find(([name]) => baseName(name) === 'activation_scaler.json');
  const factor = found && parseConfig(found[1], found[0])['scaling_factor'];
  return typeof factor === 'number' ? factor : undefined;
}
