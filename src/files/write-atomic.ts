/** Files that appear whole or not at all: written under a temporary name beside the target, then renamed over it. Node only. */
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FileWriteError } from '../errors.ts';
import { sweepTemporaryFiles, temporaryPathBeside } from './temporary-files.ts';

export { temporaryPathBeside } from './temporary-files.ts';

/**
 * Writes `data` to `path`, replacing what is there; a reader sees the old file or the new one, never a part.
 *
 * The folder has to exist already. FileWriteError where the folder is missing or not writable, where `path` is a folder, or where the
 * disk is full; the temporary file is then removed and an older file at `path` is as it was.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = temporaryPathBeside(path);
  const file = await open(temporary, 'wx').catch((cause: unknown) => {
    throw new FileWriteError(path, cause);
  });
  try {
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

/**
 * To be called before long work whose result `path` will be: finds out now whether it can be written, and removes what writers that died
 * left in its folder.
 *
 * @returns The names of the files removed, for a message.
 * @throws FileWriteError as `writeFileAtomic`.
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
