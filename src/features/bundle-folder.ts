/**
 * Writes a bundle's folder whole or not at all: everything goes into a temporary folder beside it, which is renamed in
 * the end. Node only.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setFloat16 } from '@petamoriken/float16';
import { FileWriteError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import { bytesPerElement, type ElementType, encodeElements } from '../files/element-type.ts';
import { BUNDLE_FILES, type BundleFileEntry } from './bundle-manifest.ts';

/** Names of element types in a safetensors header. */
const DTYPES: Readonly<Partial<Record<ElementType, string>>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  int64: 'I64',
  int32: 'I32',
  uint8: 'U8',
};

/** A folder that is being written. */
export class PendingFolder {
  readonly target: string;
  /** The temporary folder that holds the files until `publish`. */
  readonly path: string;
  readonly #replace: boolean;

  private constructor(target: string, path: string, replace: boolean) {
    this.target = target;
    this.path = path;
    this.#replace = replace;
  }

  /**
   * Begins a folder that will be called `target`.
   * @param replace whether an existing bundle may be replaced. A folder with anything else in it never is
   * @throws FileWriteError where the folder cannot be made
   * @throws InvalidValueError where `target` may not be replaced
   */
  static async begin(target: string, replace: boolean): Promise<PendingFolder> {
    const full = resolve(target);
    const there = await readdir(full).catch((error: NodeJS.ErrnoException): string[] => {
      if (error.code === 'ENOENT') return [];
      throw new FileWriteError(target, error);
    });
    if (there.length > 0 && !(replace && there.includes(BUNDLE_FILES.manifest))) {
      const why = there.includes(BUNDLE_FILES.manifest)
        ? 'a bundle is there: name another folder, or allow overwriting it'
        : 'the folder is not empty: name another one';
      throw new InvalidValueError(`${target}: ${why}`);
    }
    const path = join(dirname(full), `.${basename(full)}.${randomBytes(6).toString('hex')}.tmp`);
    try {
      await mkdir(dirname(full), { recursive: true });
      await mkdir(path);
    } catch (cause) {
      throw new FileWriteError(target, cause);
    }
    return new PendingFolder(full, path, replace);
  }

  /** Gives the folder its name. */
  async publish(): Promise<void> {
    const old = `${this.path}.old`;
    try {
      // An existing bundle is moved away first, so that no moment has half of each.
      if (this.#replace) {
        await rename(this.target, old).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
      }
      // An empty folder may already have that name.
      await rmdir(this.target).catch(() => undefined);
      await rename(this.path, this.target);
      await rm(old, { recursive: true, force: true });
    } catch (cause) {
      await rename(old, this.target).catch(() => undefined);
      throw new FileWriteError(this.target, cause);
    }
  }

  /** Removes what was written; does nothing after `publish`. */
  async discard(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  /** Writes a small file whole. */
  async write(name: string, data: string | Uint8Array): Promise<BundleFileEntry> {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    await writeFile(join(this.path, name), bytes).catch((cause: unknown) => {
      throw new FileWriteError(join(this.target, name), cause);
    });
    return { bytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  /** Begins a safetensors file whose columns grow row by row. */
  columns(name: string): GrowingColumns {
    return new GrowingColumns(this, name);
  }
}

/** A column of a safetensors file; [entries] or [entries / width, width]. */
interface Column {
  readonly type: ElementType;
  readonly width: number | undefined;
  readonly path: string;
  readonly file: FileHandle;
  entries: number;
  /** Bytes that were not written yet. */
  waiting: Uint8Array[];
  waitingBytes: number;
}

/** Bytes of a column that are written at once. */
const WRITE_BYTES = 2 ** 20;

/** A safetensors file whose columns are appended to, each in a temporary file until all sizes are known. */
export class GrowingColumns {
  readonly #folder: PendingFolder;
  readonly #name: string;
  readonly #columns = new Map<string, Column>();

  constructor(folder: PendingFolder, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /**
   * Appends to a column, which exists from then on. `values` must not change afterwards.
   * @param width the length of a matrix's rows; left out for a vector
   */
  async append(name: string, type: ElementType, values: ArrayLike<number>, width?: number): Promise<void> {
    try {
      let column = this.#columns.get(name);
      if (column === undefined) {
        const path = join(this.#folder.path, `.${this.#name}.${name}`);
        column = { type, width, path, file: await open(path, 'wx+'), entries: 0, waiting: [], waitingBytes: 0 };
        this.#columns.set(name, column);
      }
      column.entries += values.length;
      const bytes = bytesOf(values, type);
      column.waiting.push(bytes);
      column.waitingBytes += bytes.byteLength;
      if (column.waitingBytes >= WRITE_BYTES) await flush(column);
    } catch (cause) {
      throw new FileWriteError(join(this.#folder.target, this.#name), cause);
    }
  }

  /** Joins the columns into the file, in the order of the reference implementation: widest elements first, then by name. */
  async finish(): Promise<BundleFileEntry> {
    const columns = [...this.#columns].sort(
      ([a, x], [b, y]) => bytesPerElement[y.type] - bytesPerElement[x.type] || (a < b ? -1 : 1),
    );
    let end = 0;
    const header = columns.map(([name, { type, width, entries }]) => {
      const shape = width === undefined ? [entries] : [entries / width, width];
      if (!shape.every(Number.isSafeInteger))
        throw new InvalidShapeError(`${name}: ${entries} entries, rows of ${width}`);
      const start = end;
      end += entries * bytesPerElement[type];
      return [name, { dtype: DTYPES[type], shape, data_offsets: [start, end] }];
    });
    const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
    // Spaces after the JSON keep the data aligned to eight bytes.
    const length = Math.ceil(json.byteLength / 8) * 8;
    const prefix = new Uint8Array(8 + length).fill(0x20, 8);
    new DataView(prefix.buffer).setBigUint64(0, BigInt(length), true);
    prefix.set(json, 8);
    const hash = createHash('sha256').update(prefix);
    try {
      const file = await open(join(this.#folder.path, this.#name), 'wx');
      try {
        await file.writeFile(prefix);
        for (const [, column] of columns) {
          await flush(column);
          for await (const part of column.file.createReadStream({
            start: 0,
            autoClose: false,
            highWaterMark: 2 ** 20,
          })) {
            hash.update(part as Uint8Array);
            await file.writeFile(part as Uint8Array);
          }
          await column.file.close();
          await rm(column.path);
        }
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw new FileWriteError(join(this.#folder.target, this.#name), cause);
    }
    return { bytes: prefix.byteLength + end, sha256: hash.digest('hex') };
  }

  /** Closes the columns' files where `finish` was not reached. */
  async discard(): Promise<void> {
    for (const { file } of this.#columns.values()) await file.close().catch(() => undefined);
  }
}

async function flush(column: Column): Promise<void> {
  const bytes = Buffer.concat(column.waiting);
  column.waiting = [];
  column.waitingBytes = 0;
  await column.file.writeFile(bytes);
}

/** `encodeElements` without a copy where the array already holds the file's bytes. */
function bytesOf(values: ArrayLike<number>, type: ElementType): Uint8Array {
  const isAsStored =
    (type === 'float32' && values instanceof Float32Array) ||
    (type === 'int32' && values instanceof Int32Array) ||
    (type === 'uint8' && values instanceof Uint8Array) ||
    (type === 'float64' && values instanceof Float64Array);
  if (type === 'float16') return halves(values);
  if (!isAsStored) return encodeElements(values, type);
  const { buffer, byteOffset, byteLength } = values as unknown as ArrayBufferView;
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Converts an array of mostly zeros to float16; the zeros are not converted one by one. */
function halves(values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(2 * values.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) setFloat16(view, 2 * i, values[i]!, true);
  return bytes;
}
