/** SAE checkpoints from and to disk. Node only. */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FileFormatError, FileWriteError } from '../errors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { loadSaeFromFiles, type NamedBytes } from './load-sae-checkpoint.ts';
import type { LoadedSae } from './sae-checkpoint.ts';
import { type SaelensReadOptions, writeSaelens } from './saelens.ts';

/** Of a folder, what an SAE can be in; SAELens's trainer leaves more beside it, some of it large. */
const relevant = /\.(json|safetensors|npz|onnx)$/;
const irrelevant = ['activations_store_state.safetensors', 'sparsity.safetensors', 'runner_cfg.json'];

/**
 * Reads the SAE at `path`: a folder of SAELens or sparsify, its weights or config file, a Gemma Scope params.npz, or an `.onnx` file of ours.
 * FileFormatError as `loadSaeFromFiles`, and where there is nothing to read.
 */
export async function loadSaeFolder(path: string, options: SaelensReadOptions = {}): Promise<LoadedSae> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw new FileFormatError('there is no such file or folder', { file: path, cause });
  });
  const isFolder = entry.isDirectory();
  const folder = isFolder ? path : dirname(path);
  const names = isFolder ? (await readdir(path)).filter(name => relevant.test(name)) : [basename(path)];
  // A weights file needs the config beside it, and a config the weights.
  if (!isFolder && path.endsWith('.json')) return loadSaeFolder(folder, options);
  if (!isFolder && path.endsWith('.safetensors')) names.push('cfg.json', 'activation_scaler.json');

  const files: Record<string, Uint8Array> = {};
  for (const name of names.filter(candidate => !irrelevant.includes(candidate))) {
    const bytes = await readFile(join(folder, name)).catch(() => undefined);
    if (bytes) files[join(folder, name)] = bytes;
  }
  return loadSaeFromFiles(files satisfies NamedBytes, options);
}

/** Writes `sae` as the SAELens folder `path`, made where it does not exist. Errors as `writeSaelens`; FileWriteError where it cannot be. */
export async function saveSaelensFolder(path: string, sae: FrozenSae): Promise<void> {
  const files = writeSaelens(sae);
  await mkdir(path, { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(path, cause);
  });
  for (const [name, bytes] of Object.entries(files)) await writeFileAtomic(join(path, name), bytes);
}
