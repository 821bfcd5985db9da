/** Where a command's array goes: a file by its extension, written a batch at a time where the format allows it, or stdout as JSON. */
import { extname } from 'node:path';
import { UsageError } from '../errors.ts';
import { writeCsv } from '../files/csv.ts';
import { openNpyWriter } from '../files/row-source.ts';
import { writeSafetensors } from '../files/safetensors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { type HostTensor, hostTensor, type Shape, sizeOf, toNested } from '../tensor.ts';
import type { Terminal } from './terminal.ts';

/** Takes an array in row-major order, part by part. */
export interface ArrayOutput {
  append(values: Float32Array): Promise<void>;
  /** Completes it: before, nothing is seen under the file's name. */
  finish(): Promise<void>;
  /** Leaves nothing behind; does nothing after `finish`. */
  discard(): Promise<void>;
}

export interface ArrayOutputOptions {
  readonly shape: Shape;
  /** What the array is called inside a file that names its arrays. */
  readonly name: string;
}

const EXTENSIONS = ['.npy', '.safetensors', '.json', '.csv'];

/** UsageError where `path` is neither `-` nor ends in one of `extensions`: told before any work is done. */
export function checkOutputPath(path: string, extensions: readonly string[] = EXTENSIONS): void {
  if (path === '-' || extensions.includes(extname(path).toLowerCase())) return;
  throw new UsageError(`--output ${path}: expected a name that ends in ${extensions.join(', ')}, or - for stdout`);
}

/** Opens an output for one array. UsageError as `checkOutputPath`, FileWriteError where the file cannot be written. */
export async function openArrayOutput(
  path: string,
  { shape, name }: ArrayOutputOptions,
  terminal: Terminal,
): Promise<ArrayOutput> {
  checkOutputPath(path);
  const extension = extname(path).toLowerCase();
  if (path === '-') return jsonOnStdout(shape, terminal);
  if (extension === '.npy') return openNpyWriter(path, shape);
  const encode = { '.safetensors': asSafetensors(name), '.json': asJson, '.csv': asCsv }[extension]!;
  return collected(shape, tensor => writeFileAtomic(path, encode(tensor)));
}

const asJson = (tensor: HostTensor): string => `${JSON.stringify(toNested(tensor))}\n`;

const asSafetensors =
  (name: string) =>
  (tensor: HostTensor): Uint8Array =>
    writeSafetensors({ [name]: tensor });

/** One line for each sample, whatever its shape. */
function asCsv({ data, shape }: HostTensor): string {
  return writeCsv({ data, shape: [shape[0]!, sizeOf(shape.slice(1))] });
}

function collected(shape: Shape, write: (tensor: HostTensor) => Promise<void>): ArrayOutput {
  const data = new Float32Array(sizeOf(shape));
  let length = 0;
  return {
    async append(values) {
      data.set(values, length);
      length += values.length;
    },
    finish: () => write(hostTensor(data, shape)),
    async discard() {},
  };
}

/** An array of rows, each on a line of its own. */
function jsonOnStdout(shape: Shape, terminal: Terminal): ArrayOutput {
  const rowShape = shape.slice(1);
  const rowSize = sizeOf(rowShape);
  let hasBegun = false;
  return {
    async append(values) {
      for (let start = 0; start < values.length; start += rowSize) {
        const row = toNested(hostTensor(values.subarray(start, start + rowSize), rowShape));
        await terminal.write(`${hasBegun ? ',\n' : '[\n'}${JSON.stringify(row)}`);
        hasBegun = true;
      }
    },
    finish: () => terminal.write(hasBegun ? '\n]\n' : '[]\n'),
    async discard() {},
  };
}
