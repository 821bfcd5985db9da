/** Labels of rows from a CSV file, a few rows at a time. Node only. */
import { createReadStream } from 'node:fs';
import { csvParseRows } from 'd3-dsv';
import { FileFormatError } from '../errors.ts';

/** Rows given at once. */
const ROWS_AT_ONCE = 4096;

/** The columns of a file of labels. */
export interface LabelColumns {
  readonly names: readonly string[];
  /** Whether the first line holds the names. */
  readonly hasHeader: boolean;
}

/**
 * Reads the names of the columns. A file with as many lines as there are rows has no header: its columns are called
 * `label`, `label 2` …
 * @throws FileFormatError for a file that is missing or empty
 */
export async function labelColumnsOf(path: string, rows: number): Promise<LabelColumns> {
  let first: string[] | undefined;
  let lines = 0;
  for await (const part of parsedRows(path)) {
    first ??= part[0];
    lines += part.length;
  }
  if (first !== undefined) {
    const hasHeader = lines !== rows;
    const names = first.map((name, i) => (hasHeader ? name.trim() : i === 0 ? 'label' : `label ${i + 1}`));
    return { names, hasHeader };
  }
  throw new FileFormatError('expected labels: a line with the names of the columns, then one for each row', {
    file: path,
  });
}

/**
 * The labels of consecutive rows, column by column: each call of `next(count)` gives the next `count` rows.
 * @throws FileFormatError where the file ends before, or a line has another number of cells than the header
 */
export class LabelReader {
  readonly #path: string;
  readonly #columns: number;
  readonly #parts: AsyncIterator<string[][]>;
  #waiting: string[][] = [];
  /** Whether the next line is the header. */
  #skipsHeader: boolean;
  /** How many rows have been given. */
  #given = 0;

  constructor(path: string, { names, hasHeader }: LabelColumns) {
    this.#path = path;
    this.#columns = names.length;
    this.#skipsHeader = hasHeader;
    this.#parts = parsedRows(path)[Symbol.asyncIterator]();
  }

  async next(count: number): Promise<string[][]> {
    const columns = Array.from({ length: this.#columns }, () => [] as string[]);
    for (let row = 0; row < count; row++) {
      const cells = await this.#row();
      if (cells === undefined) {
        throw new FileFormatError(`it has ${this.#given} rows of labels; there are more rows of activations`, {
          file: this.#path,
        });
      }
      if (cells.length !== this.#columns) {
        throw new FileFormatError(`row ${this.#given} has ${cells.length} cells, expected ${this.#columns}`, {
          file: this.#path,
        });
      }
      for (const [column, cell] of cells.entries()) columns[column]!.push(cell.trim());
      this.#given++;
    }
    return columns;
  }

  /** The next row; undefined at the end. */
  async #row(): Promise<string[] | undefined> {
    while (this.#waiting.length === 0) {
      const { value, done } = await this.#parts.next();
      if (done) return undefined;
      // The last row first, so that taking one is cheap.
      this.#waiting = (this.#skipsHeader ? value.slice(1) : value).reverse();
      this.#skipsHeader = false;
    }
    return this.#waiting.pop();
  }

  /**
   * Checks that no labels are left over.
   * @throws FileFormatError where some are
   */
  async expectEnd(): Promise<void> {
    const more = (await this.#row()) !== undefined;
    await this.#parts.return?.();
    if (more) throw new FileFormatError('it has more rows of labels than there are activations', { file: this.#path });
  }
}

/** Parsed rows in parts. A quoted cell may hold line ends, so a part ends at a line end behind an even number of quotes. */
async function* parsedRows(path: string): AsyncGenerator<string[][]> {
  let text = '';
  try {
    for await (const part of createReadStream(path, { encoding: 'utf8', highWaterMark: 2 ** 20 })) {
      text += part as string;
      const end = lastWholeLine(text);
      if (end < 0) continue;
      const rows = csvParseRows(text.slice(0, end).replace(/^\uFEFF/, '')).filter(isFilled);
      text = text.slice(end + 1);
      for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) yield rows.slice(start, start + ROWS_AT_ONCE);
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new FileFormatError(code === 'ENOENT' ? 'there is no such file' : message, { file: path, cause });
  }
  const rest = csvParseRows(text.replace(/^\uFEFF/, '')).filter(isFilled);
  if (rest.length > 0) yield rest;
}

const isFilled = (cells: readonly string[]): boolean => cells.some(cell => cell.trim() !== '');

/** Index of the last line end that is not inside quotes; −1 where there is none. */
function lastWholeLine(text: string): number {
  let quotes = 0;
  let last = -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) quotes++;
    else if (code === 0x0a && quotes % 2 === 0) last = at;
  }
  return last;
}
