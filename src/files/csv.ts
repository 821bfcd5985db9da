/**
 * Samples as text, one per line: separated by commas, semicolons (with decimal commas or points), tabs, bars or spaces,
 * which the first line tells. Text is read part by part, so that files may be larger than memory.
 */
import { FileFormatError, InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { FloatBuffer, type FloatSink, keepingSink } from './row-collector.ts';

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const decimalComma = /^[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?$/i;
const notFinite = /^[+-]?(nan|inf|infinity)$/i;

/** A line longer than this is no line of numbers. */
const LONGEST_LINE = 2 ** 26;

interface Source {
  /** The file's path, for messages. */
  readonly file?: string | undefined;
}

/**
 * Reads samples as float32 [lines, columns]. Blank lines and lines that begin with # are left out, and so is a header:
 * a first line in which no cell is a number, NaN, infinite or empty.
 * @throws FileFormatError for a cell that is not a finite decimal number (its line and column are told), lines of
 *   unequal length, or no samples
 */
export function readCsv(text: string, source: Source = {}): HostTensor {
  const kept = keepingSink();
  const reader = new CsvReader(kept.sink, source);
  reader.push(text);
  return kept.tensor(reader.finish());
}

/**
 * Reads the text of a CSV file part by part; values go to `sink` in row-major order. Its errors are those of `readCsv`.
 */
export class CsvReader {
  readonly #values: FloatBuffer;
  readonly #file: string | undefined;
  #rest = '';
  #line = 0;
  #separator: string | RegExp = ',';
  #hasDecimalComma = false;
  /** False until the first line that is neither blank nor a comment. */
  #hasBegun = false;
  #width: number | undefined;
  #rows = 0;

  constructor(sink: FloatSink, { file }: Source = {}) {
    this.#values = new FloatBuffer(sink);
    this.#file = file;
  }

  push(text: string): void {
    const all = this.#rest + text;
    let start = 0;
    for (;;) {
      const end = lineEnd(all, start);
      // A carriage return that ends the part may be the first half of a line's end.
      if (end === all.length || (end === all.length - 1 && all[end] === '\r')) break;
      this.#takeLine(all.slice(start, end));
      start = end + (all[end] === '\r' && all[end + 1] === '\n' ? 2 : 1);
    }
    this.#rest = all.slice(start);
    if (this.#rest.length > LONGEST_LINE)
      throw this.#failure(`line ${this.#line + 1} has more than ${LONGEST_LINE} characters`);
  }

  /** The shape [lines, columns]. */
  finish(): [number, number] {
    if (this.#rest !== '') this.#takeLine(this.#rest.replace(/\r$/, ''));
    this.#rest = '';
    this.#values.flush();
    if (this.#width === undefined) throw this.#failure('no samples: expected one line of numbers for each');
    return [this.#rows, this.#width];
  }

  #failure(problem: string): FileFormatError {
    return new FileFormatError(problem, { file: this.#file });
  }

  #takeLine(whole: string): void {
    const text = this.#line === 0 ? whole.replace(/^\ufeff/, '') : whole;
    this.#line++;
    const line = text.trim();
    if (line === '' || line.startsWith('#')) return;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#separator = separatorOf(line);
      this.#hasDecimalComma = this.#separator === ';' || this.#separator === '\t';
      const cells = this.#cellsOf(text);
      if (!cells.some(cell => cell === '' || notFinite.test(cell) || this.#numberOf(cell) !== undefined)) return;
    }
    const cells = this.#cellsOf(text);
    this.#width ??= cells.length;
    if (cells.length !== this.#width) {
      throw this.#failure(`line ${this.#line} has ${cells.length} columns, expected ${this.#width}`);
    }
    for (const [column, cell] of cells.entries()) {
      const value = this.#numberOf(cell);
      const at = `line ${this.#line}, column ${column + 1}`;
      if (value === undefined) {
        const what = notFinite.test(cell) ? 'not a finite number' : 'not a number';
        throw this.#failure(`${at}: ${JSON.stringify(cell.slice(0, 80))} is ${what}`);
      }
      if (!Number.isFinite(Math.fround(value))) throw this.#failure(`${at}: ${cell} is more than float32 holds`);
      this.#values.add(value);
    }
    this.#rows++;
  }

  #cellsOf(line: string): string[] {
    if (typeof this.#separator !== 'string') return line.trim().split(this.#separator).map(unquoted);
    return (line.includes('"') ? splitQuoted(line, this.#separator) : line.split(this.#separator)).map(unquoted);
  }

  #numberOf(cell: string): number | undefined {
    if (decimal.test(cell)) return Number(cell);
    if (this.#hasDecimalComma && decimalComma.test(cell)) return Number(cell.replace(',', '.'));
    return undefined;
  }
}

/** Where the line that begins at `start` ends: at \n, \r or the text's end. */
function lineEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10 || code === 13) return at;
  }
  return text.length;
}

/** The first of semicolon, tab, comma and bar that the line has outside of quotes; else white space. */
function separatorOf(line: string): string | RegExp {
  const bare = line.replace(/"[^"]*"/g, '');
  return [';', '\t', ',', '|'].find(separator => bare.includes(separator)) ?? /\s+/;
}

function splitQuoted(line: string, separator: string): string[] {
  const cells: string[] = [];
  let [start, isQuoted] = [0, false];
  for (let at = 0; at <= line.length; at++) {
    if (line[at] === '"') isQuoted = !isQuoted;
    if (at === line.length || (!isQuoted && line[at] === separator)) {
      cells.push(line.slice(start, at));
      start = at + 1;
    }
  }
  return cells;
}

/**
 * The text without the spaces around it. A byte order mark, which `trim` counts as one, is kept: it means that two
 * files were joined.
 */
function trimmed(text: string): string {
  return text.replace(/^[^\S\ufeff]+|[^\S\ufeff]+$/g, '');
}

function unquoted(cell: string): string {
  const bare = trimmed(cell);
  return bare.length >= 2 && bare.startsWith('"') && bare.endsWith('"') ? trimmed(bare.slice(1, -1)) : bare;
}

/**
 * Writes a matrix [rows, columns], one row a line, without a header.
 * @throws InvalidShapeError where it is not two-dimensional
 */
export function writeCsv({ data, shape }: HostTensor<ArrayLike<number>>): string {
  if (shape.length !== 2) throw new InvalidShapeError(`CSV holds a matrix, got the shape [${shape.join(', ')}]`);
  return csvLines(data, shape[1]!);
}

/** Whole rows of `width` values as lines. */
export function csvLines(data: ArrayLike<number>, width: number): string {
  const lines: string[] = [];
  for (let start = 0; start < data.length; start += width) {
    let line = String(data[start]);
    for (let at = start + 1; at < start + width; at++) line += `,${data[at]}`;
    lines.push(line);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
