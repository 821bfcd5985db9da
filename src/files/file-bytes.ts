/** Files on disk as byte sources, and scratch files for what is larger than memory should hold. Node only. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileFormatError, FileWriteError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

/** One read or write of 2 GiB or more aborts the process. */
const LARGEST_TRANSFER = 2 ** 30;

/**
 * Opens a file to be read.
 * @throws FileFormatError where it is missing, a folder, no plain file, or not readable
 */
export async function openFileBytes(path: string, what = 'a file of numbers'): Promise<ByteSource> {
  const file = await open(path).catch((cause: unknown) => {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const problem = missing ? 'there is no such file' : `cannot be opened: ${(cause as Error).message}`;
    throw new FileFormatError(problem, { file: path, cause });
  });
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) throw new FileFormatError(`it is a folder, expected ${what}`, { file: path });
    if (!stat.isFile()) throw new FileFormatError(`it is no plain file, expected ${what}`, { file: path });
    return {
      name: path,
      size: stat.size,
      read: (start, length) => readRange(file, path, start, length),
      readInto: (start, into) => fillRange(file, path, start, into),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Bytes `start` up to `start + length`.
 * @throws FileFormatError naming the file where it ends before
 */
async function readRange(file: FileHandle, path: string, start: number, length: number): Promise<Uint8Array> {
  const bytes = allocate(length, path);
  await fillRange(file, path, start, bytes);
  return bytes;
}

async function fillRange(file: FileHandle, path: string, start: number, bytes: Uint8Array): Promise<void> {
  const { length } = bytes;
  let done = 0;
  while (done < length) {
    const count = Math.min(length - done, LARGEST_TRANSFER);
    const { bytesRead } = await file.read(bytes, done, count, start + done).catch((cause: unknown) => {
      throw new FileFormatError(`cannot be read: ${(cause as Error).message}`, { file: path, cause });
    });
    if (bytesRead === 0) {
      throw new FileFormatError(`the file ends at byte ${start + done}, expected ${start + length}`, { file: path });
    }
    done += bytesRead;
  }
}

/**
 * `length` bytes of memory.
 * @throws FileFormatError where the machine does not have them
 */
function allocate(length: number, path: string): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new FileFormatError(`${length} bytes of it at once are more than there is memory for`, { file: path, cause });
  }
}

/** A file without a name, which disappears when it is closed or the process ends, however it ends. */
export interface ScratchFile {
  /** Bytes appended so far. */
  readonly length: number;
  append(bytes: Uint8Array): Promise<void>;
  read(start: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Opens a scratch file in `folder`, by default the system's for temporary files.
 * @throws FileWriteError where it cannot be made, and from `append` where the disk is full
 */
export async function openScratchFile(folder: string = tmpdir()): Promise<ScratchFile> {
  const path = join(folder, `.monosemantic-${process.pid}-${randomBytes(6).toString('hex')}.scratch`);
  const failed = (cause: unknown): never => {
    throw new FileWriteError(path, cause);
  };
  const file = await open(path, 'wx+', 0o600).catch(failed);
  await rm(path, { force: true }).catch(failed);
  let length = 0;
  return {
    get length() {
      return length;
    },
    async append(bytes) {
      for (let done = 0; done < bytes.byteLength; ) {
        const count = Math.min(bytes.byteLength - done, LARGEST_TRANSFER);
        const { bytesWritten } = await file.write(bytes, done, count, length).catch(failed);
        done += bytesWritten;
        length += bytesWritten;
      }
    },
    read: (start, count) => readRange(file, path, start, count),
    close: () => file.close(),
  };
}
