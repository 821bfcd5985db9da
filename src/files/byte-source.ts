/** The bytes of a file, wherever they are, read a range at a time. */

/** Bytes that can be read at any place. */
export interface ByteSource {
  /** Path or another name, for messages. */
  readonly name: string;
  readonly size: number;
  /** Bytes `start` to `start + length`. FileFormatError naming the file where it ends before. */
  read(start: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Bytes read at once where a whole file goes by: 4 MiB. */
const PART = 2 ** 22;

export function bytesInMemory(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (start, length) => bytes.subarray(start, start + length),
    close: async () => {},
  };
}

/** All bytes of `source` from `start` on, or `length` of them, in parts of at most `part` bytes. */
export async function* partsOf(
  source: ByteSource,
  range: { readonly start?: number; readonly length?: number; readonly part?: number } = {},
): AsyncGenerator<Uint8Array> {
  const { start = 0, part = PART } = range;
  const { length = source.size - start } = range;
  for (let done = 0; done < length; done += part) {
    yield await source.read(start + done, Math.min(part, length - done));
  }
}
