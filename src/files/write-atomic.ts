/** Files that appear whole or not at all: written under a temporary name beside the target, then renamed over it. Node only. */
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FileWriteError } from '../errors.ts';

let written = 0;

/** A name beside `path` that no other writer of this process, or of another one, uses at the same time. */
export function temporaryPathBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${written++}.tmp`);
}

/**
 * Writes `data` to `path`, replacing what is there; a reader sees the old file or the new one, never a part.
 *
 * The folder has to exist already. FileWriteError where the folder is missing or not writable, where `path` is a folder, or where the
 * disk is full; the temporary file is then removed and an older file at `path` is as it was.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = temporaryPathBeside(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(data);
      // Without this a power cut after the rename can leave an empty file under the final name.
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new FileWriteError(path, cause);
  }
}
