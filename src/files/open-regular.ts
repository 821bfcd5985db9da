/** Opening files that somebody else's file names, or that came with it. Node only. */
import { constants, type FileHandle, open } from 'node:fs/promises';

/**
 * Opens `path` for reading where it is a regular file. A pipe would wait for a writer for ever, and reading a device
 * may do anything. A symbolic link at the end of `path` is not followed: resolve it first, so that it cannot be changed
 * in between.
 * @throws Error where there is no such file, or where it is a link, a pipe, a device or a folder
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  // Windows has neither flag.
  const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
  const file = await open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  const isFile = await file.stat().then(
    found => found.isFile(),
    () => false,
  );
  if (isFile) return file;
  await file.close();
  throw new Error('it is not a regular file');
}
