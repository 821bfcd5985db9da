/** Reads a host's inputs from files: .npy a few samples at a time, JSON and CSV whole. Node only. */
import { open } from 'node:fs/promises';
import { FileFormatError } from '../errors.ts';
import { isNpy, npyHeaderGuess, readNpyHeader } from '../files/npy.ts';
import { openRowSource, type RowSource } from '../files/row-source.ts';
import { sizeOf } from '../tensor.ts';
import type { StoredInput } from './input-batches.ts';

/** An input from a file, which stays open. */
export interface OpenInput extends StoredInput {
  close(): Promise<void>;
}

/** The shape in a .npy file's header; undefined for other files. */
async function npyShape(path: string): Promise<readonly number[] | undefined> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new FileFormatError(cause.code === 'ENOENT' ? 'there is no such file' : cause.message, { file: path, cause });
  });
  try {
    const bytes = new Uint8Array(npyHeaderGuess);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const start = bytes.subarray(0, bytesRead);
    return isNpy(start) ? readNpyHeader(start, { file: path }).shape : undefined;
  } finally {
    await file.close();
  }
}

/**
 * Opens an array whose axis 0 counts samples.
 * @throws FileFormatError for a file that is missing, damaged or of another kind.
 */
export async function openInput(path: string): Promise<OpenInput> {
  const stated = await npyShape(path);
  if (stated?.length === 0)
    throw new FileFormatError('it is a single number; expected samples along axis 0', { file: path });
  const source: RowSource = await openRowSource(path);
  // A vector counts as one row.
  const shape = stated ?? (source.rows === 1 ? [source.width] : [source.rows, source.width]);
  const rowsPerSample = shape.length === 1 ? 0 : sizeOf(shape.slice(1, -1));
  return {
    shape,
    async read(start, end) {
      if (rowsPerSample === 0) return (await source.read(0, 1)).subarray(start, end);
      return source.read(start * rowsPerSample, (end - start) * rowsPerSample);
    },
    close: () => source.close(),
  };
}
