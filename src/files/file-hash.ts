/** The hash by which runs, bundles and models name files. Node only. */
import { createHash } from 'node:crypto';
import { partsOf } from './byte-source.ts';
import { openFileBytes } from './file-bytes.ts';

/**
 * SHA-256 of a file of any size, in hexadecimal.
 * @throws FileFormatError where it cannot be read
 */
export async function sha256OfFile(path: string): Promise<string> {
  const source = await openFileBytes(path, 'a file');
  const hash = createHash('sha256');
  try {
    for await (const part of partsOf(source)) hash.update(part);
  } finally {
    await source.close();
  }
  return hash.digest('hex');
}
