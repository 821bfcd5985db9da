/**
 * Keeps what is known of each row beside its activations (token, position, sequence, label codes) in a temporary file.
 * Contexts are looked up when the examples are chosen, and memory does not grow with the corpus. Node only.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { FileFormatError, FileWriteError } from '../errors.ts';
import { RECORD, type RowBlock } from './row-blocks.ts';

/** Bytes of a row's sequence, which is a float64 so that any number of sequences can be counted. */
const SEQUENCE_BYTES = 8;

/** The records of consecutive rows; `row` counts from the first of them. Valid until the next `read`. */
export interface RecordsRead {
  sequence(row: number): number;
  token(row: number): number;
  position(row: number): number;
  label(row: number, column: number): number;
}

/** The records of all rows, on disk. */
export class RowRecords {
  readonly #path: string;
  readonly #file: number;
  readonly #columns: number;
  readonly #rowBytes: number;
  #rows = 0;
  #isDiscarded = false;
  #buffer = Buffer.alloc(0);

  /**
   * Begins an empty file at `path` for rows with `labelColumns` labels.
   * @throws FileWriteError where it cannot be written
   */
  constructor(path: string, labelColumns: number) {
    this.#path = path;
    this.#columns = RECORD.labels + labelColumns;
    this.#rowBytes = SEQUENCE_BYTES + 4 * this.#columns;
    try {
      this.#file = openSync(path, 'wx+');
    } catch (cause) {
      throw new FileWriteError(path, cause);
    }
  }

  append({ rows, sequences, records }: RowBlock): void {
    const bytes = Buffer.alloc(rows * this.#rowBytes);
    for (let row = 0; row < rows; row++) {
      const at = row * this.#rowBytes;
      bytes.writeDoubleLE(sequences[row]!, at);
      for (let column = 0; column < this.#columns; column++) {
        bytes.writeInt32LE(records[row * this.#columns + column]!, at + SEQUENCE_BYTES + 4 * column);
      }
    }
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#file, bytes, done, bytes.length - done, this.#rows * this.#rowBytes + done);
      }
    } catch (cause) {
      throw new FileWriteError(this.#path, cause);
    }
    this.#rows += rows;
  }

  /** Rows `start` to `start + count`. */
  read(start: number, count: number): RecordsRead {
    const rowBytes = this.#rowBytes;
    const length = count * rowBytes;
    if (this.#buffer.length < length) this.#buffer = Buffer.alloc(2 * length);
    const bytes = this.#buffer;
    for (let done = 0; done < length; ) {
      const read = readSync(this.#file, bytes, done, length - done, start * rowBytes + done);
      if (read === 0)
        throw new FileFormatError(`rows ${start} to ${start + count} are not there`, { file: this.#path });
      done += read;
    }
    const column = (row: number, number: number) => bytes.readInt32LE(row * rowBytes + SEQUENCE_BYTES + 4 * number);
    return {
      sequence: row => bytes.readDoubleLE(row * rowBytes),
      token: row => column(row, RECORD.token),
      position: row => column(row, RECORD.position),
      label: (row, number) => column(row, RECORD.labels + number),
    };
  }

  /** Removes the file; more calls do nothing. */
  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }
}
