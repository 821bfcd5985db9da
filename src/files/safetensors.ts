/**
 * The safetensors format of Hugging Face: eight bytes of header length, a JSON header, then the tensors' bytes with neither gap nor
 * overlap. Every length and offset is checked before it is used. Pure functions of bytes; the header alone says which range of a large
 * file holds which tensor.
 */
import { FileFormatError, InvalidShapeError } from '../errors.ts';
import { type HostTensor, type Shape, sizeOf } from '../tensor.ts';
import { inWords } from '../wording.ts';
import {
  byteLengthOf,
  bytesPerElement,
  decodeElements,
  type ElementType,
  encodeElements,
  type FileTensor,
} from './element-type.ts';
import { parseJson } from './parse-json.ts';

/** Where one tensor lies in its file: bytes `start` to `end` (exclusive), counted from the beginning of the file. */
export interface SafetensorsEntry {
  readonly type: ElementType;
  readonly shape: Shape;
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The strings under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, FileTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Source {
  /** Path for messages. */
  readonly file?: string | undefined;
}

/** Bytes that hold the header's length. */
export const safetensorsPrefixLength = 8;

/** As in the reference implementation: a longer header is damage or an attack. */
const longestHeader = 100_000_000;

const typeOfName: Readonly<Record<string, ElementType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  U8: 'uint8',
  BOOL: 'bool',
};

const nameOfType = Object.fromEntries(Object.entries(typeOfName).map(([name, type]) => [type, name]));

/**
 * Number of bytes from the beginning of the file that `readSafetensorsHeader` needs, read from its first eight.
 * FileFormatError where `prefix` is shorter, or the header would not fit in a file of `fileSize` bytes.
 */
export function safetensorsHeaderEnd(prefix: Uint8Array, fileSize: number, source: Source = {}): number {
  if (prefix.byteLength < safetensorsPrefixLength) {
    throw new FileFormatError(
      `not a safetensors file: ${prefix.byteLength} bytes, shorter than its 8-byte prefix`,
      source,
    );
  }
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > longestHeader || length > fileSize - safetensorsPrefixLength) {
    throw new FileFormatError(
      `not a safetensors file, or cut short: a header of ${length} bytes in a file of ${fileSize} bytes`,
      source,
    );
  }
  return safetensorsPrefixLength + length;
}

/**
 * Reads the header from the file's beginning; `fileSize` is the length of the whole file, which `bytes` need not hold.
 * FileFormatError for anything that is not exactly a safetensors file: damaged JSON, an unknown dtype, a shape that does not fill its
 * range, ranges that overlap, leave gaps or pass the end of the file.
 */
export function readSafetensorsHeader(bytes: Uint8Array, fileSize: number, source: Source = {}): SafetensorsHeader {
  const dataStart = safetensorsHeaderEnd(bytes, fileSize, source);
  if (bytes.byteLength < dataStart) {
    throw new FileFormatError(`the header needs ${dataStart} bytes, got ${bytes.byteLength}`, source);
  }
  const header = parseHeader(bytes.subarray(safetensorsPrefixLength, dataStart), source);
  const entries = new Map<string, SafetensorsEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') metadata = readMetadata(value, source);
    else entries.set(name, readEntry(name, value, dataStart, source));
  }
  checkRanges(entries, dataStart, fileSize, source);
  return { entries, metadata };
}

/** Reads every tensor of a file held in `bytes`; FileFormatError as `readSafetensorsHeader`. */
export function readSafetensors(bytes: Uint8Array, source: Source = {}): Safetensors {
  const { entries, metadata } = readSafetensorsHeader(bytes, bytes.byteLength, source);
  const tensors = new Map<string, FileTensor>();
  for (const [name, { type, shape, start, end }] of entries) {
    tensors.set(name, { type, shape, data: decodeElements(bytes.subarray(start, end), type) });
  }
  return { tensors, metadata };
}

/**
 * Writes tensors, float32 where `type` is not given, in the order of the reference implementation (widest elements first, then by name), so
 * that each is aligned. InvalidShapeError where data do not fill their shape.
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, HostTensor<ArrayLike<number>> & { readonly type?: ElementType }>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const width = (name: string): number => bytesPerElement[tensors[name]?.type ?? 'float32'];
  const names = Object.keys(tensors).sort((a, b) => width(b) - width(a) || (a < b ? -1 : 1));
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const name of names) {
    const { data, shape, type = 'float32' } = tensors[name]!;
    if (data.length !== sizeOf(shape)) {
      throw new InvalidShapeError(`${name}: ${data.length} values do not fill the shape [${shape.join(', ')}]`);
    }
    const part = encodeElements(data, type);
    header.push([name, { dtype: nameOfType[type], shape, data_offsets: [end, end + part.byteLength] }]);
    end += part.byteLength;
    parts.push(part);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  // Spaces after the JSON keep the data aligned to eight bytes.
  const headerLength = Math.ceil(json.byteLength / 8) * 8;
  const file = new Uint8Array(safetensorsPrefixLength + headerLength + end).fill(0x20, 8, 8 + headerLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.set(json, safetensorsPrefixLength);
  let at = safetensorsPrefixLength + headerLength;
  for (const part of parts) {
    file.set(part, at);
    at += part.byteLength;
  }
  return file;
}

function parseHeader(bytes: Uint8Array, source: Source): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FileFormatError('not a safetensors file: its header is not UTF-8', { ...source, cause });
  }
  const header = parseJson(text, 'not a safetensors file: its header', source);
  if (!isRecord(header)) throw new FileFormatError('not a safetensors file: its header is not a JSON object', source);
  return header;
}

function readMetadata(value: unknown, source: Source): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every(text => typeof text === 'string')) {
    throw new FileFormatError('__metadata__ must hold strings only', source);
  }
  return value as Record<string, string>;
}

function readEntry(name: string, value: unknown, dataStart: number, source: Source): SafetensorsEntry {
  const quoted = inWords(name);
  if (!isRecord(value)) throw new FileFormatError(`the entry of tensor ${quoted} is not an object`, source);
  const { dtype, shape, data_offsets: offsets } = value;
  const type = typeof dtype === 'string' && Object.hasOwn(typeOfName, dtype) ? typeOfName[dtype] : undefined;
  if (type === undefined) {
    const known = Object.keys(typeOfName).join(', ');
    throw new FileFormatError(`tensor ${quoted} has the dtype ${inWords(dtype)}; known are ${known}`, source);
  }
  if (!isCounts(shape)) throw new FileFormatError(`tensor ${quoted} has the shape ${inWords(shape)}`, source);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
    throw new FileFormatError(`tensor ${quoted} has the data_offsets ${inWords(offsets)}`, source);
  }
  const [start, end] = offsets as [number, number];
  if (byteLengthOf(shape, type) !== end - start) {
    throw new FileFormatError(
      `tensor ${quoted}: ${end - start} bytes do not fill ${dtype} of shape [${shape.join(', ')}]`,
      source,
    );
  }
  return { type, shape, start: dataStart + start, end: dataStart + end };
}

function checkRanges(
  entries: ReadonlyMap<string, SafetensorsEntry>,
  dataStart: number,
  fileSize: number,
  source: Source,
): void {
  let expected = dataStart;
  const sorted = [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  for (const [name, { start, end }] of sorted) {
    if (start !== expected) {
      const what = start < expected ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw new FileFormatError(`tensor ${inWords(name)} ${what}: begins at byte ${start}, not ${expected}`, source);
    }
    expected = end;
  }
  if (expected !== fileSize) {
    throw new FileFormatError(`cut short or padded: its tensors end at byte ${expected} of ${fileSize}`, source);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for an array of non-negative safe integers. */
function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(count => Number.isSafeInteger(count) && count >= 0);
}
