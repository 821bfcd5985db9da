/**
 * A zip archive of stored entries, written part by part: how `np.savez` packs arrays. Sizes and checksums are known only at an entry's end
 * and are put into its header then. ZIP64 fields throughout, as NumPy writes them, so that an entry may exceed 4 GiB.
 */
import { Crc32 } from './crc32.ts';
import type { AtomicFile } from './write-atomic.ts';

interface Entry {
  readonly name: Uint8Array;
  readonly headerStart: number;
  readonly size: number;
  readonly crc: number;
}

/** 1980-01-01: the same arrays give the same bytes. */
const DATE = 0x21;
const VERSION_ZIP64 = 45;
/** ZIP64 field: its id, its length, and two sizes. */
const EXTRA_LENGTH = 20;

/** Writes into `file`, which is the caller's to finish. */
export class ZipWriter {
  readonly #file: AtomicFile;
  readonly #entries: Entry[] = [];
  #open:
    | { readonly name: Uint8Array; readonly headerStart: number; readonly dataStart: number; readonly crc: Crc32 }
    | undefined;

  constructor(file: AtomicFile) {
    this.#file = file;
  }

  async begin(name: string): Promise<void> {
    const nameBytes = new TextEncoder().encode(name);
    const headerStart = this.#file.length;
    await this.#file.append(localHeader(nameBytes, 0, 0));
    this.#open = { name: nameBytes, headerStart, dataStart: this.#file.length, crc: new Crc32() };
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#open!.crc.update(bytes);
    await this.#file.append(bytes);
  }

  /** Ends the entry that was begun. */
  async end(): Promise<void> {
    const { name, headerStart, dataStart, crc } = this.#open!;
    const size = this.#file.length - dataStart;
    await this.#file.patch(localHeader(name, crc.value, size), headerStart);
    this.#entries.push({ name, headerStart, size, crc: crc.value });
    this.#open = undefined;
  }

  /** Writes the directory. */
  async finish(): Promise<void> {
    const start = this.#file.length;
    for (const entry of this.#entries) await this.#file.append(directoryEntry(entry));
    await this.#file.append(endRecords(this.#entries.length, start, this.#file.length - start));
  }
}

function localHeader(name: Uint8Array, crc: number, size: number): Uint8Array {
  const bytes = new Uint8Array(30 + name.byteLength + EXTRA_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x04034b50, true);
  view.setUint16(4, VERSION_ZIP64, true);
  view.setUint16(12, DATE, true);
  view.setUint32(14, crc, true);
  view.setUint32(18, 0xffffffff, true);
  view.setUint32(22, 0xffffffff, true);
  view.setUint16(26, name.byteLength, true);
  view.setUint16(28, EXTRA_LENGTH, true);
  bytes.set(name, 30);
  setSizes(view, 30 + name.byteLength, size);
  return bytes;
}

function setSizes(view: DataView, at: number, size: number): void {
  view.setUint16(at, 1, true);
  view.setUint16(at + 2, 16, true);
  view.setBigUint64(at + 4, BigInt(size), true);
  view.setBigUint64(at + 12, BigInt(size), true);
}

function directoryEntry({ name, crc, size, headerStart }: Entry): Uint8Array {
  const bytes = new Uint8Array(46 + name.byteLength + EXTRA_LENGTH + 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(4, VERSION_ZIP64, true);
  view.setUint16(6, VERSION_ZIP64, true);
  view.setUint16(14, DATE, true);
  view.setUint32(16, crc, true);
  view.setUint32(20, 0xffffffff, true);
  view.setUint32(24, 0xffffffff, true);
  view.setUint16(28, name.byteLength, true);
  view.setUint16(30, EXTRA_LENGTH + 8, true);
  view.setUint32(42, 0xffffffff, true);
  bytes.set(name, 46);
  const extra = 46 + name.byteLength;
  setSizes(view, extra, size);
  view.setUint16(extra + 2, 24, true);
  view.setBigUint64(extra + 20, BigInt(headerStart), true);
  return bytes;
}

/** ZIP64's end record and its locator, then the old one, which points there. */
function endRecords(count: number, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(56 + 20 + 22);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x06064b50, true);
  view.setBigUint64(4, 44n, true);
  view.setUint16(12, VERSION_ZIP64, true);
  view.setUint16(14, VERSION_ZIP64, true);
  view.setBigUint64(24, BigInt(count), true);
  view.setBigUint64(32, BigInt(count), true);
  view.setBigUint64(40, BigInt(length), true);
  view.setBigUint64(48, BigInt(start), true);
  view.setUint32(56, 0x07064b50, true);
  view.setBigUint64(64, BigInt(start + length), true);
  view.setUint32(72, 1, true);
  view.setUint32(76, 0x06054b50, true);
  view.setUint16(84, 0xffff, true);
  view.setUint16(86, 0xffff, true);
  view.setUint32(88, 0xffffffff, true);
  view.setUint32(92, 0xffffffff, true);
  return bytes;
}
