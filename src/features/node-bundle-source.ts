/** A bundle in a folder on disk, read by ranges. Node only. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFormatError } from '../errors.ts';
import type { BundleSource } from './bundle-source.ts';

/** The files of `folder` as a source for `openFeatureBundle`; files stay open until `close`. */
export function folderSource(folder: string): BundleSource {
  const files = new Map<string, Promise<FileHandle>>();
  const opened = (name: string): Promise<FileHandle> => {
    const known = files.get(name);
    if (known) return known;
    const file = open(join(folder, name)).catch((cause: NodeJS.ErrnoException) => {
      files.delete(name);
      const problem = cause.code === 'ENOENT' ? 'there is no such file: expected a feature bundle' : cause.message;
      throw new FileFormatError(problem, { file: join(folder, name), cause });
    });
    files.set(name, file);
    return file;
  };
  return {
    size: async name => (await (await opened(name)).stat()).size,
    async read(name, start = 0, end) {
      const file = await opened(name);
      const until = end ?? (await file.stat()).size;
      const bytes = new Uint8Array(until - start);
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
        if (bytesRead === 0) {
          throw new FileFormatError(`cut short: it ends at byte ${start + done}, expected at least ${until}`, {
            file: join(folder, name),
          });
        }
        done += bytesRead;
      }
      return bytes;
    },
    async close() {
      for (const file of files.values()) await (await file.catch(() => undefined))?.close();
      files.clear();
    },
  };
}
