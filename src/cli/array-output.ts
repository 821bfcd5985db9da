/**
 * Writes a command's array to a file of a format that its extension names, or to stdout as JSON; a batch at a time
 * either way.
 */
import { extname } from 'node:path';
import { UsageError } from '../errors.ts';
import {
  type ArrayWriter,
  JsonRows,
  openCsvWriter,
  openJsonWriter,
  openNpyWriter,
  openNpzWriter,
  openSafetensorsWriter,
} from '../files/array-writers.ts';
import type { Shape } from '../tensor.ts';
import type { Terminal } from './terminal.ts';

/** How an array is written. */
export interface ArrayOutputOptions {
  readonly shape: Shape;
  /** The array's name in a file that names its arrays. */
  readonly name: string;
}

const writers: Readonly<Record<string, (path: string, options: ArrayOutputOptions) => Promise<ArrayWriter>>> = {
  '.npy': (path, { shape }) => openNpyWriter(path, shape),
  '.npz': (path, { shape, name }) => openNpzWriter(path, shape, name),
  '.safetensors': (path, { shape, name }) => openSafetensorsWriter(path, shape, name),
  '.json': (path, { shape }) => openJsonWriter(path, shape),
  '.csv': (path, { shape }) => openCsvWriter(path, shape),
};

/**
 * Checks an output's path before any work is done.
 * @throws UsageError where `path` is neither `-` nor ends in one of `extensions`
 */
export function checkOutputPath(path: string, extensions: readonly string[] = Object.keys(writers)): void {
  if (path === '-' || extensions.includes(extname(path).toLowerCase())) return;
  throw new UsageError(`--output ${path}: expected a name that ends in ${extensions.join(', ')}, or - for stdout`);
}

/**
 * Opens an output for one array.
 * @throws UsageError as `checkOutputPath`
 * @throws FileWriteError where the file cannot be written
 */
export async function openArrayOutput(
  path: string,
  options: ArrayOutputOptions,
  terminal: Terminal,
): Promise<ArrayWriter> {
  checkOutputPath(path);
  if (path === '-') return jsonOnStdout(options.shape, terminal);
  return writers[extname(path).toLowerCase()]!(path, options);
}

/** An array of rows, each on a line of its own. */
function jsonOnStdout(shape: Shape, terminal: Terminal): ArrayWriter {
  const text = new JsonRows(shape);
  return {
    append: values => terminal.write(text.rows(values)),
    finish: () => terminal.write(text.end()),
    async discard() {},
  };
}
