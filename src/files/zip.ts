/**
 * Zip archives, read a range at a time: what .npz files are. Sizes, places and checksums are all checked: entries that overlap, claim more
 * than they can hold or do not match their CRC-32 are refused. Stored and deflated entries, ZIP64 included.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { Inflate } from 'fflate';
import { FileFormatError } from '../errors.ts';
import { type Asking, answered, type ByteSource, partsOf } from './byte-source.ts';
import { Crc32 } from './crc32.ts';

/** One file of an archive. */
export interface ZipEntry {
  readonly name: string;
  /** The name as it stands in the directory, and must stand before the data as well. */
  readonly nameBytes: Uint8Array;
  readonly isDeflated: boolean;
  readonly crc: number;
  /** Bytes in the archive, and unpacked. */
  readonly packedSize: number;
  readonly size: number;
  readonly headerStart: number;
}

/** The end record, with the longest comment that may follow it. */
const LONGEST_END = 22 + 65_535;
const LOCAL_HEADER = 30;
/** Deflate cannot do better than 1032 to 1: an entry that claims more is damage or a bomb. */
const BEST_COMPRESSION = 1032;
/** Packed bytes taken at once: they unpack to at most 64 MiB. */
const DEFLATED_PART = 2 ** 16;
/** More entries than any archive of arrays has. */
const MOST_ENTRIES = 100_000;

/** Whether `bytes` begin as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

/** The error for a damaged archive. */
const damaged = (problem: string, file: string): FileFormatError =>
  new FileFormatError(`damaged zip archive: ${problem}`, { file });

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * An unsigned 64-bit integer.
 * @throws FileFormatError where it is no place in a file
 */
function uint64(view: DataView, at: number, file: string): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw damaged(`a size of ${value} bytes`, file);
  return value;
}

/** Finds the directory, from the record at the file's end. */
function* findDirectory(size: number, name: string): Asking<{ start: number; length: number; count: number }> {
  const tailStart = Math.max(0, size - LONGEST_END);
  const tail = yield { start: tailStart, length: size - tailStart };
  const view = viewOf(tail);
  let at = tail.byteLength - 22;
  while (at >= 0 && view.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) throw damaged('it is cut short, or has no end record', name);
  const end = {
    count: view.getUint16(at + 10, true),
    length: view.getUint32(at + 12, true),
    start: view.getUint32(at + 16, true),
  };
  const isNarrow = end.count !== 0xffff && end.length !== 0xffffffff && end.start !== 0xffffffff;
  // Another archive before this one would be read in its place: programs differ on which one counts.
  const adjoins = (start: number): void => {
    if (end.start + end.length !== start) throw damaged('its directory is not where its end record says', name);
  };
  if (isNarrow) {
    adjoins(tailStart + at);
    return end;
  }
  // ZIP64: a locator before the end record says where the larger one is.
  if (at < 20 || view.getUint32(at - 20, true) !== 0x07064b50) {
    adjoins(tailStart + at);
    return end;
  }
  const recordStart = uint64(view, at - 20 + 8, name);
  if (recordStart + 56 > size) throw damaged('its ZIP64 record lies outside the file', name);
  const record = viewOf(yield { start: recordStart, length: 56 });
  if (record.getUint32(0, true) !== 0x06064b50) throw damaged('its ZIP64 record is missing', name);
  return { count: uint64(record, 32, name), length: uint64(record, 40, name), start: uint64(record, 48, name) };
}

/** The three numbers of an entry that may stand in its ZIP64 field instead, in the order they do. */
function widened(fields: [number, number, number], extra: DataView, file: string): [number, number, number] {
  if (!fields.includes(0xffffffff)) return fields;
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === 1) {
      let from = at + 4;
      return fields.map(value => {
        if (value !== 0xffffffff) return value;
        if (from + 8 > Math.min(at + 4 + length, extra.byteLength)) throw damaged('a ZIP64 field is too short', file);
        from += 8;
        return uint64(extra, from - 8, file);
      }) as [number, number, number];
    }
    at += 4 + length;
  }
  return fields;
}

/**
 * Reads the directory of an archive of `fileSize` bytes.
 * @throws FileFormatError where it is damaged, or its entries overlap or claim impossible sizes
 */
export function* zipDirectory(fileSize: number, file: string): Asking<readonly ZipEntry[]> {
  const { start, length, count } = yield* findDirectory(fileSize, file);
  if (start + length > fileSize || count > MOST_ENTRIES || 46 * count > length) {
    throw damaged(`a directory of ${count} entries in ${length} bytes at ${start}`, file);
  }
  const bytes = yield { start, length };
  const view = viewOf(bytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > length || view.getUint32(at, true) !== 0x02014b50) throw damaged('its directory is cut short', file);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map(place => view.getUint16(at + place, true)) as [
      number,
      number,
      number,
    ];
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > length) throw damaged('its directory is cut short', file);
    const nameBytes = bytes.slice(at + 46, at + 46 + nameLength);
    const name = new TextDecoder().decode(nameBytes);
    const extraStart = at + 46 + nameLength;
    const [size, packedSize, headerStart] = widened(
      [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)],
      viewOf(bytes.subarray(extraStart, extraStart + extraLength)),
      file,
    );
    const method = view.getUint16(at + 10, true);
    // Encrypted in either way.
    if (view.getUint16(at + 8, true) & 0x41) throw new FileFormatError(`${name} is encrypted`, { file });
    if (method !== 0 && method !== 8) {
      throw new FileFormatError(`${name} is packed by method ${method}; stored (0) and deflated (8) are read`, {
        file,
      });
    }
    if (method === 0 ? size !== packedSize : size > packedSize * BEST_COMPRESSION) {
      throw damaged(`${name} claims ${size} bytes from ${packedSize}`, file);
    }
    entries.push({
      name,
      nameBytes,
      isDeflated: method === 8,
      crc: view.getUint32(at + 16, true),
      packedSize,
      size,
      headerStart,
    });
    at = next;
  }
  if (at !== length) throw damaged('its directory has more in it than its end record says', file);
  checkPlaces(entries, start, file);
  return entries;
}

/** Refuses entries that share bytes with one another or with the directory, and two of one name. */
function checkPlaces(entries: readonly ZipEntry[], directoryStart: number, file: string): void {
  const names = new Set<string>();
  let [end, before] = [0, ''];
  for (const { name, headerStart, packedSize } of entries.toSorted((a, b) => a.headerStart - b.headerStart)) {
    if (names.has(name)) throw damaged(`${name} stands in it twice`, file);
    names.add(name);
    if (headerStart < end) throw damaged(`${name} overlaps ${before}`, file);
    end = headerStart + LOCAL_HEADER + packedSize;
    before = name;
  }
  if (end > directoryStart) throw damaged(`${before} overlaps the directory`, file);
}

/** Where an entry's packed bytes begin. */
export function zipDataStart(source: ByteSource, entry: ZipEntry): Promise<number> {
  return answered(dataStartOf(entry, source.size, source.name), source);
}

function* dataStartOf(entry: ZipEntry, fileSize: number, file: string): Asking<number> {
  const { name, nameBytes, headerStart, packedSize } = entry;
  const header = viewOf(yield { start: headerStart, length: LOCAL_HEADER });
  if (header.byteLength < LOCAL_HEADER || header.getUint32(0, true) !== 0x04034b50) {
    throw damaged(`${name} is not where the directory says`, file);
  }
  const nameLength = header.getUint16(26, true);
  const nameStart = headerStart + LOCAL_HEADER;
  const own = nameStart + nameLength <= fileSize ? yield { start: nameStart, length: nameLength } : new Uint8Array(0);
  if (own.byteLength !== nameBytes.byteLength || own.some((byte, i) => byte !== nameBytes[i])) {
    throw damaged(`${name} has another name before its data`, file);
  }
  const start = nameStart + nameLength + header.getUint16(28, true);
  if (start + packedSize > fileSize) throw damaged(`${name} is cut short`, file);
  return start;
}

/**
 * The unpacked bytes of an entry, in parts. The last part is only given where length and CRC-32 are right.
 * @throws FileFormatError where they are not
 */
export async function* unpackedParts(source: ByteSource, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  const start = await zipDataStart(source, entry);
  const unpacking = new Unpacking(entry, source.name);
  const part = entry.isDeflated ? DEFLATED_PART : 2 ** 22;
  for await (const packed of partsOf(source, { start, length: entry.packedSize, part })) {
    yield* unpacking.push(packed);
  }
  yield* unpacking.finish();
}

/** All unpacked bytes of an entry of an archive of `fileSize` bytes. Errors as `unpackedParts`. */
export function* unpackedEntry(entry: ZipEntry, fileSize: number, file: string): Asking<Uint8Array> {
  const start = yield* dataStartOf(entry, fileSize, file);
  const unpacking = new Unpacking(entry, file);
  if (!entry.isDeflated) {
    const bytes = yield { start, length: entry.packedSize };
    unpacking.push(bytes);
    unpacking.finish();
    return bytes;
  }
  const bytes = new Uint8Array(entry.size);
  let at = 0;
  const put = (parts: readonly Uint8Array[]): void => {
    for (const part of parts) {
      bytes.set(part, at);
      at += part.byteLength;
    }
  };
  for (let done = 0; done < entry.packedSize; done += DEFLATED_PART) {
    put(unpacking.push(yield { start: start + done, length: Math.min(DEFLATED_PART, entry.packedSize - done) }));
  }
  put(unpacking.finish());
  return bytes;
}

class Unpacking {
  readonly #entry: ZipEntry;
  readonly #file: string;
  readonly #crc = new Crc32();
  readonly #inflate: Inflate | undefined;
  #unpacked: Uint8Array[] = [];
  #length = 0;
  /** Kept back until the checksum is known. */
  #last: Uint8Array | undefined;

  constructor(entry: ZipEntry, file: string) {
    this.#entry = entry;
    this.#file = file;
    this.#inflate = entry.isDeflated ? new Inflate(data => this.#unpacked.push(data)) : undefined;
  }

  push(packed: Uint8Array): Uint8Array[] {
    if (!this.#inflate) this.#unpacked = [packed];
    else {
      this.#unpacked = [];
      try {
        this.#inflate.push(packed);
      } catch (cause) {
        throw damaged(`${this.#entry.name}: ${(cause as Error).message}`, this.#file);
      }
    }
    const ready: Uint8Array[] = [];
    for (const part of this.#unpacked) {
      if (part.byteLength === 0) continue;
      this.#length += part.byteLength;
      if (this.#length > this.#entry.size) {
        throw damaged(`${this.#entry.name} unpacks to more than the ${this.#entry.size} bytes it claims`, this.#file);
      }
      this.#crc.update(part);
      if (this.#last) ready.push(this.#last);
      this.#last = part;
    }
    return ready;
  }

  finish(): Uint8Array[] {
    const { name, size, crc } = this.#entry;
    if (this.#length !== size) {
      throw damaged(`${name} unpacks to ${this.#length} of the ${size} bytes it claims`, this.#file);
    }
    if (this.#crc.value !== crc) throw damaged(`${name} does not match its CRC-32 checksum`, this.#file);
    return this.#last ? [this.#last] : [];
  }
}
