/**
 * The safetensors format of Hugging Face: eight bytes of header length, a JSON header, then the tensors' bytes with neither gap nor
 * overlap. Every length and offset is checked before it is used. Pure functions of bytes; the header alone says which range of a large
 * file holds which tensor.
 */

import { FileFormatError, InvalidShapeError } from '../errors.ts';
import { type HostTensor, type Shape, sizeOf } from '../tensor.ts';
import { bytesPerElement, decodeElements, type ElementType, encodeElements, type FileTensor } from './element-type.ts';
import { isRecord, shown } from './json-text.ts';

/** Where one tensor lies in its file: bytes `start` to `end` (exclusive), counted from the beginning of the file. */
export interface SafetensorsEntry {
  /** The element type; `undefined` for a dtype whose size is known but which is not read, such as C64. */
  readonly type: ElementType | undefined;
  /** The dtype as the header states it. */
  readonly dtype: string;
  readonly shape: Shape;
  readonly start: number;
  readonly end: number;
}

/** The header of a .safetensors file. */
export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The strings under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A .safetensors file: its tensors by name, and its metadata. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, FileTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Source {
  /** The file's path, for messages. */
  readonly file?: string | undefined;
}

/** Bytes that hold the header's length. */
export const safetensorsPrefixLength = 8;

/** The longest header that the reference implementation accepts: a longer one is damage or an attack. */
const longestHeader = 100_000_000;

const typeOfName: Readonly<Record<string, ElementType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F8_E4M3: 'float8e4m3fn',
  F8_E5M2: 'float8e5m2',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U64: 'uint64',
  U32: 'uint32',
  U16: 'uint16',
  U8: 'uint8',
  BOOL: 'bool',
};

/** Bits of the dtypes of safetensors 0.8 that are measured but not read: a tensor of them may lie beside the one that is wanted. */
const bitsOfUnread: Readonly<Record<string, number>> = {
  C64: 64,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
};

const nameOfType = Object.fromEntries(Object.entries(typeOfName).map(([name, type]) => [type, name]));

/**
 * Number of bytes from the beginning of the file that `readSafetensorsHeader` needs, read from its first eight.
 * @throws FileFormatError where `prefix` is shorter, or the header would not fit in a file of `fileSize` bytes
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
 * @throws FileFormatError for anything that is not exactly a safetensors file: damaged JSON, an unknown dtype, a shape
 *   that does not fill its range, ranges that overlap, leave gaps or pass the end of the file
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

/**
 * Reads every tensor of a file held in `bytes`.
 * @throws FileFormatError as `readSafetensorsHeader`, and for a dtype that is not read
 */
export function readSafetensors(bytes: Uint8Array, source: Source = {}): Safetensors {
  const { entries, metadata } = readSafetensorsHeader(bytes, bytes.byteLength, source);
  const tensors = new Map<string, FileTensor>();
  for (const [name, entry] of entries) {
    const { shape, start, end } = entry;
    const type = readableType(name, entry, source);
    tensors.set(name, { type, shape, data: decodeElements(bytes.subarray(start, end), type) });
  }
  return { tensors, metadata };
}

/**
 * The element type of the tensor `name`.
 * @throws FileFormatError where it is of a dtype that is measured but not read
 */
export function readableType(name: string, { type, dtype }: SafetensorsEntry, source: Source = {}): ElementType {
  if (type !== undefined) return type;
  const readable = Object.keys(typeOfName).join(', ');
  throw new FileFormatError(
    `tensor ${JSON.stringify(name)} is ${dtype}, which is not read; read are ${readable}`,
    source,
  );
}

/**
 * Writes tensors, as float32 where `type` is not given, in the order of the reference implementation (widest elements
 * first, then by name), so that each is aligned.
 * @throws InvalidShapeError where data do not fill their shape
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, HostTensor<ArrayLike<number>> & { readonly type?: ElementType }>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const names = safetensorsOrder(tensors);
  const parts: Uint8Array[] = [];
  for (const name of names) {
    const { data, shape, type = 'float32' } = tensors[name]!;
    if (data.length !== sizeOf(shape)) {
      throw new InvalidShapeError(`${name}: ${data.length} values do not fill the shape [${shape.join(', ')}]`);
    }
    parts.push(encodeElements(data, type));
  }
  const header = safetensorsHeader(
    names.map(name => [name, { shape: tensors[name]!.shape, type: tensors[name]!.type ?? 'float32' }]),
    metadata,
  );
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, header.byteLength));
  file.set(header);
  let at = header.byteLength;
  for (const part of parts) {
    file.set(part, at);
    at += part.byteLength;
  }
  return file;
}

/**
 * The bytes before the data of `tensors`, which follow in this order without gaps; padded with spaces so that the data begin at a
 * multiple of eight.
 */
export function safetensorsHeader(
  tensors: readonly (readonly [string, { readonly shape: Shape; readonly type: ElementType }])[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let end = 0;
  for (const [name, { shape, type }] of tensors) {
    const start = end;
    end += sizeOf(shape) * bytesPerElement[type];
    header.push([name, { dtype: nameOfType[type], shape, data_offsets: [start, end] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(safetensorsPrefixLength + length).fill(0x20, safetensorsPrefixLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, safetensorsPrefixLength);
  return bytes;
}

/** The order in which the reference implementation writes tensors: widest elements first, then by name, so that each is aligned. */
export function safetensorsOrder<Tensor extends { readonly type?: ElementType }>(
  tensors: Readonly<Record<string, Tensor>>,
): string[] {
  const width = (name: string): number => bytesPerElement[tensors[name]?.type ?? 'float32'];
  return Object.keys(tensors).sort((a, b) => width(b) - width(a) || (a < b ? -1 : 1));
}

function parseHeader(bytes: Uint8Array, source: Source): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FileFormatError('not a safetensors file: its header is not JSON', { ...source, cause });
  }
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
  const quoted = JSON.stringify(name);
  if (!isRecord(value)) throw new FileFormatError(`the entry of tensor ${quoted} is not an object`, source);
  const { dtype, shape, data_offsets: offsets } = value;
  const isName = typeof dtype === 'string';
  const type = isName && Object.hasOwn(typeOfName, dtype) ? typeOfName[dtype] : undefined;
  const bits =
    isName && Object.hasOwn(bitsOfUnread, dtype) ? bitsOfUnread[dtype]! : 8 * bytesPerElement[type ?? 'bool'];
  if (type === undefined && !(isName && Object.hasOwn(bitsOfUnread, dtype))) {
    const known = [...Object.keys(typeOfName), ...Object.keys(bitsOfUnread)].join(', ');
    throw new FileFormatError(`tensor ${quoted} has the dtype ${shown(dtype)}; known are ${known}`, source);
  }
  if (!isCounts(shape)) throw new FileFormatError(`tensor ${quoted} has the shape ${shown(shape)}`, source);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
    throw new FileFormatError(`tensor ${quoted} has the data_offsets ${shown(offsets)}`, source);
  }
  const [start, end] = offsets as [number, number];
  const length = (shape.reduce((product, size) => product * size, 1) * bits) / 8;
  if (length !== end - start) {
    throw new FileFormatError(
      `tensor ${quoted}: ${end - start} bytes do not fill ${dtype} of shape [${shape.join(', ')}]`,
      source,
    );
  }
  return { type, dtype: dtype as string, shape, start: dataStart + start, end: dataStart + end };
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
      throw new FileFormatError(
        `tensor ${JSON.stringify(name)} ${what}: begins at byte ${start}, not ${expected}`,
        source,
      );
    }
    expected = end;
  }
  if (expected !== fileSize) {
    throw new FileFormatError(`cut short or padded: its tensors end at byte ${expected} of ${fileSize}`, source);
  }
}

/** Whether a value is an array of non-negative safe integers. */
function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(count => Number.isSafeInteger(count) && count >= 0);
}
