/**
 * Reads samples from a file a few rows at a time, so that the file may be larger than memory. Node only. .npy (of
 * either order), .safetensors and stored .npz are read where their rows lie. CSV, JSON and deflated .npz are read
 * through once, in parts, and their numbers kept in a scratch file where they are many.
 */
import { FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor, Shape } from '../tensor.ts';
import { answered, type ByteSource, bytesInMemory, partsOf } from './byte-source.ts';
import { CsvReader } from './csv.ts';
import { adoptElements, bytesPerElement, decodeFloat16, type Elements, type ElementType } from './element-type.ts';
import { openFileBytes, openScratchFile, type ScratchFile } from './file-bytes.ts';
import { JsonArrayReader } from './json-array.ts';
import {
  checkNpyLength,
  decodeNpyElements,
  fromFortranOrder,
  type NpyHeader,
  npyHeaderGuess,
  readNpyHeader,
} from './npy.ts';
import { arrayName, arraysAmong, checkUnpackedSize } from './npz.ts';
import { otherFormat } from './other-format.ts';
import { type FloatSink, keepingSink } from './row-collector.ts';
import { readableType, readSafetensorsHeader, safetensorsHeaderEnd, safetensorsPrefixLength } from './safetensors.ts';
import { TextParts, textEncodingOf } from './text-encoding.ts';
import { isZip, unpackedParts, type ZipEntry, zipDataStart, zipDirectory } from './zip.ts';

/** Rows of a matrix; leading dimensions of an array of higher rank are flattened, a vector is one row. */
export interface RowSource {
  readonly rows: number;
  readonly width: number;
  /**
   * Rows `start` up to `start + count` as float32 [count, width].
   * @throws InvalidValueError for rows outside the matrix
   */
  read(start: number, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Rows of a file. */
export interface FileRows extends RowSource {
  /** The type of the stored numbers; absent where they are not read row by row. */
  readonly type?: ElementType;
  /** `read` into an array of just that length: float32 numbers are then not copied on their way from the disk. */
  readInto(start: number, count: number, into: Float32Array): Promise<void>;
}

/** Which array of a file gives the rows. */
export interface RowSourceOptions {
  /** The name of one of several arrays of a .safetensors or .npz file. */
  readonly tensor?: string | undefined;
  /**
   * Called after each part of a file that must be read through before it gives rows. An error that it throws ends the
   * reading.
   */
  readonly onPart?: (() => void) | undefined;
}

/** The most bytes of numbers that are kept in memory; more go to a scratch file. */
const KEPT_IN_MEMORY = 2 ** 23;

/**
 * Opens a .npy, .npz, .safetensors, JSON or CSV file, told apart by content. `tensor` names one of several in a
 * .safetensors or .npz file.
 * @throws FileFormatError for a missing or damaged file, another kind of file (the message names it), or several arrays
 *   of which none is named (the message lists them)
 * @throws FileWriteError where there is no room for a scratch file
 */
export async function openRowSource(path: string, options: RowSourceOptions = {}): Promise<FileRows> {
  const rows = await rowSourceFrom(await openFileBytes(path), options);
  return { readInto: async (start, count, into) => into.set(await rows.read(start, count)), ...rows };
}

/**
 * `openRowSource` for a file's bytes.
 * @param name a name for messages
 */
export function rowSourceOf(bytes: Uint8Array, name: string, options: RowSourceOptions = {}): Promise<RowSource> {
  return rowSourceFrom(bytesInMemory(bytes, name), options);
}

/** `openRowSource` for bytes that are open. They are closed with the rows, or here where they are no longer needed. */
export async function rowSourceFrom(source: ByteSource, options: RowSourceOptions = {}): Promise<RowSource> {
  let isKept = false;
  try {
    const opened = await openByContent(source, options);
    isKept = opened.isStreamed;
    return opened.rows;
  } finally {
    if (!isKept) await source.close();
  }
}

interface Opened {
  readonly rows: RowSource;
  /** Whether the file stays open until the source is closed. */
  readonly isStreamed: boolean;
}

async function openByContent(source: ByteSource, options: RowSourceOptions): Promise<Opened> {
  const { name: file, size } = source;
  if (size === 0) throw new FileFormatError('the file is empty', { file });
  const beginning = await source.read(0, Math.min(size, npyHeaderGuess));
  if (beginning[0] === 0x93) {
    const header = readNpyHeader(beginning, { file });
    checkNpyLength(header, size, { file });
    return { rows: npyRows(source, header), isStreamed: true };
  }
  if (isZip(beginning)) return openNpz(source, beginning, options);
  // A safetensors header is JSON behind eight bytes that hold its length; text begins with neither.
  if (
    beginning.byteLength > safetensorsPrefixLength &&
    beginning[safetensorsPrefixLength] === 0x7b &&
    beginning[7] === 0
  ) {
    const headerEnd = safetensorsHeaderEnd(beginning, size, { file });
    const { entries } = readSafetensorsHeader(await source.read(0, headerEnd), size, { file });
    const name = chosen([...entries.keys()], options.tensor, 'tensor', file);
    const entry = entries.get(name)!;
    const type = readableType(name, entry, { file });
    const decode = (part: Uint8Array): Elements => adoptElements(part, type);
    return { rows: rowsInFile(source, entry.shape, type, entry.start, decode), isStreamed: true };
  }
  const what = otherFormat(beginning);
  if (what !== undefined && what !== 'it looks like JSON') {
    throw new FileFormatError(`not numbers: ${what}`, { file });
  }
  return { rows: await textRows(source, beginning, options), isStreamed: false };
}

/** The array to read: the one that was named, or the only one. */
function chosen(names: readonly string[], wanted: string | undefined, what: string, file: string): string {
  const name = wanted ?? (names.length === 1 ? names[0]! : undefined);
  if (name !== undefined && names.includes(name)) return name;
  const problem = name === undefined ? `several ${what}s: name one` : `no ${what} named ${JSON.stringify(name)}`;
  throw new FileFormatError(`${names.length === 0 ? `no ${what}s in it` : `${problem} of ${names.join(', ')}`}`, {
    file,
  });
}

async function openNpz(
  source: ByteSource,
  beginning: Uint8Array,
  { tensor, onPart }: RowSourceOptions,
): Promise<Opened> {
  const { name: file, size } = source;
  const arrays = arraysAmong(await answered(zipDirectory(size, file), source), beginning, file);
  const name = chosen(arrays.map(arrayName), tensor, 'array', file);
  const entry = arrays.find(candidate => arrayName(candidate) === name)!;
  checkUnpackedSize([entry], size, file);
  const within = `${file}: ${entry.name}`;
  // Stored arrays are read through once, for their checksum, and then where they lie.
  const scratch = entry.isDeflated ? new ScratchBytes(within) : undefined;
  try {
    for await (const part of unpackedParts(source, entry)) {
      await scratch?.append(part);
      onPart?.();
    }
    const bytes = scratch ?? (await sliceOf(source, entry, within));
    const header = readNpyHeader(await bytes.read(0, Math.min(bytes.size, npyHeaderGuess)), { file: within });
    checkNpyLength(header, entry.size, { file: within });
    return { rows: npyRows(bytes, header), isStreamed: !scratch };
  } catch (error) {
    await scratch?.close();
    throw error;
  }
}

/** A stored entry of an archive as a file of its own; closing it closes the archive. */
async function sliceOf(source: ByteSource, entry: ZipEntry, name: string): Promise<ByteSource> {
  const dataStart = await zipDataStart(source, entry);
  return {
    name,
    size: entry.size,
    read: (start, length) => source.read(dataStart + start, length),
    close: () => source.close(),
  };
}

/** Bytes that are written once and then read anywhere: in memory while they are few, in a scratch file from then on. */
class ScratchBytes implements ByteSource {
  readonly name: string;
  #parts: Uint8Array[] = [];
  #size = 0;
  #file: ScratchFile | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.byteLength;
    if (!this.#file && this.#size <= KEPT_IN_MEMORY) {
      this.#parts.push(bytes);
      return;
    }
    this.#file ??= await openScratchFile();
    for (const part of [...this.#parts, bytes]) await this.#file.append(part);
    this.#parts = [];
  }

  async read(start: number, length: number): Promise<Uint8Array> {
    if (this.#file) return this.#file.read(start, length);
    if (this.#parts.length > 1) {
      const whole = new Uint8Array(this.#size);
      let at = 0;
      for (const part of this.#parts) {
        whole.set(part, at);
        at += part.byteLength;
      }
      this.#parts = [whole];
    }
    return (this.#parts[0] ?? new Uint8Array(0)).subarray(start, start + length);
  }

  async close(): Promise<void> {
    this.#parts = [];
    await this.#file?.close();
  }
}

/** Reads CSV or JSON through, told apart by the first character. */
async function textRows(source: ByteSource, beginning: Uint8Array, { onPart }: RowSourceOptions): Promise<RowSource> {
  const { name: file } = source;
  const encoding = textEncodingOf(beginning);
  const decoder = new TextParts(encoding);
  const scratch = new ScratchBytes(file);
  let pending: Uint8Array[] = [];
  const sink: FloatSink = ({ buffer, byteOffset, byteLength }) =>
    void pending.push(new Uint8Array(buffer, byteOffset, byteLength));
  let reader: CsvReader | JsonArrayReader | undefined;
  try {
    for await (const bytes of partsOf(source, { part: 2 ** 20 })) {
      const text = decoder.decode(bytes);
      if (text.includes('\0'))
        throw new FileFormatError('not numbers: it is binary, of no kind that is known', { file });
      reader ??= /^\s*[[{]/.test(text) ? new JsonArrayReader(sink, { file }) : new CsvReader(sink, { file });
      reader.push(text);
      for (const part of pending) await scratch.append(part);
      pending = [];
      onPart?.();
    }
    reader!.push(decoder.decode(new Uint8Array(0), true));
    const shape = reader!.finish();
    for (const part of pending) await scratch.append(part);
    return rowsInFile(scratch, shape, 'float32', 0, part => adoptElements(part, 'float32'));
  } catch (error) {
    await scratch.close();
    throw error;
  }
}

/** Reads JSON or CSV text, told apart by its first character. */
export function readText(text: string, path?: string): HostTensor {
  const kept = keepingSink();
  const source = { file: path };
  const reader = /^\s*[[{]/.test(text) ? new JsonArrayReader(kept.sink, source) : new CsvReader(kept.sink, source);
  reader.push(text);
  return kept.tensor(reader.finish());
}

function npyRows(source: ByteSource, header: NpyHeader): RowSource {
  const { shape, type, fortranOrder, dataStart } = header;
  const decode = (part: Uint8Array): Elements => decodeNpyElements(header, part);
  if (fortranOrder && shape.length > 1) return fortranRows(source, dataStart, header, decode);
  return rowsInFile(source, shape, type, dataStart, decode, !header.bigEndian);
}

/** The most bytes of an array that is kept for the next read, because there are many files. */
const MOST_SPARE = 2 ** 20;

function rowsInFile(
  source: ByteSource,
  shape: Shape,
  type: ElementType,
  dataStart: number,
  decode: (bytes: Uint8Array) => Elements,
  isLittleEndian = true,
): FileRows {
  const { rows, width } = asMatrix(shape);
  const rowBytes = width * bytesPerElement[type];
  // Bytes are read into one array again and again before they are decoded: a new array for each read keeps the garbage
  // collector busy.
  let spare: Uint8Array | undefined;
  const readBytes = async (start: number, into: Uint8Array): Promise<void> =>
    source.readInto ? source.readInto(start, into) : into.set(await source.read(start, into.byteLength));
  return {
    rows,
    width,
    type,
    async read(start, count) {
      checkRange(start, count, rows);
      return asFloat32(decode(await source.read(dataStart + start * rowBytes, count * rowBytes)));
    },
    async readInto(start, count, into) {
      checkRange(start, count, rows);
      const from = dataStart + start * rowBytes;
      const length = count * rowBytes;
      // Activations have these two types; neither is copied on its way.
      if (isLittleEndian && type === 'float32') {
        return readBytes(from, new Uint8Array(into.buffer, into.byteOffset, length));
      }
      const room = spare && spare.byteLength >= length ? spare : new Uint8Array(length);
      spare = undefined;
      const stored = room.subarray(0, length);
      await readBytes(from, stored);
      if (isLittleEndian && type === 'float16') decodeFloat16(stored, into);
      else into.set(decode(stored));
      if (room.byteLength <= MOST_SPARE) spare = room;
    },
    close: () => source.close(),
  };
}

/**
 * Rows of an array whose first index changes fastest: the part of every column that the rows need is read by itself. Of an array of higher
 * rank, whole planes of the first index are read.
 */
function fortranRows(
  source: ByteSource,
  dataStart: number,
  { shape, type }: NpyHeader,
  decode: (bytes: Uint8Array) => Elements,
): RowSource {
  const { rows, width } = asMatrix(shape);
  const first = shape[0]!;
  const rowsPerPlane = shape.slice(1, -1).reduce((product, size) => product * size, 1);
  const columns = rowsPerPlane * width;
  const bytes = bytesPerElement[type];
  return {
    rows,
    width,
    async read(start, count) {
      checkRange(start, count, rows);
      if (count === 0) return new Float32Array(0);
      const from = Math.floor(start / rowsPerPlane);
      const planes = Math.ceil((start + count) / rowsPerPlane) - from;
      const strips = new Float32Array(planes * columns);
      for (let column = 0; column < columns; column++) {
        const strip = await source.read(dataStart + (column * first + from) * bytes, planes * bytes);
        strips.set(decode(strip), column * planes);
      }
      const ordered = fromFortranOrder(strips, [planes, ...shape.slice(1)]) as Float32Array;
      const at = (start - from * rowsPerPlane) * width;
      return ordered.slice(at, at + count * width);
    },
    close: () => source.close(),
  };
}

const asFloat32 = (elements: Elements): Float32Array =>
  elements instanceof Float32Array ? elements : Float32Array.from(elements);

function asMatrix(shape: Shape): { rows: number; width: number } {
  if (shape.length === 0) throw new InvalidShapeError('expected rows of numbers, got a scalar');
  return { rows: shape.slice(0, -1).reduce((product, size) => product * size, 1), width: shape.at(-1)! };
}

function checkRange(start: number, count: number, rows: number): void {
  if (!(start >= 0 && count >= 0 && start + count <= rows)) {
    throw new InvalidValueError(`rows ${start} to ${start + count} are not within the ${rows} rows of the file`);
  }
}
