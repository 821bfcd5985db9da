/** Files that appear whole or not at all: written under a temporary name beside the target, then renamed over it. Node only. */
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FileWriteError } from '../errors.ts';
import { sweepTemporaryFiles, temporaryPathBeside } from './temporary-files.ts';

export { temporaryPathBeside } from './temporary-files.ts';

/** A file that is being written part by part and is not seen before `finish`. */
export interface AtomicFile {
  /** Bytes appended so far. */
  readonly length: number;
  append(data: string | Uint8Array): Promise<void>;
  /** Overwrites bytes that were appended before, such as a length that is known only at the end. */
  patch(bytes: Uint8Array, position: number): Promise<void>;
  /** Gives the file its name, replacing what is there. */
  finish(): Promise<void>;
  /** Removes what was written; does nothing after `finish`. */
  discard(): Promise<void>;
}

/**
 * Begins a file that will be called `path`. The folder has to exist already.
 * All its calls throw FileWriteError where the folder is missing or not writable, where `path` is a folder, or where the disk is full; an
 * older file at `path` is then as it was.
 */
export async function openAtomicFile(path: string): Promise<AtomicFile> {
  const temporary = temporaryPathBeside(path);
  const failed = (cause: unknown): never => {
    throw new FileWriteError(path, cause);
  };
  const file: FileHandle = await open(temporary, 'wx').catch(failed);
  let length = 0;
  let isOpen = true;
  const discard = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
  };
  const write = async (bytes: Uint8Array, position: number): Promise<void> => {
    for (let done = 0; done < bytes.byteLength; ) {
      // One write of 2 GiB or more aborts the process.
      const count = Math.min(bytes.byteLength - done, 2 ** 30);
      done += (await file.write(bytes, done, count, position + done).catch(failed)).bytesWritten;
    }
  };
  return {
    get length() {
      return length;
    },
    async append(data) {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
      await write(bytes, length);
      length += bytes.byteLength;
    },
    patch: write,
    discard,
    async finish() {
      try {
        // Without this a power cut after the rename can leave an empty file under the final name.
        await file.datasync();
        await file.close();
        await rename(temporary, path);
        isOpen = false;
      } catch (cause) {
        await discard();
        failed(cause);
      }
    },
  };
}

/**
 * Writes `data` to `path`, replacing what is there. A reader sees the old file or the new one, never a part.
 * @throws FileWriteError as `openAtomicFile`; nothing is left behind
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const file = await openAtomicFile(path);
  try {
    await file.append(data);
    await file.finish();
  } finally {
    await file.discard();
  }
}

/**
 * Checks before long work whether its result can be written to `path`, and removes what dead writers left in its
 * folder.
 * @returns the names of the removed files, for a message
 * @throws FileWriteError as `writeFileAtomic`
 */
export async function prepareToWrite(path: string): Promise<string[]> {
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory()) throw new FileWriteError(path, Object.assign(new Error('EISDIR'), { code: 'EISDIR' }));
  const temporary = temporaryPathBeside(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      // A full disk may still have room for a name.
      await file.writeFile(new Uint8Array(4096));
    } finally {
      await file.close();
      await rm(temporary, { force: true });
    }
  } catch (cause) {
    throw new FileWriteError(path, cause);
  }
  return sweepTemporaryFiles(dirname(path));
}
