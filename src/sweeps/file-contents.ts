/** Hashes the files that the settings of runs name: a run is identified by their contents, not by their place. */
import { surveyFiles } from '../data/activation-files.ts';
import { sha256OfFile } from '../files/file-hash.ts';
import { canonicalHash } from './canonical-hash.ts';

/** Files do not change while a sweep is done, and the runs of a sweep share them. */
const known = new Map<string, Promise<string>>();

function once(key: string, read: () => Promise<string>): Promise<string> {
  const before = known.get(key);
  if (before) return before;
  const content = read();
  known.set(key, content);
  // A file that does not exist yet may be written later.
  content.catch(() => known.delete(key));
  return content;
}

/**
 * SHA-256 of a file, read once.
 * @throws FileFormatError where it cannot be read
 */
export function contentOfFile(path: string): Promise<string> {
  return once(path, () => sha256OfFile(path));
}

/**
 * A hash of what files of activations hold, read once: of large ones, rows spread over each.
 * @throws FileFormatError
 * where a file cannot be opened
 */
export function contentOfActivations(files: readonly string[], tensor: string | undefined): Promise<string> {
  return once(JSON.stringify([files, tensor]), async () => {
    const { contents, cache } = await surveyFiles(files, tensor);
    await cache.close();
    return canonicalHash(contents);
  });
}
