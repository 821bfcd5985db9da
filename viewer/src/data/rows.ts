/**
 * Rows are the activations that an autoencoder is run on, from a file or from memory. A file is never read whole: a
 * worker reads each block of rows as a range of it.
 */
import { FileFormatError } from '../../../src/errors.ts';
import { bytesPerElement, decodeElements, type ElementType } from '../../../src/files/element-type.ts';
import { checkNpyLength, isNpy, npyHeaderGuess, readNpyHeader } from '../../../src/files/npy.ts';
import { readableType, readSafetensorsHeader, safetensorsHeaderEnd } from '../../../src/files/safetensors.ts';
import type { HostTensor } from '../../../src/tensor.ts';

interface Shared {
  /** A name that no other rows of this visit have. */
  readonly id: string;
  readonly name: string;
  readonly count: number;
  readonly width: number;
  /** Where the rows came from, in words. */
  readonly origin: string;
  /**
   * Whether they are the person's own, a toy model's, or noise. Noise shows how the autoencoder answers to noise, and
   * not what it learned.
   */
  readonly kind: 'own' | 'toy' | 'noise';
  /** The sparse features behind each row, [count, n_features], where a toy model made them. */
  readonly features?: HostTensor | undefined;
}

/** Rows whose values are in memory. */
export interface MemoryRows extends Shared {
  readonly type: 'memory';
  readonly data: Float32Array;
}

/** Rows whose values are in a file of the person's. */
export interface FileRows extends Shared {
  readonly type: 'file';
  readonly file: Blob;
  /** Byte at which the first row begins. */
  readonly start: number;
  readonly element: ElementType;
  readonly bigEndian: boolean;
}

/** Rows that an autoencoder may be run on. */
export type Rows = MemoryRows | FileRows;

/** A block of rows as it is sent to a worker: its values, or the range of the file that holds them. */
export type RowBlock =
  | { readonly first: number; readonly count: number; readonly width: number; readonly data: Float32Array }
  | {
      readonly first: number;
      readonly count: number;
      readonly width: number;
      readonly file: Blob;
      readonly element: ElementType;
      readonly bigEndian: boolean;
    };

/** The block of `count` rows from row `first` on. */
export function blockOf(rows: Rows, first: number, count: number): RowBlock {
  const { width } = rows;
  if (rows.type === 'memory') {
    return { first, count, width, data: rows.data.slice(first * width, (first + count) * width) };
  }
  const size = width * bytesPerElement[rows.element];
  const file = rows.file.slice(rows.start + first * size, rows.start + (first + count) * size);
  return { first, count, width, file, element: rows.element, bigEndian: rows.bigEndian };
}

/**
 * The values of a block.
 * @throws FileFormatError where the file changed or a value is not finite
 */
export async function readBlock(block: RowBlock): Promise<Float32Array> {
  const { first, count, width } = block;
  let values: Float32Array;
  if ('data' in block) values = block.data;
  else {
    const bytes = new Uint8Array(await block.file.arrayBuffer());
    const size = bytesPerElement[block.element];
    if (bytes.length !== count * width * size)
      throw new FileFormatError('the file of the rows changed or ends too soon');
    if (block.bigEndian) for (let i = 0; i < bytes.length; i += size) bytes.subarray(i, i + size).reverse();
    const elements = decodeElements(bytes, block.element);
    values = elements instanceof Float32Array ? elements : Float32Array.from(elements);
  }
  const bad = values.findIndex(value => !Number.isFinite(value));
  if (bad >= 0)
    throw new FileFormatError(`row ${first + Math.floor(bad / width)} holds ${values[bad]}: not a finite number`);
  return values;
}

let opened = 0;
/** A new name for rows. */
export const newRowsId = (): string => `rows-${++opened}`;

/**
 * Rows of a .npy file of shape [rows, width] (or [sequences, positions, width]), or of the one such tensor of a
 * .safetensors file.
 * @throws FileFormatError where it is neither, or in Fortran order, which cannot be read row by row
 */
export async function openRows(file: File): Promise<FileRows> {
  const { name } = file;
  const head = new Uint8Array(await file.slice(0, npyHeaderGuess).arrayBuffer());
  const layout = isNpy(head) ? npyLayout(head, file) : await safetensorsLayout(head, file);
  const width = layout.shape.at(-1)!;
  const count = layout.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  if (layout.shape.length < 2 || width === 0 || count === 0) {
    throw new FileFormatError(`its shape is [${layout.shape.join(', ')}]; expected [rows, width]`, { file: name });
  }
  const { element, start, bigEndian } = layout;
  return {
    type: 'file',
    id: newRowsId(),
    name,
    count,
    width,
    origin: name,
    kind: 'own',
    file,
    element,
    start,
    bigEndian,
  };
}

interface Layout {
  readonly shape: readonly number[];
  readonly element: ElementType;
  readonly start: number;
  readonly bigEndian: boolean;
}

function npyLayout(head: Uint8Array, file: File): Layout {
  const header = readNpyHeader(head, { file: file.name });
  checkNpyLength(header, file.size, { file: file.name });
  if (header.fortranOrder && header.shape.length > 1) {
    throw new FileFormatError('it is in Fortran order: save it with numpy.ascontiguousarray', { file: file.name });
  }
  return { shape: header.shape, element: header.type, start: header.dataStart, bigEndian: header.bigEndian };
}

async function safetensorsLayout(head: Uint8Array, file: File): Promise<Layout> {
  const end = safetensorsHeaderEnd(head, file.size, { file: file.name });
  const bytes = end <= head.length ? head : new Uint8Array(await file.slice(0, end).arrayBuffer());
  const { entries } = readSafetensorsHeader(bytes, file.size, { file: file.name });
  const matrices = [...entries].filter(([, { shape }]) => shape.length === 2 || shape.length === 3);
  if (matrices.length !== 1) {
    const names = [...entries.keys()].join(', ') || 'none';
    throw new FileFormatError(`expected one tensor of activations [rows, width]; there are ${names}`, {
      file: file.name,
    });
  }
  const [name, entry] = matrices[0]!;
  const element = readableType(name, entry, { file: file.name });
  return { shape: entry.shape, element, start: entry.start, bigEndian: false };
}
