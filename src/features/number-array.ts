/** An array of numbers in a file, read a few elements at a time whatever its shape: token ids and positions beside rows. Node only. */
import { type FileHandle, open } from 'node:fs/promises';
import { FileFormatError } from '../errors.ts';
import { bytesPerElement } from '../files/element-type.ts';
import { checkNpyLength, decodeNpyElements, isNpy, npyHeaderGuess, readNpyHeader } from '../files/npy.ts';
import { openRowSource } from '../files/row-source.ts';
import { type Shape, sizeOf } from '../tensor.ts';

/** An array of numbers in a file. */
export interface NumberArray {
  readonly shape: Shape;
  /** Elements `start` to `end`, row-major. */
  read(start: number, end: number): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

/**
 * Opens an array: .npy piece by piece; JSON, CSV and one-tensor safetensors whole.
 * @throws FileFormatError for a file that is missing, damaged or of another kind
 */
export async function openNumberArray(path: string): Promise<NumberArray> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new FileFormatError(cause.code === 'ENOENT' ? 'there is no such file' : cause.message, { file: path, cause });
  });
  let isKept = false;
  try {
    const { size } = await file.stat();
    const beginning = await readBytes(file, 0, Math.min(size, npyHeaderGuess), path);
    if (isNpy(beginning)) {
      const header = readNpyHeader(beginning, { file: path });
      checkNpyLength(header, size, { file: path });
      if (!header.fortranOrder || header.shape.length < 2) {
        isKept = true;
        const width = bytesPerElement[header.type];
        return {
          shape: header.shape,
          read: async (start, end) =>
            decodeNpyElements(
              header,
              await readBytes(file, header.dataStart + start * width, (end - start) * width, path),
            ),
          close: () => file.close(),
        };
      }
    }
  } finally {
    if (!isKept) await file.close();
  }
  const source = await openRowSource(path);
  try {
    const values = await source.read(0, source.rows);
    // A vector counts as one row.
    const shape = source.rows === 1 ? [source.width] : [source.rows, source.width];
    return { shape, read: async (start, end) => values.subarray(start, end), close: async () => {} };
  } finally {
    await source.close();
  }
}

/**
 * A column with an entry for each of `rows` rows.
 * @throws FileFormatError where it has another number
 */
export async function openColumn(path: string, rows: number, what: string): Promise<NumberArray> {
  const array = await openNumberArray(path);
  if (sizeOf(array.shape) === rows) return array;
  await array.close();
  throw new FileFormatError(
    `${what} [${array.shape.join(', ')}] for ${rows} rows of activations; expected one for each`,
    {
      file: path,
    },
  );
}

async function readBytes(file: FileHandle, start: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) throw new FileFormatError(`the file ends at byte ${start + done}`, { file: path });
    done += bytesRead;
  }
  return bytes;
}
