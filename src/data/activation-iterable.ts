/** Activations from any iterable, in its order: a model that runs meanwhile, a database, a socket. */
import { DisposedError, FileFormatError, InvalidShapeError, InvalidTypeError, InvalidValueError } from '../errors.ts';
import { type HostTensor, sizeOf } from '../tensor.ts';
import {
  type ActivationSource,
  type HeldOutRows,
  type OpenSource,
  readOpenOptions,
  requestedRows,
  requireHeldOut,
  requireRows,
} from './activation-source.ts';
import type { BatchSource } from './batch-source.ts';
import { contentHash } from './content-hash.ts';
import { badNumber, firstBadRow } from './finite-rows.ts';
import { isHeldOutOfStream } from './hold-out.ts';

/** Rows of activations: one row as plain numbers, or a tensor [n, d_in]. */
export type Rows = readonly number[] | Float32Array | HostTensor<ArrayLike<number>>;

/** Input rows, and the target row that belongs to each: what an autoencoder is to give for it. */
export interface RowPair {
  readonly input: Rows;
  readonly target: Rows;
}

/** One item of an iterable of activations. */
export type ActivationItem = Rows | RowPair;

/** Rows, tensors or pairs one after another, sync or async. */
export type ActivationIterable = Iterable<ActivationItem> | AsyncIterable<ActivationItem>;

/** Most held-out rows that are kept in memory. */
const MOST_HELD_OUT = 16_384;

/**
 * A source of the rows that an iterable gives, in its order. A function is called for each pass over the rows: it can
 * begin again when they end and where a run is resumed. An iterable itself is read once; rows that were only looked at
 * (a sample) are given afterwards all the same.
 */
export function iterableSource(iterable: ActivationIterable | (() => ActivationIterable)): ActivationSource {
  const description = { kind: 'iterable', repeats: typeof iterable === 'function' };
  let isOpened = false;
  return {
    description,
    async open(options) {
      const { holdOut, signal } = readOpenOptions(options);
      if (typeof iterable !== 'function') {
        if (isOpened) {
          throw new InvalidValueError('an iterable is read once: pass a function that makes it to open it again');
        }
        isOpened = true;
      }
      const reader = new IterableReader(iterable, holdOut);
      try {
        await reader.begin(signal);
      } catch (error) {
        await reader.close();
        throw error;
      }
      return opened(reader, description, holdOut);
    },
  };
}

function opened(reader: IterableReader, description: object, holdOut: number): OpenSource {
  const { width, targetWidth } = reader;
  return {
    width,
    ...(targetWidth !== undefined && { targetWidth }),
    identity: {
      ...description,
      width,
      ...(targetWidth !== undefined && { targetWidth }),
      first: reader.first,
      holdOut,
    },
    batches: reader.batches(),
    sample: rows => reader.sample(rows),
    heldOut: (rows, batchSize) => reader.heldOut(rows, batchSize),
    [Symbol.asyncDispose]: () => reader.close(),
  };
}

/** Rows that were read from the iterator and not given yet. */
interface Part {
  readonly input: Float32Array;
  readonly target: Float32Array | undefined;
  readonly rows: number;
}

/** Reads an iterable in one pass after another. */
class IterableReader {
  width = 0;
  targetWidth: number | undefined;
  /** A hash of the first row, by which a resumed run notices that the data are others. */
  first = '';
  readonly #iterable: ActivationIterable | (() => ActivationIterable);
  readonly #holdOut: number;
  #iterator: AsyncIterator<ActivationItem> | Iterator<ActivationItem> | undefined;
  /** Whether all of the iterable's rows have been read in this pass. */
  #isDone = false;
  #isClosed = false;
  /** How many rows have been read in this pass, with those that are held out. */
  #read = 0;
  /** Training rows in the parts that wait. */
  #waiting = 0;
  /** The parts from index `#head` on wait to be given; those before it have been. */
  readonly #parts: (Part | undefined)[] = [];
  #head = 0;
  /** How many rows of the part at `#head` have been given. */
  #taken = 0;
  /** How many training rows have been given in this pass. */
  #given = 0;
  /** How many passes have ended. */
  #passes = 0;
  /** The first rows that were held out; every pass holds out the same ones. */
  readonly #heldOut: Part[] = [];
  /** The number of rows that the longest pass has read: up to there, held-out rows are known. */
  #heldOutSeen = 0;

  constructor(iterable: ActivationIterable | (() => ActivationIterable), holdOut: number) {
    this.#iterable = iterable;
    this.#holdOut = holdOut;
  }

  /** Reads the first rows, which say how wide rows are. */
  async begin(signal?: AbortSignal): Promise<void> {
    while (this.#read === 0 && (await this.#readPart())) signal?.throwIfAborted();
    if (this.#read === 0) throw new InvalidValueError('the activations ended before their first row');
  }

  batches(): BatchSource {
    return {
      fill: inputs => this.#fill(inputs),
      state: () => ({ pass: this.#passes, given: this.#given }),
      restore: state => this.#restore(state),
    };
  }

  /** The next `rows` rows, without moving the stream: `fill` gives them again. Fewer where the pass ends. */
  async sample(rows: number): Promise<HostTensor> {
    requireRows('rows', rows);
    while (this.#waiting < rows && (await this.#readPart()));
    const count = Math.min(rows, this.#waiting);
    const data = new Float32Array(count * this.width);
    let at = 0;
    let from = this.#taken * this.width;
    for (let i = this.#head; at < data.length; i++) {
      const part = this.#parts[i]!.input.subarray(from, from + data.length - at);
      data.set(part, at);
      at += part.length;
      from = 0;
    }
    return { data, shape: [count, this.width] };
  }

  /** The rows that have been held out so far. */
  async *heldOut(rows: number, batchSize: number): AsyncGenerator<HeldOutRows> {
    requireHeldOut(rows, batchSize);
    const { width, targetWidth } = this;
    const kept = this.#heldOut.slice(0, rows);
    for (let start = 0; start < kept.length; start += batchSize) {
      const batch = kept.slice(start, start + batchSize);
      const joined = (size: number, of: (part: Part) => Float32Array): HostTensor => {
        const data = new Float32Array(batch.length * size);
        for (const [i, part] of batch.entries()) data.set(of(part), i * size);
        return { data, shape: [batch.length, size] };
      };
      yield {
        input: joined(width, ({ input }) => input),
        ...(targetWidth !== undefined && { target: joined(targetWidth, ({ target }) => target!) }),
      };
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#dropParts();
    await this.#endIterator();
  }

  async #fill(inputs: Readonly<Record<string, Float32Array>>): Promise<void> {
    const { width, targetWidth } = this;
    const { activations, target, rows } = requestedRows(inputs, this);
    for (let done = 0; done < rows; ) {
      await this.#needRow();
      const part = this.#parts[this.#head]!;
      const count = Math.min(part.rows - this.#taken, rows - done);
      const [from, to] = [this.#taken, this.#taken + count];
      activations.set(part.input.subarray(from * width, to * width), done * width);
      target?.set(part.target!.subarray(from * targetWidth!, to * targetWidth!), done * targetWidth!);
      this.#pass(count);
      done += count;
    }
  }

  /** Counts `count` rows of the first part as given. */
  #pass(count: number): void {
    this.#taken += count;
    this.#given += count;
    this.#waiting -= count;
    if (this.#taken < this.#parts[this.#head]!.rows) return;
    this.#parts[this.#head++] = undefined;
    this.#taken = 0;
    if (this.#waiting === 0) this.#dropParts();
  }

  #dropParts(): void {
    this.#parts.length = 0;
    this.#head = 0;
    this.#taken = 0;
    this.#waiting = 0;
  }

  /** Reads until a row waits to be given; begins the next pass where this one has ended. */
  async #needRow(): Promise<void> {
    while (this.#waiting === 0) {
      if (await this.#readPart()) continue;
      const ended = `the activations ended after ${this.#read} rows`;
      if (this.#given === 0) throw new InvalidValueError(`${ended}, none of which is left to train on`);
      if (typeof this.#iterable !== 'function') {
        throw new InvalidValueError(`${ended}; training needs more: pass a function that makes the iterable anew`);
      }
      this.#passes++;
      this.#beginPass();
    }
  }

  #beginPass(): void {
    this.#iterator = undefined;
    this.#isDone = false;
    this.#read = 0;
    this.#given = 0;
    this.#dropParts();
  }

  async #restore(state: unknown): Promise<void> {
    const { pass, given } = (state ?? {}) as { pass?: unknown; given?: unknown };
    if (!isCount(pass) || !isCount(given)) throw new FileFormatError('the checkpoint holds no place in an iterable');
    if (pass === this.#passes && given === this.#given) return;
    if (typeof this.#iterable !== 'function') {
      throw new InvalidValueError('an iterable cannot begin again: pass a function that makes it to resume a run');
    }
    await this.#endIterator();
    this.#beginPass();
    while (this.#given < given) {
      while (this.#waiting === 0) {
        if (await this.#readPart()) continue;
        throw new FileFormatError(
          `the checkpoint stands at row ${given} of the activations, which now end after ${this.#given}: they are others`,
        );
      }
      this.#pass(Math.min(this.#parts[this.#head]!.rows - this.#taken, given - this.#given));
    }
    this.#passes = pass;
  }

  /**
   * Reads the iterator's next item.
   * @returns false where there is none
   */
  async #readPart(): Promise<boolean> {
    if (this.#isClosed) throw new DisposedError('these activations were disposed of');
    if (this.#isDone) return false;
    this.#iterator ??= iteratorOf(this.#iterable);
    let result: IteratorResult<ActivationItem>;
    try {
      result = await this.#iterator.next();
    } catch (error) {
      // An iterator that throws has ended, so that it need not be told to.
      this.#iterator = undefined;
      this.#isDone = true;
      throw error;
    }
    if (result.done) {
      this.#iterator = undefined;
      this.#isDone = true;
      return false;
    }
    try {
      this.#take(result.value);
    } catch (error) {
      await this.#endIterator();
      throw error;
    }
    return true;
  }

  #take(item: ActivationItem): void {
    const { input, target, rows } = this.#checked(item);
    const trained = new Int32Array(rows);
    let count = 0;
    for (let row = 0; row < rows; row++) {
      if (!isHeldOutOfStream(this.#read + row, this.#holdOut)) trained[count++] = row;
      else if (this.#read + row >= this.#heldOutSeen) this.#keepHeldOut(input, target, row);
    }
    this.#read += rows;
    this.#heldOutSeen = Math.max(this.#heldOutSeen, this.#read);
    if (count === 0) return;
    const own = trained.subarray(0, count);
    this.#parts.push({
      input: count === rows ? input : rowsOf(input, own, this.width),
      target: target && (count === rows ? target : rowsOf(target, own, this.targetWidth!)),
      rows: count,
    });
    this.#waiting += count;
  }

  #keepHeldOut(input: Float32Array, target: Float32Array | undefined, row: number): void {
    if (this.#heldOut.length >= MOST_HELD_OUT) return;
    const cut = (values: Float32Array, width: number): Float32Array => values.slice(row * width, (row + 1) * width);
    this.#heldOut.push({ input: cut(input, this.width), target: target && cut(target, this.targetWidth!), rows: 1 });
  }

  /** An item's rows, checked: they have the width of those before, and are finite. */
  #checked(item: ActivationItem): Part {
    const isPair = typeof item === 'object' && item !== null && 'input' in item;
    const input = this.#matrix(isPair ? item.input : item, 'input');
    const target = isPair ? this.#matrix(item.target, 'target') : undefined;
    if (this.width === 0) {
      if (input.rows === 0) return { input: input.values, target: undefined, rows: 0 };
      this.width = input.width;
      this.targetWidth = target?.width;
      this.first = contentHash(input.values.subarray(0, input.width));
    }
    if (input.rows > 0 && (target === undefined) !== (this.targetWidth === undefined)) {
      throw new InvalidShapeError(
        `row ${this.#read} of the activations has ${target ? 'a' : 'no'} target, the rows before have ${target ? 'none' : 'one'}`,
      );
    }
    this.#requireWidth(input, this.width, '');
    if (target) {
      this.#requireWidth(target, this.targetWidth!, "'s target");
      if (target.rows !== input.rows) {
        throw new InvalidShapeError(
          `${input.rows} rows came with ${target.rows} targets, from row ${this.#read} of the activations on`,
        );
      }
    }
    return { input: input.values, target: target?.values, rows: input.rows };
  }

  #requireWidth({ values, rows, width }: Matrix, expected: number, whose: string): void {
    if (rows === 0) return;
    const row = this.#read;
    if (width !== expected) {
      throw new InvalidShapeError(`row ${row} of the activations${whose} has ${width} numbers, expected ${expected}`);
    }
    const bad = firstBadRow(values, width, 0, rows);
    if (bad < 0) return;
    const numbers = values.subarray(bad * width, (bad + 1) * width);
    throw new InvalidValueError(`row ${row + bad} of the activations${whose} ${badNumber(numbers)}`);
  }

  #matrix(rows: Rows, what: string): Matrix {
    const found = matrixOf(rows);
    if (found) return found;
    throw new InvalidTypeError(
      `row ${this.#read} of the activations: expected an array of numbers or { data, shape: [n, width] } as its ${what}`,
    );
  }

  /** Tells an iterator that was not read to its end that no more will be asked of it. */
  async #endIterator(): Promise<void> {
    const iterator = this.#iterator;
    this.#iterator = undefined;
    this.#isDone = true;
    await iterator?.return?.();
  }
}

interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly width: number;
}

/**
 * A copy of one row or of rows as a matrix, because an iterator may use its array again for the next item. `undefined`
 * for anything else.
 */
function matrixOf(rows: Rows): Matrix | undefined {
  const isRow = rows instanceof Float32Array || (Array.isArray(rows) && rows.every(value => typeof value === 'number'));
  const { data, shape } = isRow ? { data: rows, shape: [1, rows.length] } : ((rows ?? {}) as Partial<HostTensor>);
  if (!data || !Array.isArray(shape) || shape.length === 0 || data.length !== sizeOf(shape)) return undefined;
  const width = shape.at(-1)!;
  return { values: new Float32Array(data), rows: width === 0 ? 0 : data.length / width, width };
}

/**
 * Rows and tensors of rows joined to one, [n, width].
 * @throws InvalidShapeError for one of another width
 * @throws InvalidTypeError for anything else
 */
export function joinRows(items: readonly Rows[]): HostTensor {
  const parts: Matrix[] = [];
  let rows = 0;
  for (const item of items) {
    const part = matrixOf(item);
    if (!part) throw new InvalidTypeError(`row ${rows}: expected an array of numbers or { data, shape: [n, width] }`);
    const width = parts[0]?.width ?? part.width;
    if (part.width !== width) throw new InvalidShapeError(`row ${rows} has ${part.width} numbers, expected ${width}`);
    parts.push(part);
    rows += part.rows;
  }
  const width = parts[0]?.width ?? 0;
  const data = new Float32Array(rows * width);
  let at = 0;
  for (const { values } of parts) {
    data.set(values, at);
    at += values.length;
  }
  return { data, shape: [rows, width] };
}

function rowsOf(values: Float32Array, rows: Int32Array, width: number): Float32Array {
  const own = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    for (let from = rows[i]! * width, to = i * width; to < (i + 1) * width; from++, to++) own[to] = values[from]!;
  }
  return own;
}

function iteratorOf(activations: ActivationIterable | (() => ActivationIterable)) {
  const iterable = typeof activations === 'function' ? activations() : activations;
  if (iterable && Symbol.asyncIterator in iterable) return iterable[Symbol.asyncIterator]();
  if (iterable && Symbol.iterator in iterable) return iterable[Symbol.iterator]();
  throw new InvalidTypeError('expected an iterable of rows, or a function that makes one');
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
