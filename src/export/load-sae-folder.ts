/** Reads and writes SAE checkpoints on disk, tensor by tensor, so that only memory limits their size. Node only. */
import { mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { FileFormatError, FileWriteError } from '../errors.ts';
import type { ByteSource } from '../files/byte-source.ts';
import { encodeElements } from '../files/element-type.ts';
import { openFileBytes } from '../files/file-bytes.ts';
import { safetensorsHeader, safetensorsOrder } from '../files/safetensors.ts';
import { openAtomicFile, writeFileAtomic } from '../files/write-atomic.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensor } from '../tensor.ts';
import { readCheckpoint } from './load-sae-checkpoint.ts';
import type { LoadedSae } from './sae-checkpoint.ts';
import { type SaelensReadOptions, saelensFolder } from './saelens.ts';

/** Files of a folder that an SAE can be in, and pickles, which are named in the error where there is nothing else. */
const relevant = /\.(json|safetensors|npz|onnx|pt|pth|bin|ckpt|pkl)$/;
const unread = ['sparsity.safetensors', 'runner_cfg.json', 'trainer_state.pt'];

/** Elements written at once. */
const ELEMENTS_AT_ONCE = 2 ** 22;

/**
 * Reads the SAE at `path`: a folder of SAELens or sparsify, its weights or config file, a Gemma Scope params.npz, or an
 * `.onnx` file of this package.
 * @throws FileFormatError as `loadSaeFromFiles`, where a file cannot be read, and where there is nothing to read
 */
export async function loadSaeFolder(path: string, options: SaelensReadOptions = {}): Promise<LoadedSae> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw new FileFormatError('there is no such file or folder', { file: path, cause });
  });
  const isFolder = entry.isDirectory();
  const folder = isFolder ? path : dirname(path);
  // A weights file needs the config beside it, and a config the weights.
  if (!isFolder && /\.json$/.test(path)) return loadSaeFolder(folder, options);
  const there = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new FileFormatError(`cannot be read: ${(cause as Error).message}`, { file: folder, cause });
  });
  const besides = (name: string): boolean =>
    isFolder
      ? relevant.test(name) && !unread.includes(name)
      : name === basename(path) || belongsTo(basename(path), name);
  const names = there.filter(({ name }) => besides(name) && !name.startsWith('.')).map(({ name }) => name);
  const folders = isFolder ? await foldersWithSaes(folder) : [];

  const sources = new Map<string, ByteSource>();
  try {
    for (const name of names.sort()) {
      const file = join(folder, name);
      if ((await stat(file).catch(() => undefined))?.isDirectory()) continue;
      sources.set(file, await openFileBytes(file, "an SAE's weights"));
    }
    const files = [...sources].map(([name, { size }]) => ({ name, size }));
    const reading = readCheckpoint(files, isFolder ? { file: options.file, ...options } : options, folders);
    let step = reading.next(new Uint8Array(0));
    while (!step.done) {
      const { file, start, length, isExternal } = step.value;
      if (isExternal && !sources.has(file)) sources.set(file, await openInside(folder, file));
      step = reading.next(await sources.get(file)!.read(start, length));
    }
    return { ...step.value, files: [...sources.keys()] };
  } finally {
    for (const source of sources.values()) await source.close();
  }
}

/** Whether a file must be read together with the weights file `weights`: configs, scales, and the other shards. */
function belongsTo(weights: string, name: string): boolean {
  if (!/\.(safetensors|npz)$/.test(weights)) return false;
  const isConfig = ['cfg.json', 'config.json', 'activation_scaler.json'].includes(name);
  const isState = ['activations_store_state.safetensors', 'activation_whitening.safetensors'].includes(name);
  const shards = /^(.*)-\d+-of-(\d+)\.safetensors$/.exec(weights);
  const isShard = shards !== null && name.startsWith(`${shards[1]}-`) && name.endsWith(`-of-${shards[2]}.safetensors`);
  return isConfig || isState || isShard;
}

/**
 * How deep a release nests its SAEs (layer, width, sparsity), and how many folders are looked into: a message needs no
 * more.
 */
const DEEPEST = 4;
const MOST_FOLDERS = 2000;

/** The folders below `folder` that hold weights, as a release of many layers on a hub has them; paths with forward slashes. */
async function foldersWithSaes(folder: string): Promise<string[]> {
  const found: string[] = [];
  let looked = 0;
  const look = async (path: string, depth: number): Promise<void> => {
    const entries = await readdir(join(folder, path), { withFileTypes: true }).catch(() => []);
    if (depth > 0 && entries.some(({ name }) => /\.(safetensors|npz)$/.test(name))) found.push(path);
    if (depth === DEEPEST) return;
    const folders = entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
    for (const name of folders.sort(byNumber)) {
      if (++looked < MOST_FOLDERS) await look(path === '' ? name : `${path}/${name}`, depth + 1);
    }
  };
  await look('', 0);
  return found;
}

const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/**
 * Opens a file that an ONNX file names.
 * @throws FileFormatError where a symbolic link leads out of the model's folder
 */
async function openInside(folder: string, path: string): Promise<ByteSource> {
  const failed = (cause: unknown): never => {
    throw new FileFormatError(`cannot be read: ${(cause as Error).message}`, { file: path, cause });
  };
  const inside = relative(await realpath(folder).catch(failed), await realpath(path).catch(failed));
  if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) {
    throw new FileFormatError("it leads out of the model's folder: refused", { file: path });
  }
  return openFileBytes(path, "an SAE's weights");
}

/**
 * Writes `sae` as the SAELens folder `path`, which is made where it does not exist.
 * @throws FileWriteError where a file cannot be written
 */
export async function saveSaelensFolder(path: string, sae: FrozenSae): Promise<readonly string[]> {
  const { config, weights } = saelensFolder(sae);
  await mkdir(path, { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(path, cause);
  });
  const files = ['sae_weights.safetensors', 'cfg.json'].map(name => join(path, name));
  await writeTensors(files[0]!, weights);
  await writeFileAtomic(files[1]!, config);
  return files;
}

/** Tensors as a .safetensors file, float32. */
async function writeTensors(path: string, tensors: Readonly<Record<string, HostTensor>>): Promise<void> {
  const names = safetensorsOrder<{ readonly type?: never }>(
    tensors as Readonly<Record<string, { readonly type?: never }>>,
  );
  const file = await openAtomicFile(path);
  try {
    await file.append(
      safetensorsHeader(
        names.map(name => [name, { shape: tensors[name]!.shape, type: 'float32' }]),
        { format: 'pt' },
      ),
    );
    for (const name of names) {
      const { data } = tensors[name]!;
      for (let at = 0; at < data.length; at += ELEMENTS_AT_ONCE) {
        await file.append(encodeElements(data.subarray(at, at + ELEMENTS_AT_ONCE), 'float32'));
      }
    }
    await file.finish();
  } finally {
    await file.discard();
  }
}
