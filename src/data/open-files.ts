/** Files that are opened when they are read, and of which only so many stay open. */
import { DisposedError, FileFormatError } from '../errors.ts';
import { type FileRows, openRowSource } from '../files/row-source.ts';

/** How many files stay open. More are open only while more are being read. */
const OPEN_FILES = 64;

interface OpenFile {
  readonly opening: Promise<FileRows>;
  /** Reads in flight. */
  readers: number;
}

/**
 * Owns every file that it opens. Reads of one file share its handle, whether they overlap or not; a file is closed only
 * while nothing reads it; and after `close` no file is opened any more.
 */
export class OpenFiles {
  readonly #tensor: string | undefined;
  /** Open files by path, in the order of their last read. */
  readonly #open = new Map<string, OpenFile>();
  readonly #reading = new Set<Promise<unknown>>();
  #isClosed = false;

  /** @param tensor which tensor of each safetensors file; needed where a file holds several */
  constructor(tensor: string | undefined) {
    this.#tensor = tensor;
  }

  /**
   * Reads from the file at `path`.
   * @throws FileFormatError where it cannot be opened or is damaged
   * @throws DisposedError after `close`
   */
  use<T>(path: string, read: (rows: FileRows) => Promise<T>): Promise<T> {
    const reading = this.#use(path, read);
    this.#reading.add(reading);
    const forget = (): boolean => this.#reading.delete(reading);
    reading.then(forget, forget);
    return reading;
  }

  /** Waits for the reads in flight, then closes every file. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#reading);
    const files = [...this.#open.values()];
    this.#open.clear();
    for (const { opening } of files) await (await opening).close();
  }

  async #use<T>(path: string, read: (rows: FileRows) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new DisposedError(`${path}: these files were closed`);
    const file = this.#open.get(path) ?? { opening: openRowSource(path, { tensor: this.#tensor }), readers: 0 };
    this.#open.delete(path);
    this.#open.set(path, file);
    file.readers++;
    let rows: FileRows | undefined;
    try {
      rows = await file.opening;
      return await read(rows);
    } catch (error) {
      if (!(error instanceof FileFormatError) || error.file !== undefined) throw error;
      throw new FileFormatError(error.message, { file: path, cause: error });
    } finally {
      file.readers--;
      // A file that could not be opened is not kept. Another read that waits for it fails with the same error.
      if (!rows && this.#open.get(path) === file) this.#open.delete(path);
      await this.#evict();
    }
  }

  async #evict(): Promise<void> {
    for (const [path, { opening, readers }] of this.#open) {
      if (this.#open.size <= OPEN_FILES) return;
      if (readers > 0) continue;
      this.#open.delete(path);
      await (await opening).close();
    }
  }
}
