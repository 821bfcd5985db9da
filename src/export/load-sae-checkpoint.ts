/**
 * Reads an SAE from files of any known format; formats are told apart by the files' contents, not by their names. It
 * runs in browsers too.
 *
 * One piece of code reads files on disk and bytes in memory: a generator that asks for ranges of named files, so that
 * nothing larger than one tensor is read at once.
 */
import { FileFormatError } from '../errors.ts';
import type { Asking } from '../files/byte-source.ts';
import { adoptElements, type FileTensor } from '../files/element-type.ts';
import { arrayName, npzArrays } from '../files/npz.ts';
import { otherFormat, otherFormatGuess } from '../files/other-format.ts';
import {
  readableType,
  readSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
  safetensorsPrefixLength,
} from '../files/safetensors.ts';
import { isZip, zipDirectory } from '../files/zip.ts';
import { isDictionaryLearning, readDictionaryLearning } from './dictionary-learning.ts';
import { type OnnxReading, readFrozenSaeOnnx } from './frozen-sae-onnx.ts';
import { isGemmaScope, readGemmaScope } from './gemma-scope.ts';
import { isOpenAi, readOpenAi } from './openai.ts';
import { type Config, type LoadedSae, parseConfig } from './sae-checkpoint.ts';
import { readSaelens, type SaelensReadOptions, type Whitening } from './saelens.ts';
import { isSparsify, readSparsify } from './sparsify.ts';

/** Files by name; a folder before the name is ignored. */
export type NamedBytes = Readonly<Record<string, Uint8Array>>;

/** A file that may belong to a checkpoint. */
export interface CheckpointFile {
  readonly name: string;
  readonly size: number;
}

/** Part of a named file. `isExternal` where the name is one that an ONNX file gives, relative to its own folder. */
export interface FileRange {
  readonly file: string;
  readonly start: number;
  readonly length: number;
  readonly isExternal?: boolean;
}

/** A reader that asks for ranges of files and is given their bytes. */
export type CheckpointReading<Result> = Generator<FileRange, Result, Uint8Array>;

/** The content of a file, as far as its beginning shows. */
type Content =
  | { readonly kind: 'safetensors'; readonly names: readonly string[]; readonly header: SafetensorsHeader }
  | { readonly kind: 'npz'; readonly names: readonly string[]; readonly beginning: Uint8Array }
  | { readonly kind: 'json' | 'onnx' }
  | { readonly kind: 'other'; readonly what: string | undefined };

type KnownFile = CheckpointFile & { readonly content: Content };

/** Files that are one set of tensors: a file by itself, or the shards of one. */
interface TensorFiles {
  readonly name: string;
  readonly files: readonly KnownFile[];
}

/** Names of the encoder's matrix in the formats that are known: which of several tensor files is the SAE. */
const encoderNames = ['W_enc', 'w_enc', 'encoder.weight'];

/** Files that SAELens's trainer leaves beside an SAE and that no reader needs. */
const passedOver = ['sparsity.safetensors', 'runner_cfg.json'];

/** A larger JSON file is no config. */
const LARGEST_CONFIG = 2 ** 26;

/**
 * Reads the SAE that `files` hold: a SAELens or sparsify folder's config and weights (in shards, too), a Gemma Scope
 * params.npz or params.safetensors, OpenAI's or dictionary_learning's state as .safetensors, or an `.onnx` file of ours
 * with its `.onnx.data`. Other files are ignored. SAELens's scales and whitening are used where the config asks for
 * them.
 * @throws FileFormatError where none or several SAEs are there, the config of one is missing, or one is damaged or has
 *   an unknown option
 */
export function loadSaeFromFiles(files: NamedBytes, options: SaelensReadOptions = {}): LoadedSae {
  const names = Object.keys(files);
  const reading = readCheckpoint(
    names.map(name => ({ name, size: files[name]!.byteLength })),
    options,
  );
  let step = reading.next(new Uint8Array(0));
  while (!step.done) {
    const { file, start, length, isExternal } = step.value;
    const name = isExternal ? names.find(candidate => baseName(candidate) === baseName(file)) : file;
    const bytes = name === undefined ? undefined : files[name];
    if (bytes === undefined || start + length > bytes.byteLength) {
      const problem = bytes === undefined ? 'is not among the files' : `is shorter than ${start + length} bytes`;
      throw new FileFormatError(`${file}, which holds its weights, ${problem}`, { file: options.file });
    }
    step = reading.next(bytes.subarray(start, start + length));
  }
  return step.value;
}

/** Reads the SAE that `files` hold, as `loadSaeFromFiles`. `folders` are those beside them that hold an SAE, for messages. */
export function* readCheckpoint(
  files: readonly CheckpointFile[],
  options: SaelensReadOptions = {},
  folders: readonly string[] = [],
): CheckpointReading<LoadedSae> {
  const known: KnownFile[] = [];
  for (const file of files) {
    if (!passedOver.includes(baseName(file.name))) known.push({ ...file, content: yield* contentOf(file) });
  }
  const groups = yield* tensorFiles(known);
  const saes = groups.filter(group => tensorNames(group).some(name => encoderNames.includes(name)));
  if (saes.length > 1) {
    const names = saes.map(({ name }) => name).join(', ');
    throw new FileFormatError(`several sparse autoencoders, ${names}: give one`, { file: options.file });
  }
  const [found] = saes;
  if (found === undefined) {
    const onnx = known.filter(({ content }) => content.kind === 'onnx');
    if (onnx.length === 1) return yield* readOnnx(onnx[0]!, options);
    throw noneFound(known, folders, options);
  }

  const file = options.file ?? found.name;
  const { tensors, metadata } = yield* readTensors(found);
  const config = yield* findConfig(known);
  if (isGemmaScope(tensors, config?.config)) return readGemmaScope(config?.config, tensors, { ...options, file });
  if (isOpenAi(tensors)) return readOpenAi(config?.config, tensors, metadata, { ...options, file });
  if (isDictionaryLearning(tensors)) return readDictionaryLearning(config?.config, tensors, { ...options, file });
  if (config === undefined || !('d_in' in config.config)) {
    throw new FileFormatError('the cfg.json that belongs beside it is missing', { file });
  }
  if (isSparsify(tensors)) return readSparsify(config.config, tensors, { ...options, file });
  return readSaelens(config.config, tensors, {
    ...options,
    file,
    normScalingFactor: options.normScalingFactor ?? (yield* findScale(known)),
    whitening: yield* findWhitening(known),
  });
}

function* within<Result>(file: CheckpointFile, asking: Asking<Result>): CheckpointReading<Result> {
  let step = asking.next(new Uint8Array(0));
  while (!step.done) step = asking.next(yield { file: file.name, ...step.value });
  return step.value;
}

function* contentOf(file: CheckpointFile): CheckpointReading<Content> {
  const { name, size } = file;
  const beginning = yield { file: name, start: 0, length: Math.min(size, otherFormatGuess) };
  if (isZip(beginning)) {
    const entries = yield* within(file, zipDirectory(size, name));
    const names = entries.filter(entry => entry.name.endsWith('.npy')).map(arrayName);
    if (names.length > 0) return { kind: 'npz', names, beginning: beginning.slice() };
    const isPickle = entries.some(entry => entry.name.endsWith('data.pkl'));
    return { kind: 'other', what: otherFormat(isPickle ? new TextEncoder().encode('PK data.pkl') : beginning) };
  }
  if (looksLikeSafetensors(beginning)) {
    const end = safetensorsHeaderEnd(beginning, size, { file: name });
    const header = readSafetensorsHeader(yield { file: name, start: 0, length: end }, size, { file: name });
    return { kind: 'safetensors', names: [...header.entries.keys()], header };
  }
  // An ONNX file begins with its IR version: field 1, a varint.
  if (beginning[0] === 0x08) return { kind: 'onnx' };
  const what = otherFormat(beginning);
  if (name.endsWith('.json') && !what?.startsWith('it is')) return { kind: 'json' };
  return what === 'it looks like JSON' ? { kind: 'json' } : { kind: 'other', what };
}

/** Whether JSON follows eight bytes of length, of which the last are zero in any real file. */
function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return (
    bytes.byteLength > safetensorsPrefixLength &&
    bytes[safetensorsPrefixLength] === 0x7b &&
    bytes[7] === 0 &&
    bytes[6] === 0
  );
}

function baseName(name: string): string {
  return name.split(/[/\\]/).at(-1)!;
}

const folderOf = (name: string): string => name.slice(0, name.length - baseName(name).length);

function* readJson(file: CheckpointFile): CheckpointReading<Config> {
  const { name, size } = file;
  if (size > LARGEST_CONFIG) throw new FileFormatError(`${size} bytes, too many for a config`, { file: name });
  return parseConfig(yield { file: name, start: 0, length: size }, name);
}

/**
 * The sets of tensors among `files`.
 * @throws FileFormatError where a shard of one is missing
 */
function* tensorFiles(files: readonly KnownFile[]): CheckpointReading<TensorFiles[]> {
  const groups: TensorFiles[] = [];
  const taken = new Set<string>();
  const take = (name: string, names: readonly string[], because: string): void => {
    const shards = names.map(shard => {
      const found = files.find(file => file.name === shard);
      if (found === undefined) {
        throw new FileFormatError(
          `${baseName(shard)}, which ${because}, is missing: the weights are in several files`,
          {
            file: name,
          },
        );
      }
      if (found.content.kind === 'other') {
        throw new FileFormatError(found.content.what ?? 'no tensors in it', { file: shard });
      }
      taken.add(shard);
      return found;
    });
    groups.push({ name, files: shards });
  };

  for (const file of files.filter(({ name }) => name.endsWith('.safetensors.index.json'))) {
    const map = (yield* readJson(file))['weight_map'];
    if (typeof map !== 'object' || map === null || !Object.values(map).every(shard => typeof shard === 'string')) {
      throw new FileFormatError('no weight_map of file names in it', { file: file.name });
    }
    const shards = [...new Set(Object.values(map as Record<string, string>))];
    take(
      file.name,
      shards.map(shard => folderOf(file.name) + baseName(shard)),
      'its index names',
    );
  }
  for (const { name, content } of files) {
    if (taken.has(name)) continue;
    const [, stem, , count] = /^(.*)-(\d+)-of-(\d+)\.safetensors$/.exec(name) ?? [];
    if (stem !== undefined && Number(count) <= 10_000) {
      const shards = Array.from({ length: Number(count) }, (_, i) => {
        return `${stem}-${String(i + 1).padStart(count!.length, '0')}-of-${count}.safetensors`;
      });
      take(`${stem}-*.safetensors`, shards, `belongs to ${baseName(name)}`);
    } else if (content.kind === 'safetensors' || content.kind === 'npz') take(name, [name], '');
  }
  return groups;
}

function tensorNames({ files }: TensorFiles): string[] {
  return files.flatMap(({ content }) => ('names' in content ? content.names : []));
}

function* readTensors({
  name,
  files,
}: TensorFiles): CheckpointReading<{ tensors: Map<string, FileTensor>; metadata: Readonly<Record<string, string>> }> {
  const tensors = new Map<string, FileTensor>();
  const metadata: Record<string, string> = {};
  for (const file of files) {
    const { content } = file;
    if (content.kind === 'npz') {
      const arrays = yield* within(file, npzArrays(content.beginning, file.size, file.name));
      for (const [array, tensor] of arrays) tensors.set(array, tensor);
    } else if (content.kind === 'safetensors') {
      Object.assign(metadata, content.header.metadata);
      for (const [tensor, entry] of content.header.entries) {
        if (tensors.has(tensor))
          throw new FileFormatError(`tensor ${tensor} stands in two of its files`, { file: name });
        const type = readableType(tensor, entry, { file: file.name });
        const bytes = yield { file: file.name, start: entry.start, length: entry.end - entry.start };
        tensors.set(tensor, { type, shape: entry.shape, data: adoptElements(bytes, type) });
      }
    }
  }
  return { tensors, metadata };
}

/** cfg.json, or else the only JSON object that states d_in or is called config.json. */
function* findConfig(files: readonly KnownFile[]): CheckpointReading<{ name: string; config: Config } | undefined> {
  const json = files.filter(({ name, content }) => content.kind === 'json' && !name.endsWith('.index.json'));
  const named = files.find(({ name }) => baseName(name) === 'cfg.json');
  if (named) {
    if (named.content.kind === 'other' && named.content.what)
      throw new FileFormatError(named.content.what, { file: named.name });
    return { name: named.name, config: yield* readJson(named) };
  }
  const others: { name: string; config: Config }[] = [];
  for (const file of json) {
    if (baseName(file.name) === 'activation_scaler.json' || file.size > LARGEST_CONFIG) continue;
    const bytes = yield { file: file.name, start: 0, length: file.size };
    // A JSON list is no config; anything else that is wrong with a config is an error.
    if (/^[\s\ufeff]*\[/.test(new TextDecoder().decode(bytes.subarray(0, 64)))) continue;
    others.push({ name: file.name, config: parseConfig(bytes, file.name) });
  }
  const stating = others.filter(({ config }) => 'd_in' in config);
  return stating.length === 1 ? stating[0] : others.find(({ name }) => baseName(name) === 'config.json');
}

/** The factor that SAELens's trainer saves beside a checkpoint for as long as it is not folded: since version 6 in JSON, before that among
 * the state of its activation store. */
function* findScale(files: readonly KnownFile[]): CheckpointReading<number | undefined> {
  const scaler = files.find(({ name }) => baseName(name) === 'activation_scaler.json');
  const factor = scaler && (yield* readJson(scaler))['scaling_factor'];
  if (typeof factor === 'number') return factor;
  const state = yield* tensorsOf(files, 'activations_store_state.safetensors', ['estimated_norm_scaling_factor']);
  return state?.get('estimated_norm_scaling_factor')?.data[0];
}

function* findWhitening(files: readonly KnownFile[]): CheckpointReading<Whitening | undefined> {
  const scaler = files.find(({ name }) => baseName(name) === 'activation_scaler.json');
  if (scaler && (yield* readJson(scaler))['has_whitening'] === false) return undefined;
  const names = ['mean', 'matrix', 'inverse_matrix'];
  const tensors = yield* tensorsOf(files, 'activation_whitening.safetensors', names);
  if (tensors === undefined) return undefined;
  const [mean, matrix, inverse] = names.map(name => tensors.get(name));
  if (!mean || !matrix || !inverse) {
    throw new FileFormatError(`a whitening needs ${names.join(', ')}`, { file: 'activation_whitening.safetensors' });
  }
  return { mean, matrix, inverse };
}

/** Some tensors of the file that is called `wanted`; `undefined` where it is not there. */
function* tensorsOf(
  files: readonly KnownFile[],
  wanted: string,
  names: readonly string[],
): CheckpointReading<ReadonlyMap<string, FileTensor> | undefined> {
  const file = files.find(({ name }) => baseName(name) === wanted);
  if (file?.content.kind !== 'safetensors') return undefined;
  const tensors = new Map<string, FileTensor>();
  for (const name of names) {
    const entry = file.content.header.entries.get(name);
    if (entry === undefined) continue;
    const type = readableType(name, entry, { file: file.name });
    const bytes = yield { file: file.name, start: entry.start, length: entry.end - entry.start };
    tensors.set(name, { type, shape: entry.shape, data: adoptElements(bytes, type) });
  }
  return tensors;
}

function* readOnnx(file: KnownFile, options: SaelensReadOptions): CheckpointReading<LoadedSae> {
  const bytes = yield { file: file.name, start: 0, length: file.size };
  const reading: OnnxReading<LoadedSae> = readFrozenSaeOnnx(bytes, { file: options.file ?? file.name });
  let step = reading.next(new Uint8Array(0));
  while (!step.done) {
    const { location, offset, length } = step.value;
    step = reading.next(yield { file: folderOf(file.name) + location, start: offset, length, isExternal: true });
  }
  return step.value;
}

/** Why no SAE was found, and what is there instead. */
function noneFound(
  files: readonly KnownFile[],
  folders: readonly string[],
  options: SaelensReadOptions,
): FileFormatError {
  const foreign = files.find(({ content }) => content.kind === 'other' && content.what?.startsWith('it is'));
  if (foreign?.content.kind === 'other' && foreign.content.what) {
    return new FileFormatError(foreign.content.what, { file: options.file ?? foreign.name });
  }
  if (folders.length > 0) {
    const listed =
      folders.length > 12 ? `${folders.slice(0, 12).join(', ')} and ${folders.length - 12} more` : folders.join(', ');
    return new FileFormatError(
      `no sparse autoencoder in this folder itself; those below it hold one: give one of ${listed}`,
      {
        file: options.file,
      },
    );
  }
  const described = files.map(({ name, content }) => {
    return content.kind === 'other' && content.what ? `${name} (${content.what})` : name;
  });
  return new FileFormatError(`no sparse autoencoder among ${described.join(', ') || 'no files'}`, {
    file: options.file,
  });
}
