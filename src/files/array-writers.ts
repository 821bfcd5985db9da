/**
 * Writes one array into a file, part by part, so that it may be larger than memory. Nothing is seen under the file's
 * name before it is complete. Node only.
 */
import { InvalidShapeError } from '../errors.ts';
import { type Shape, sizeOf } from '../tensor.ts';
import { csvLines } from './csv.ts';
import { type ElementType, encodeElements } from './element-type.ts';
import { npyHeader } from './npy.ts';
import { safetensorsHeader } from './safetensors.ts';
import { type AtomicFile, openAtomicFile } from './write-atomic.ts';
import { ZipWriter } from './zip-writer.ts';

/** Writes an array in row-major order, part by part. */
export interface ArrayWriter {
  /** Appends elements; whole rows where the format has rows. */
  append(values: ArrayLike<number>): Promise<void>;
  /**
   * Gives the file its name.
   * @throws InvalidShapeError where the elements written do not fill the shape
   */
  finish(): Promise<void>;
  /** Removes what was written; does nothing after `finish`. */
  discard(): Promise<void>;
}

/** The parts of a format: what comes before the values, the values, and what comes after. */
interface Format {
  begin(file: AtomicFile): Promise<void>;
  append(file: AtomicFile, values: ArrayLike<number>): Promise<void>;
  end(file: AtomicFile): Promise<void>;
}

/**
 * The bytes of float32 values. An array that already is float32 is not copied: it is written before anybody changes it.
 */
function float32Bytes(values: ArrayLike<number>): Uint8Array {
  if (!(values instanceof Float32Array)) return encodeElements(values, 'float32');
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const nothing = async (): Promise<void> => {};

/** How many values of one `append` are turned into text at once. */
const VALUES_PER_TEXT = 2 ** 16;

/**
 * Begins a .npy file of `shape` at `path`.
 * @throws FileWriteError where the folder is missing or not writable
 */
export function openNpyWriter(path: string, shape: Shape, type: ElementType = 'float32'): Promise<ArrayWriter> {
  return openWriter(path, shape, {
    begin: file => file.append(npyHeader(shape, type)),
    append: (file, values) => file.append(type === 'float32' ? float32Bytes(values) : encodeElements(values, type)),
    end: nothing,
  });
}

/**
 * Begins a .safetensors file with one float32 tensor.
 * @throws FileWriteError as `openNpyWriter`
 */
export function openSafetensorsWriter(path: string, shape: Shape, name: string): Promise<ArrayWriter> {
  return openWriter(path, shape, {
    begin: file => file.append(safetensorsHeader([[name, { shape, type: 'float32' }]])),
    append: (file, values) => file.append(float32Bytes(values)),
    end: nothing,
  });
}

/**
 * Begins a .npz file with one float32 array, stored as `np.savez` does.
 * @throws FileWriteError as `openNpyWriter`
 */
export function openNpzWriter(path: string, shape: Shape, name: string): Promise<ArrayWriter> {
  let zip: ZipWriter | undefined;
  return openWriter(path, shape, {
    async begin(file) {
      zip = new ZipWriter(file);
      await zip.begin(`${name}.npy`);
      await zip.append(npyHeader(shape, 'float32'));
    },
    append: (_, values) => zip!.append(float32Bytes(values)),
    async end() {
      await zip!.end();
      await zip!.finish();
    },
  });
}

/**
 * Begins a .csv file with one line for each sample, whatever its shape.
 * @throws FileWriteError as `openNpyWriter`
 */
export function openCsvWriter(path: string, shape: Shape): Promise<ArrayWriter> {
  const width = sizeOf(shape.slice(1));
  return openWriter(path, shape, {
    begin: nothing,
    append: (file, values) => inRows(values, width, rows => file.append(csvLines(rows, width))),
    end: nothing,
  });
}

/**
 * Begins a .json file: an array of rows of `shape`'s other dimensions, one per line.
 * @throws FileWriteError as `openNpyWriter`
 */
export function openJsonWriter(path: string, shape: Shape): Promise<ArrayWriter> {
  const text = new JsonRows(shape);
  return openWriter(path, shape, {
    begin: nothing,
    append: (file, values) => inRows(values, sizeOf(shape.slice(1)), rows => file.append(text.rows(rows))),
    end: file => file.append(text.end()),
  });
}

/** The text of an array of samples, a sample a line, in parts. */
export class JsonRows {
  readonly #rowShape: Shape;
  #hasBegun = false;

  constructor(shape: Shape) {
    this.#rowShape = shape.slice(1);
  }

  /** The next samples, whole ones. */
  rows(values: ArrayLike<number>): string {
    const size = sizeOf(this.#rowShape);
    const lines: string[] = [];
    for (let start = 0; start < values.length; start += size) {
      lines.push(`${this.#hasBegun ? ',\n' : '[\n'}${nested(values, start, this.#rowShape)}`);
      this.#hasBegun = true;
    }
    return lines.join('');
  }

  end(): string {
    return this.#hasBegun ? '\n]\n' : '[]\n';
  }
}

function nested(values: ArrayLike<number>, start: number, [length, ...inner]: Shape): string {
  if (length === undefined) return String(values[start]);
  const size = sizeOf(inner);
  let text = '[';
  for (let i = 0; i < length; i++) text += (i > 0 ? ',' : '') + nested(values, start + i * size, inner);
  return `${text}]`;
}

/** Calls `write` with a few whole rows at a time. */
async function inRows(
  values: ArrayLike<number>,
  width: number,
  write: (rows: ArrayLike<number>) => Promise<void>,
): Promise<void> {
  const all = values instanceof Float32Array ? values : Float64Array.from(values);
  const step = Math.max(1, Math.floor(VALUES_PER_TEXT / Math.max(1, width))) * width;
  for (let start = 0; start < all.length; start += step) await write(all.subarray(start, start + step));
}

async function openWriter(path: string, shape: Shape, format: Format): Promise<ArrayWriter> {
  const file = await openAtomicFile(path);
  const expected = sizeOf(shape);
  let written = 0;
  try {
    await format.begin(file);
  } catch (error) {
    await file.discard();
    throw error;
  }
  return {
    discard: () => file.discard(),
    async append(values) {
      await format.append(file, values);
      written += values.length;
    },
    async finish() {
      if (written !== expected) {
        await file.discard();
        throw new InvalidShapeError(`${path}: ${written} values written do not fill the shape [${shape.join(', ')}]`);
      }
      try {
        await format.end(file);
        await file.finish();
      } finally {
        await file.discard();
      }
    },
  };
}
