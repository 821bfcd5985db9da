/**
 * Arrays as JSON: nested rows, a shape and flat data, or an array a line (JSON Lines). The text is read part by part
 * and never as one value, so that files may be larger than memory.
 */
import { FileFormatError } from '../errors.ts';
import { type HostTensor, sizeOf } from '../tensor.ts';
import { FloatBuffer, type FloatSink, keepingSink } from './row-collector.ts';

interface Source {
  /** The file's path, for messages. */
  readonly file?: string | undefined;
}

/**
 * Reads `[[…], …]` (any depth), `{"shape": […], "data": […]}`, or a line `[…]` for each row, as float32.
 * @throws FileFormatError for what is not JSON, rows of unequal length, an entry that is not a finite number, or data
 *   that do not fill the shape; the message shows a wrong entry
 */
export function readJsonArray(text: string, source: Source = {}): HostTensor {
  const kept = keepingSink();
  const reader = new JsonArrayReader(kept.sink, source);
  reader.push(text);
  return kept.tensor(reader.finish());
}

const expected = 'expected an array of rows of numbers, or {"shape": [...], "data": [...]} of numbers';

/** More dimensions than any array has; deeper nesting is damage or an attack. */
const DEEPEST = 32;
/** No number, key or literal is longer. */
const LONGEST_TOKEN = 2 ** 16;

const token =
  /[ \t\r\n]*(?:([[\]{},:])|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\d.eE+-])|"((?:[^"\\]|\\.)*)"|(-?[A-Za-z]+))/y;

/** What may come next. */
type Expectation = 'value' | 'value or end' | 'comma or end' | 'key' | 'key or end' | 'colon';

/**
 * Reads the text of a JSON array part by part; values go to `sink` in row-major order. Its errors are those of
 * `readJsonArray`.
 */
export class JsonArrayReader {
  readonly #values: FloatBuffer;
  readonly #file: string | undefined;
  #rest = '';
  #expects: Expectation = 'value';
  /** Entries so far of each array that is open; the outermost first. */
  readonly #counts: number[] = [];
  /** Length of the arrays at each depth, once one is closed. */
  readonly #lengths: (number | undefined)[] = [];
  /** The depth at which numbers lie. */
  #rank: number | undefined;
  #form: 'array' | 'lines' | 'object' | undefined;
  /** Complete top-level arrays: more than one for JSON Lines. */
  #arrays = 0;
  /** The key whose value is being read, in the form {shape, data}; what was read of it. */
  #key: string | undefined;
  readonly #seen = new Set<string>();
  #shape: number[] | undefined;
  #isComplete = false;

  constructor(sink: FloatSink, { file }: Source = {}) {
    this.#values = new FloatBuffer(sink);
    this.#file = file;
  }

  push(text: string): void {
    const all = this.#rest + text;
    // A number may go on in the next part; a comma or bracket ends it.
    const end = Math.max(all.lastIndexOf(','), all.lastIndexOf(']'), all.lastIndexOf('}'), all.lastIndexOf('[')) + 1;
    const done = this.#read(all, end);
    this.#rest = all.slice(done);
    if (this.#rest.length > LONGEST_TOKEN && this.#rest.trimStart().length > LONGEST_TOKEN)
      throw this.#notJson(all, done);
  }

  /** The array's shape. */
  finish(): number[] {
    const done = this.#read(this.#rest, this.#rest.length);
    if (this.#rest.slice(done).trim() !== '') throw this.#notJson(this.#rest, done);
    this.#values.flush();
    if (this.#form === undefined) throw this.#failure(expected);
    if (!this.#isComplete) throw this.#failure('not JSON: it is cut short');
    if (this.#form === 'object') {
      if (this.#shape === undefined || !this.#seen.has('data')) throw this.#failure(expected);
      if (this.#values.count !== sizeOf(this.#shape)) {
        throw this.#failure(`${this.#values.count} values do not fill the shape [${this.#shape.join(', ')}]`);
      }
      return this.#shape;
    }
    const shape = this.#lengths.map(length => length ?? 0);
    return this.#form === 'lines' ? [this.#arrays, ...shape] : shape;
  }

  #failure(problem: string): FileFormatError {
    return new FileFormatError(problem, { file: this.#file });
  }

  #notJson(text: string, at: number): FileFormatError {
    return this.#failure(`not JSON: unexpected ${JSON.stringify(text.slice(at, at + 30).trimStart() || 'end')}`);
  }

  /** Reads the tokens that end before `end`; gives the place behind the last one. */
  #read(text: string, end: number): number {
    let at = 0;
    for (;;) {
      token.lastIndex = at;
      const match = token.exec(text);
      if (match === null || token.lastIndex > end) {
        // No later part can complete this.
        const rest = text.slice(at, end).trimStart();
        if (match === null && rest !== '' && !rest.startsWith('"')) throw this.#notJson(text, at);
        return at;
      }
      const next = token.lastIndex;
      if (!this.#take(match)) throw this.#notJson(text, at);
      at = next;
    }
  }

  /**
   * Takes one token.
   * @returns false where the token may not stand here
   */
  #take([all, mark, number, string, word]: RegExpExecArray): boolean {
    // JSON Lines: an array a line.
    if (mark === '[' && this.#isComplete && !/[\r\n]/.test(all)) return false;
    if (mark !== undefined) return this.#takeMark(mark);
    if (string !== undefined && (this.#expects === 'key' || this.#expects === 'key or end')) {
      // The key is taken literally: neither name has anything to escape.
      this.#key = string;
      if (this.#key !== 'shape' && this.#key !== 'data') throw this.#failure(expected);
      if (this.#seen.has(this.#key)) throw this.#failure(`${this.#key} twice`);
      this.#seen.add(this.#key);
      this.#expects = 'colon';
      return true;
    }
    if (this.#expects !== 'value' && this.#expects !== 'value or end') return false;
    if (word !== undefined && !/^(null|true|false|NaN|-?Infinity)$/.test(word)) return false;
    if (this.#counts.length === 0) throw this.#failure(expected);
    if (number === undefined) throw this.#failure(`expected a number, got ${string ?? word}${this.#place()}`);
    this.#takeNumber(Number(number), number);
    this.#expects = 'comma or end';
    return true;
  }

  /** Where in the array the next entry lies, for messages. */
  #place(): string {
    const counts = this.#form === 'lines' ? [this.#arrays, ...this.#counts] : this.#counts;
    return counts.length > 1 ? ` at [${counts.join(', ')}]` : '';
  }

  #takeNumber(value: number, text: string): void {
    const depth = this.#counts.length;
    if (this.#key === 'shape') {
      if (!Number.isSafeInteger(value) || value < 0) throw this.#failure(expected);
      this.#shape!.push(value);
    } else {
      this.#rank ??= depth;
      if (depth !== this.#rank || (this.#form === 'array' && this.#lengths.length > depth)) {
        throw this.#failure(`rows of unequal length: a number at depth ${depth}, others at depth ${this.#rank}`);
      }
      if (!Number.isFinite(Math.fround(value)))
        throw this.#failure(`${text} is more than float32 holds${this.#place()}`);
      this.#values.add(value);
    }
    this.#counts[depth - 1]!++;
  }

  #takeMark(mark: string): boolean {
    switch (mark) {
      case '[':
        return this.#open();
      case ']':
        if (this.#counts.length === 0 || (this.#expects !== 'comma or end' && this.#expects !== 'value or end'))
          return false;
        this.#close();
        return true;
      case ',':
        if (this.#expects !== 'comma or end' || this.#isComplete) return false;
        this.#expects = this.#form === 'object' && this.#counts.length === 0 ? 'key' : 'value';
        return true;
      case ':':
        if (this.#expects !== 'colon') return false;
        this.#expects = 'value';
        return true;
      case '{':
        if (this.#form !== undefined) {
          if (this.#expects === 'value' || this.#expects === 'value or end') {
            throw this.#failure(
              this.#form === 'object' ? expected : `expected a number, got an object${this.#place()}`,
            );
          }
          return false;
        }
        this.#form = 'object';
        this.#expects = 'key or end';
        return true;
      default:
        if (this.#form !== 'object' || this.#counts.length > 0 || this.#isComplete) return false;
        if (this.#expects !== 'comma or end' && this.#expects !== 'key or end') return false;
        this.#isComplete = true;
        return true;
    }
  }

  #open(): boolean {
    if (this.#isComplete) {
      // Another top-level array: each is a row.
      if (this.#form === 'object' || (this.#form === 'array' && this.#lengths.length > 1)) return false;
      this.#form = 'lines';
      this.#isComplete = false;
      this.#expects = 'value';
    }
    if (this.#expects !== 'value' && this.#expects !== 'value or end') return false;
    this.#form ??= 'array';
    const depth = this.#counts.length;
    if (depth > 0 && (this.#form !== 'array' || this.#key !== undefined)) {
      throw this.#failure(this.#form === 'object' ? expected : 'rows of unequal length: a list in a row of numbers');
    }
    if (depth === DEEPEST) throw this.#failure(`nested deeper than ${DEEPEST}: damaged, or an attack`);
    if (this.#rank !== undefined && this.#form === 'array' && depth >= this.#rank) {
      throw this.#failure(`rows of unequal length: a list at depth ${depth}, others hold numbers there`);
    }
    if (depth > 0) this.#counts[depth - 1]!++;
    if (this.#key === 'shape') this.#shape = [];
    this.#counts.push(0);
    this.#expects = 'value or end';
    return true;
  }

  #close(): void {
    const count = this.#counts.pop()!;
    const depth = this.#counts.length;
    if (this.#form !== 'object') {
      this.#lengths[depth] ??= count;
      if (count !== this.#lengths[depth]) {
        throw this.#failure(
          `rows of unequal length: expected ${this.#lengths[depth]} entries at depth ${depth}, got ${count}`,
        );
      }
      if (depth === 0) {
        this.#arrays++;
        this.#isComplete = true;
      }
    }
    this.#key = undefined;
    this.#expects = 'comma or end';
  }
}
