/**
 * Where a bundle's bytes come from: a folder behind an address (HTTP range requests), dropped files, bytes embedded in a page, or anything
 * else that reads ranges. Browser-safe; node-bundle-source.ts adds folders on disk.
 */
import { FileFormatError, InvalidValueError } from '../errors.ts';

/** Reads ranges of the files of one bundle. */
export interface BundleSource {
  /**
   * Bytes `start` up to, not including, `end` of a file; without `end`, to the end of the file.
   * @throws FileFormatError where there is no such file, or it is shorter
   */
  read(name: string, start?: number, end?: number): Promise<Uint8Array>;
  /** The size of a file from which something was read, where it is known. */
  size?(name: string): Promise<number | undefined>;
  close?(): Promise<void>;
}

/** An address of the folder, dropped files, bytes by name, or a source of one's own. */
export type BundleLocation = string | URL | Iterable<File> | ReadonlyMap<string, Blob | Uint8Array> | BundleSource;

/** The source for `location`. Text counts as an address, relative to the page where there is one. */
export function bundleSourceOf(location: BundleLocation): BundleSource {
  if (typeof location === 'string' || location instanceof URL) return addressSource(location);
  if ('read' in location) return location;
  if (location instanceof Map) return bytesSource(location);
  return bytesSource(new Map([...(location as Iterable<File>)].map(file => [file.name, file])));
}

/** Bytes or Blobs by name: embedded in a page, or dropped on it. */
function bytesSource(files: ReadonlyMap<string, Blob | Uint8Array>): BundleSource {
  return {
    async size(name) {
      const file = files.get(name);
      return file instanceof Uint8Array ? file.byteLength : file?.size;
    },
    async read(name, start = 0, end) {
      const file = files.get(name);
      if (file === undefined) throw missing(name, [...files.keys()]);
      const size = file instanceof Uint8Array ? file.byteLength : file.size;
      const until = end ?? size;
      if (until > size) throw cutShort(name, until, size);
      if (file instanceof Uint8Array) return file.subarray(start, until);
      return new Uint8Array(await file.slice(start, until).arrayBuffer());
    },
  };
}

/** A folder behind an address. A server may ignore ranges and send the whole file, which is then kept. */
function addressSource(address: string | URL): BundleSource {
  const page = (globalThis as { readonly location?: { readonly href: string } }).location?.href;
  const text = String(address).replace(/\/?(bundle\.json)?$/, '/');
  if (!URL.canParse(text, page))
    throw new InvalidValueError(`${address}: expected the address of a feature bundle's folder`);
  const folder = new URL(text, page);
  const whole = new Map<string, Uint8Array>();
  const sizes = new Map<string, number>();
  return {
    size: async name => sizes.get(name),
    async read(name, start = 0, end) {
      const known = whole.get(name);
      if (known) return slice(name, known, start, end);
      if (end !== undefined && end <= start) return new Uint8Array(0);
      const url = new URL(encodeURIComponent(name), folder);
      const isRange = start > 0 || end !== undefined;
      const headers = isRange ? { Range: `bytes=${start}-${end === undefined ? '' : end - 1}` } : {};
      const response = await fetch(url, { headers }).catch((cause: unknown) => {
        throw new FileFormatError(`cannot be read: ${(cause as Error).message}`, { file: url.href, cause });
      });
      if (!response.ok) {
        throw new FileFormatError(`cannot be read: the server answers ${response.status}`, { file: url.href });
      }
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (response.status !== 206) {
        if (isRange) whole.set(name, bytes);
        sizes.set(name, bytes.byteLength);
        return slice(name, bytes, start, end);
      }
      const total = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
      if (total !== undefined) sizes.set(name, Number(total));
      if (end !== undefined && bytes.byteLength !== end - start) throw cutShort(name, end, start + bytes.byteLength);
      return bytes;
    },
  };
}

function slice(name: string, bytes: Uint8Array, start: number, end = bytes.byteLength): Uint8Array {
  if (end > bytes.byteLength) throw cutShort(name, end, bytes.byteLength);
  return bytes.subarray(start, end);
}

function missing(name: string, names: readonly string[]): FileFormatError {
  const there = names.length > 20 ? `${names.slice(0, 20).join(', ')} …` : names.join(', ') || 'no files';
  return new FileFormatError(`a feature bundle needs this file; given were ${there}`, { file: name });
}

function cutShort(name: string, expected: number, size: number): FileFormatError {
  return new FileFormatError(`cut short: it ends at byte ${size}, expected at least ${expected}`, { file: name });
}
