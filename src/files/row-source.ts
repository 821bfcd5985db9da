/**
 * Samples from a file, read a few rows at a time, and arrays written the same way, so that what is larger than memory can be encoded.
 * Node only. .npy and .safetensors are streamed; JSON and CSV are read whole, as their numbers lie nowhere in particular.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { FileFormatError, FileWriteError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor, Shape } from '../tensor.ts';
import { readCsv } from './csv.ts';
import {
  bytesPerElement,
  decodeElements,
  decodeFloat16,
  type Elements,
  type ElementType,
  encodeElements,
} from './element-type.ts';
import { readJsonArray } from './json-array.ts';
import { checkNpyLength, decodeNpyElements, npyHeader, npyHeaderGuess, readNpy, readNpyHeader } from './npy.ts';
import { readSafetensorsHeader, safetensorsHeaderEnd, safetensorsPrefixLength } from './safetensors.ts';
import { temporaryPathBeside } from './write-atomic.ts';

/** Rows of a matrix; leading dimensions of an array of higher rank are flattened, a vector is one row. */
export interface RowSource {
  readonly rows: number;
  readonly width: number;
  /** Rows `start` to `start + count` as float32 [count, width]; InvalidValueError outside the matrix. */
  read(start: number, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Rows of a file. */
export interface FileRows extends RowSource {
  /** How the numbers are stored; absent where the file is read whole. */
  readonly type?: ElementType;
  /** As `read` into an array that is there, of just that length: float32 then goes from the disk to its place without a copy. */
  readInto(start: number, count: number, into: Float32Array): Promise<void>;
}

/**
 * Opens a .npy, .safetensors, JSON or CSV file, told apart by content. `tensor` names one of several in a safetensors file.
 * FileFormatError for a missing or damaged file, another kind of file, or several tensors with none named (they are listed).
 */
export async function openRowSource(path: string, options: RowSourceOptions = {}): Promise<FileRows> {
  const file = await open(path).catch((cause: unknown) => {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const problem = missing ? 'there is no such file' : `cannot be opened: ${(cause as Error).message}`;
    throw new FileFormatError(problem, { file: path, cause });
  });
  let kept = false;
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) throw new FileFormatError('it is a folder, expected a file of numbers', { file: path });
    const { size } = stat;
    const bytes = {
      size,
      read: (start: number, length: number) => readRange(file, start, length),
      readInto: (start: number, bytes: Uint8Array) => fillRange(file, start, bytes),
      close: () => file.close(),
    };
    const source = await openByContent(bytes, path, options.tensor);
    kept = source.streams;
    return source.rows;
  } finally {
    if (!kept) await file.close();
  }
}

/** As `openRowSource` for a file's bytes, which are called `name` in messages. */
export async function rowSourceOf(bytes: Uint8Array, name: string, options: RowSourceOptions = {}): Promise<RowSource> {
  const inMemory = {
    size: bytes.byteLength,
    read: async (start: number, length: number) => bytes.subarray(start, start + length),
    readInto: async (start: number, into: Uint8Array) => into.set(bytes.subarray(start, start + into.byteLength)),
    close: async () => {},
  };
  return (await openByContent(inMemory, name, options.tensor)).rows;
}

export interface RowSourceOptions {
  readonly tensor?: string | undefined;
}

/** A file's bytes, wherever they are. */
interface Bytes {
  readonly size: number;
  read(start: number, length: number): Promise<Uint8Array>;
  readInto(start: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

interface Opened {
  readonly rows: FileRows;
  /** True where the file stays open until the source is closed. */
  readonly streams: boolean;
}

async function openByContent(bytes: Bytes, path: string, tensor: string | undefined): Promise<Opened> {
  const source = { file: path };
  const { size } = bytes;
  const beginning = await bytes.read(0, Math.min(size, npyHeaderGuess));
  if (beginning[0] === 0x93) {
    const header = readNpyHeader(beginning, source);
    checkNpyLength(header, size, source);
    if (header.fortranOrder) {
      return { rows: rowsInMemory(readNpy(await bytes.read(0, size), source)), streams: false };
    }
    const decode = (part: Uint8Array): Elements => decodeNpyElements(header, part);
    return {
      rows: rowsInFile(bytes, header.shape, header.type, header.dataStart, decode, !header.bigEndian),
      streams: true,
    };
  }
  // A safetensors header is JSON behind eight bytes that hold its length; text begins with neither.
  if (
    beginning.byteLength > safetensorsPrefixLength &&
    beginning[safetensorsPrefixLength] === 0x7b &&
    beginning[7] === 0
  ) {
    const headerEnd = safetensorsHeaderEnd(beginning, size, source);
    const { entries } = readSafetensorsHeader(await bytes.read(0, headerEnd), size, source);
    const names = [...entries.keys()];
    const name = tensor ?? (names.length === 1 ? names[0]! : undefined);
    const entry = name === undefined ? undefined : entries.get(name);
    if (entry === undefined) {
      const wanted = name === undefined ? 'several tensors: name one' : `no tensor named ${JSON.stringify(name)}`;
      throw new FileFormatError(`${wanted} of ${names.join(', ')}`, source);
    }
    const decode = (part: Uint8Array): Elements => decodeElements(part, entry.type);
    return { rows: rowsInFile(bytes, entry.shape, entry.type, entry.start, decode, true), streams: true };
  }
  const text = new TextDecoder().decode(await bytes.read(0, size));
  return { rows: rowsInMemory(readText(text, path)), streams: false };
}

/** Reads JSON or CSV text, told apart by its first character. */
export function readText(text: string, path?: string): HostTensor {
  return /^\s*[[{]/.test(text) ? readJsonArray(text, { file: path }) : readCsv(text, { file: path });
}

/** Rows of a tensor that is already in memory. */
export function rowsInMemory({ data, shape }: HostTensor<ArrayLike<number>>): FileRows {
  const { rows, width } = asMatrix(shape);
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  return {
    rows,
    width,
    async read(start, count) {
      checkRange(start, count, rows);
      return values.slice(start * width, (start + count) * width);
    },
    async readInto(start, count, into) {
      checkRange(start, count, rows);
      into.set(values.subarray(start * width, (start + count) * width));
    },
    async close() {},
  };
}

/** Bytes of an array that is kept for the next read, at most: files are many. */
const MOST_SPARE = 2 ** 20;

function rowsInFile(
  bytes: Bytes,
  shape: Shape,
  type: ElementType,
  dataStart: number,
  decode: (bytes: Uint8Array) => Elements,
  isLittleEndian: boolean,
): FileRows {
  const { rows, width } = asMatrix(shape);
  const rowBytes = width * bytesPerElement[type];
  // What is read before it is decoded goes into one array again and again: a new one for each read keeps the garbage collector busy.
  let spare: Uint8Array | undefined;
  return {
    rows,
    width,
    type,
    async read(start, count) {
      checkRange(start, count, rows);
      const elements = decode(await bytes.read(dataStart + start * rowBytes, count * rowBytes));
      return elements instanceof Float32Array ? elements : Float32Array.from(elements);
    },
    async readInto(start, count, into) {
      checkRange(start, count, rows);
      const from = dataStart + start * rowBytes;
      // The two types that activations have: neither is copied on its way.
      if (isLittleEndian && type === 'float32') {
        return bytes.readInto(from, new Uint8Array(into.buffer, into.byteOffset, count * rowBytes));
      }
      const length = count * rowBytes;
      const room = spare && spare.byteLength >= length ? spare : new Uint8Array(length);
      spare = undefined;
      const stored = room.subarray(0, length);
      await bytes.readInto(from, stored);
      if (isLittleEndian && type === 'float16') decodeFloat16(stored, into);
      else into.set(decode(stored));
      if (room.byteLength <= MOST_SPARE) spare = room;
    },
    close: () => bytes.close(),
  };
}

function asMatrix(shape: Shape): { rows: number; width: number } {
  if (shape.length === 0) throw new InvalidShapeError('expected rows of numbers, got a scalar');
  return { rows: shape.slice(0, -1).reduce((product, size) => product * size, 1), width: shape.at(-1)! };
}

function checkRange(start: number, count: number, rows: number): void {
  if (!(start >= 0 && count >= 0 && start + count <= rows)) {
    throw new InvalidValueError(`rows ${start} to ${start + count} are not within the ${rows} rows of the file`);
  }
}

/** Bytes `start` to `start + length`; FileFormatError where the file ends before. */
async function readRange(file: FileHandle, start: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await fillRange(file, start, bytes);
  return bytes;
}

/** Node aborts the process where one read asks for 2 GiB or more. */
const MOST_AT_ONCE = 2 ** 30;

/** Reads as many bytes as there is room for, from byte `start` on; FileFormatError where the file ends before. */
async function fillRange(file: FileHandle, start: number, bytes: Uint8Array): Promise<void> {
  const { length } = bytes;
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, MOST_AT_ONCE), start + done);
    if (bytesRead === 0) throw new FileFormatError(`the file ends at byte ${start + done}, expected ${start + length}`);
    done += bytesRead;
  }
}

/** Writes a .npy file a few rows at a time. */
export interface NpyWriter {
  /** Appends elements in row-major order. */
  append(values: ArrayLike<number>): Promise<void>;
  /** Gives the file its name; InvalidShapeError where the elements written do not fill the shape. */
  finish(): Promise<void>;
  /** Removes what was written; does nothing after `finish`. */
  discard(): Promise<void>;
}

/**
 * Begins a .npy file of `shape` at `path`; nothing is seen there before `finish`. FileWriteError where the folder is missing or not
 * writable.
 */
export async function openNpyWriter(path: string, shape: Shape, type: ElementType = 'float32'): Promise<NpyWriter> {
  const temporary = temporaryPathBeside(path);
  const failed = (cause: unknown): never => {
    throw new FileWriteError(path, cause);
  };
  const file = await open(temporary, 'wx').catch(failed);
  await file.writeFile(npyHeader(shape, type)).catch(failed);
  const expected = shape.reduce((product, size) => product * size, 1);
  let written = 0;
  let isOpen = true;
  const discard = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await file.close();
    await rm(temporary, { force: true });
  };
  return {
    discard,
    async append(values) {
      await file.writeFile(encodeElements(values, type)).catch(failed);
      written += values.length;
    },
    async finish() {
      if (written !== expected) {
        await discard();
        throw new InvalidShapeError(`${path}: ${written} values written do not fill the shape [${shape.join(', ')}]`);
      }
      isOpen = false;
      await file.datasync();
      await file.close();
      await rename(temporary, path).catch(async (cause: unknown) => {
        await rm(temporary, { force: true });
        failed(cause);
      });
    },
  };
}
