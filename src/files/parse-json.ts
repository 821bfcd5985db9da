/** JSON of somebody else's: nested no deeper than our own code can follow. */
import { FileFormatError } from '../errors.ts';

/** No format that is read here nests more than a few levels. */
const MAX_DEPTH = 64;

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const entry of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof entry === 'object' && isDeeperThan(levels - 1, entry)) return true;
  }
  return false;
}

/**
 * Parses JSON.
 * @param what names it in errors, as `the header`.
 * @throws FileFormatError where it is not JSON, or nested deeper than 64 levels.
 */
export function parseJson(text: string, what: string, { file }: { readonly file?: string | undefined } = {}): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FileFormatError(`${what} is not JSON: ${(cause as Error).message}`, { file, cause });
  }
  if (isDeeperThan(MAX_DEPTH, value)) {
    throw new FileFormatError(`${what} is JSON that is nested more than ${MAX_DEPTH} levels deep`, { file });
  }
  return value;
}
