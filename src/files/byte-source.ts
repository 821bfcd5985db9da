/** The bytes of a file, wherever they are, read a range at a time. */

/** Bytes that can be read at any place. */
export interface ByteSource {
  /** Path or another name, for messages. */
  readonly name: string;
  readonly size: number;
  /**
   * Bytes `start` up to `start + length`.
   * @throws FileFormatError naming the file where it ends before
   */
  read(start: number, length: number): Promise<Uint8Array>;
  /** Reads into `into`, as many bytes as it holds. Absent where that would save no copy. */
  readInto?(start: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** How many bytes are read at once when a whole file is read through: 4 MiB. */
const PART = 2 ** 22;

/** Bytes in memory as a byte source. */
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

/** Part of a file's bytes. */
export interface ByteRange {
  readonly start: number;
  readonly length: number;
}

/** A reader that asks for ranges and is given their bytes: one piece of code for files on disk and for bytes in memory. */
export type Asking<Result> = Generator<ByteRange, Result, Uint8Array>;

const nothing = new Uint8Array(0);

/** Runs a reader on a file. */
export async function answered<Result>(asking: Asking<Result>, source: ByteSource): Promise<Result> {
  let step = asking.next(nothing);
  while (!step.done) step = asking.next(await source.read(step.value.start, step.value.length));
  return step.value;
}

/** Runs a reader on bytes in memory. */
export function answeredFromMemory<Result>(asking: Asking<Result>, bytes: Uint8Array): Result {
  let step = asking.next(nothing);
  while (!step.done) step = asking.next(bytes.subarray(step.value.start, step.value.start + step.value.length));
  return step.value;
}
