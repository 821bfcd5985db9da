/**
 * Given rows (in files or in memory) as a shuffled, endless stream, with a part held out.
 *
 * Rows are read in short runs, and an epoch visits the runs of all stores in a random order. As many runs as the
 * shuffle buffer holds are read at a time, and their rows are given in random order. Every order follows from the seed,
 * the epoch and the place in it, so the whole position is three numbers: a resumed run reads one buffer again and goes
 * on with the same bits.
 */
import { DisposedError, FileFormatError, InvalidValueError } from '../errors.ts';
import { type HostTensor, rowNorms } from '../tensor.ts';
import { type HeldOutRows, requestedRows, requireHeldOut, requireRows } from './activation-source.ts';
import type { BatchSource } from './batch-source.ts';
import { badNumber, isFiniteRow } from './finite-rows.ts';
import { HoldOut } from './hold-out.ts';
import { median } from './median.ts';
import { createRandomSource, type RandomSource } from './random-source.ts';
import { RowRuns, type RowStore, type Run, type StorePair, sumsBefore } from './row-runs.ts';
import { shuffle } from './shuffle.ts';

/** How rows are read, shuffled and held out. */
export interface ShuffleOptions {
  readonly seed: number;
  /** How many rows are shuffled together, in memory at once. */
  readonly shuffleBuffer: number;
  /**
   * How many consecutive rows are read at once: long enough for a disk, short enough that a buffer mixes many places.
   */
  readonly runRows: number;
  /** How many consecutive rows a run has for a sample, which takes a few rows of each of many runs. */
  readonly sampleRunRows: number;
  /** The share of all rows that is kept from training. */
  readonly holdOut: number;
  /** Whether rows with numbers that are not finite are left out and counted. Otherwise they are an error. */
  readonly skipBadRows: boolean;
  /**
   * A row whose norm is above this many times the median norm is not trained on, and counted. Held-out rows are given
   * whatever their norm.
   */
  readonly dropNormAbove?: number | undefined;
}

/** The position of a stream. */
export interface ShuffledPosition {
  readonly epoch: number;
  /** How many buffers of the epoch are used up. */
  readonly buffer: number;
  /** How many rows of the current buffer have been given. */
  readonly taken: number;
}

/** Separates the random sources of an epoch's order and of its buffers. */
const ORDER = 0;
const BUFFER = 1;
/** How many runs are read at the same time: Node reads files in four threads. */
const READERS = 4;
/** How many rows the median norm is measured on. */
const NORMS_MEASURED = 10_000;
/**
 * Where held-out rows are at least this share of all, whole runs are read and they are picked from them; otherwise they
 * are read one by one.
 */
const PICKED_FROM_RUNS = 1 / 32;

/** The rows of some runs, and the order in which those that are trained on are given. */
interface Buffer {
  readonly epoch: number;
  readonly index: number;
  readonly input: Float32Array;
  readonly target: Float32Array | undefined;
  readonly order: Int32Array;
}

/** The rows of some runs in memory. */
interface ReadRuns {
  readonly input: Float32Array;
  readonly target: Float32Array | undefined;
  /** The places in these arrays of a run's rows that are trained on, by the run's number. */
  readonly trained: ReadonlyMap<number, Int32Array>;
}

/** A shuffled, endless stream of given rows, with a part held out. */
export class ShuffledRows {
  readonly width: number;
  readonly targetWidth: number | undefined;
  /** How many training rows an epoch has. Rows that are left out are only subtracted when they are met. */
  readonly rows: number;
  readonly heldOutRows: number;
  readonly batches: BatchSource;
  readonly #runs: RowRuns;
  readonly #sampleRuns: RowRuns;
  readonly #runsPerBuffer: number;
  readonly #holdOut: HoldOut;
  readonly #options: ShuffleOptions;
  /** The rows that were left out, by their number among all rows. */
  readonly #bad = new Set<number>();
  readonly #long = new Set<number>();
  #normLimit = Number.POSITIVE_INFINITY;
  #epoch = 0;
  #index = 0;
  #taken = 0;
  #buffer: Buffer | undefined;
  /** The arrays of a buffer that is used up, which the next one takes over. */
  #spare: { readonly input: Float32Array; readonly target: Float32Array | undefined } | undefined;
  /** All rows, where one buffer holds them: they are read once, and every epoch gives them in an order of its own. */
  #whole: ReadRuns | undefined;
  #order: { readonly epoch: number; readonly runs: Uint32Array } | undefined;
  /** Calls of `fill` wait for each other, because each moves the stream. */
  #filling: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** @throws InvalidShapeError where widths or numbers of rows differ, InvalidValueError where no row is left to train on */
  constructor(pairs: readonly StorePair[], options: ShuffleOptions) {
    const [first] = pairs;
    if (!first) throw new InvalidValueError('there are no rows to train on');
    this.#options = options;
    this.width = first.input.width;
    this.targetWidth = first.target?.width;
    const { runRows, sampleRunRows, shuffleBuffer, holdOut } = options;
    this.#runs = new RowRuns(pairs, runRows);
    this.#sampleRuns = new RowRuns(pairs, sampleRunRows);
    this.#runsPerBuffer = Math.max(1, Math.floor(shuffleBuffer / runRows));
    const total = this.#runs.rows;
    this.#holdOut = new HoldOut(total, holdOut);
    this.heldOutRows = this.#holdOut.count;
    this.rows = total - this.heldOutRows;
    if (this.rows === 0 || this.width === 0) {
      throw new InvalidValueError(
        `no row is left to train on: ${total} rows of ${this.width} numbers, ${this.heldOutRows} held out`,
      );
    }
    this.batches = {
      fill: inputs => this.#fill(inputs),
      state: () => this.#position(),
      restore: state => this.#restore(state),
    };
  }

  /** How many rows have been left out because they hold a number that is not finite. Each row counts once. */
  get skippedRows(): number {
    return this.#bad.size;
  }

  /** How many training rows have been left out because their norm is above the limit. Each row counts once. */
  get droppedByNorm(): number {
    return this.#long.size;
  }

  /** The norm above which a row is not trained on; Infinity without a limit. */
  get normLimit(): number {
    return this.#normLimit;
  }

  /**
   * Measures the median norm on a sample, where long rows are to be left out. It must be called before rows are read.
   */
  async measureNorms(random: RandomSource): Promise<void> {
    const { dropNormAbove } = this.#options;
    if (dropNormAbove === undefined) return;
    const sample = await this.sample(NORMS_MEASURED, random);
    this.#normLimit = dropNormAbove * median(rowNorms(sample));
  }

  /**
   * Up to `wanted` training rows. They are a few of each of many runs, because whole runs would be a few documents.
   * @returns [n, width]
   */
  async sample(wanted: number, random: RandomSource): Promise<HostTensor> {
    requireRows('rows', wanted);
    this.#requireOpen();
    const runs = this.#sampleRuns;
    const order = shuffled(runs.count, random);
    const trained = (run: Run): number => run.count - this.#heldOutOf(run);
    const most = quota(order, index => trained(runs.at(index)), wanted, runs.length);
    const data = new Float32Array(Math.min(wanted, this.rows) * this.width);
    const room = new Float32Array(runs.length * this.width);
    let rows = 0;
    for (const index of order) {
      const run = runs.at(index);
      const some = Math.min(trained(run), most, data.length / this.width - rows);
      if (some === 0) continue;
      const places = this.#placesOf(run, false);
      const first = random.integer(places.length - some + 1);
      const chosen = places.slice(first, first + some);
      const [start, end] = [chosen[0]!, chosen.at(-1)! + 1];
      const values = room.subarray(0, (end - start) * this.width);
      await run.pair.input.read(run.start + start, end - start, values);
      for (const place of chosen) {
        const at = (place - start) * this.width;
        if (!this.#isGood(run.pair.input, values, at, this.width, run, place)) continue;
        if (this.#isLong(values, at, run, place)) continue;
        data.set(values.subarray(at, at + this.width), rows * this.width);
        rows++;
      }
    }
    return { data: data.subarray(0, rows * this.width), shape: [rows, this.width] };
  }

  /** Up to `rows` held-out rows in the order of the stores, at most `batchSize` at a time. */
  async *heldOut(rows: number, batchSize: number): AsyncGenerator<HeldOutRows> {
    requireHeldOut(rows, batchSize);
    const { width, targetWidth } = this;
    const wanted = Math.min(rows, this.heldOutRows);
    let batch = emptyBatch(Math.min(batchSize, wanted), width, targetWidth);
    let left = wanted;
    for await (const { input, target } of this.#heldOutRows()) {
      batch.input.set(input, batch.rows * width);
      if (target) batch.target?.set(target, batch.rows * targetWidth!);
      batch.rows++;
      left--;
      if (batch.rows === batchSize || left === 0) {
        yield takeBatch(batch, width, targetWidth);
        batch = emptyBatch(Math.min(batchSize, left), width, targetWidth);
      }
      if (left === 0) return;
    }
    if (batch.rows > 0) yield takeBatch(batch, width, targetWidth);
  }

  close(): void {
    this.#isClosed = true;
    this.#buffer = undefined;
    this.#spare = undefined;
    this.#whole = undefined;
  }

  async *#heldOutRows(): AsyncGenerator<{ readonly input: Float32Array; readonly target: Float32Array | undefined }> {
    const { width, targetWidth = 0 } = this;
    const whole = this.#options.holdOut >= PICKED_FROM_RUNS;
    const inputRoom = new Float32Array(this.#sampleRuns.length * width);
    const targetRoom = new Float32Array(this.#sampleRuns.length * targetWidth);
    for (let index = 0; index < this.#sampleRuns.count; index++) {
      this.#requireOpen();
      const run = this.#sampleRuns.at(index);
      const places = this.#placesOf(run, true);
      if (places.length === 0) continue;
      const read = async (start: number, count: number): Promise<void> => {
        await run.pair.input.read(run.start + start, count, inputRoom.subarray(0, count * width));
        await run.pair.target?.read(run.start + start, count, targetRoom.subarray(0, count * targetWidth));
      };
      if (whole) await read(0, run.count);
      for (const place of places) {
        if (!whole) await read(place, 1);
        const at = whole ? place : 0;
        if (!this.#isGoodPair(run, inputRoom, targetRoom, at, place)) continue;
        yield {
          input: inputRoom.subarray(at * width, (at + 1) * width),
          target: run.pair.target && targetRoom.subarray(at * targetWidth, (at + 1) * targetWidth),
        };
      }
    }
  }

  #fill(inputs: Readonly<Record<string, Float32Array>>): Promise<void> {
    const filling = this.#filling.then(() => this.#fillNow(inputs));
    this.#filling = filling.catch(() => {});
    return filling;
  }

  async #fillNow(inputs: Readonly<Record<string, Float32Array>>): Promise<void> {
    const { width, targetWidth } = this;
    const { activations, target, rows } = requestedRows(inputs, this);
    for (let done = 0; done < rows; ) {
      this.#requireOpen();
      const buffer = await this.#currentBuffer();
      const count = Math.min(buffer.order.length - this.#taken, rows - done);
      gather(buffer.input, buffer.order, this.#taken, count, width, activations, done);
      if (target) gather(buffer.target!, buffer.order, this.#taken, count, targetWidth!, target, done);
      this.#taken += count;
      done += count;
      if (this.#taken === buffer.order.length) this.#advance();
    }
  }

  #advance(): void {
    this.#taken = 0;
    this.#index++;
    if (this.#index * this.#runsPerBuffer < this.#runs.count) return;
    this.#index = 0;
    this.#epoch++;
  }

  #position(): ShuffledPosition {
    return { epoch: this.#epoch, buffer: this.#index, taken: this.#taken };
  }

  #restore(state: unknown): void {
    const { epoch, buffer, taken } = (state ?? {}) as Partial<ShuffledPosition>;
    if (!isCount(epoch) || !isCount(buffer) || !isCount(taken)) {
      throw new FileFormatError('the checkpoint holds no place in given rows');
    }
    if (buffer * this.#runsPerBuffer >= this.#runs.count || taken >= this.#runsPerBuffer * this.#options.runRows) {
      throw new FileFormatError(
        `the checkpoint is of other activations: it stands at row ${taken} of buffer ${buffer}, ` +
          `which ${this.rows} training rows do not have`,
      );
    }
    this.#epoch = epoch;
    this.#index = buffer;
    this.#taken = taken;
  }

  /** The buffer from which the next row comes: it is read, and has at least one row left. */
  async #currentBuffer(): Promise<Buffer> {
    const buffers = Math.ceil(this.#runs.count / this.#runsPerBuffer);
    for (let empty = 0; empty <= buffers; empty++) {
      const known = this.#buffer;
      const isCurrent = known?.epoch === this.#epoch && known.index === this.#index;
      const buffer = isCurrent ? known : await this.#readBuffer();
      if (this.#taken < buffer.order.length) return buffer;
      this.#advance();
    }
    throw this.#runs
      .at(0)
      .pair.input.wrong(0, 'and every other training row hold numbers that are not finite, or are too long');
  }

  async #readBuffer(): Promise<Buffer> {
    const [epoch, index] = [this.#epoch, this.#index];
    const begin = index * this.#runsPerBuffer;
    const numbers = this.#orderOf(epoch).subarray(begin, begin + this.#runsPerBuffer);
    const { input, target, trained } = this.#whole ?? (await this.#readRuns(numbers));
    const rows = Array.from(numbers, run => trained.get(run)!);
    const order = new Int32Array(rows.reduce((sum, { length }) => sum + length, 0));
    rows.reduce((at, own) => {
      order.set(own, at);
      return at + own.length;
    }, 0);
    shuffle(order, this.#randomFor(BUFFER, epoch, index));
    this.#requireOpen();
    if (numbers.length === this.#runs.count) this.#whole = { input, target, trained };
    this.#buffer = { epoch, index, input, target, order };
    return this.#buffer;
  }

  /** Reads the runs `numbers` one after the other. */
  async #readRuns(numbers: Uint32Array): Promise<ReadRuns> {
    this.#spare = this.#buffer;
    this.#buffer = undefined;
    const runs = Array.from(numbers, run => this.#runs.at(run));
    const { width, targetWidth } = this;
    const starts = sumsBefore(runs.map(({ count }) => count));
    const rows = starts.at(-1)!;
    // Where one run holds all rows and they are in memory, their array is the buffer.
    const inPlace = this.#runs.count === 1 ? runs[0]!.pair : undefined;
    const room = (known: Float32Array | undefined, size: number): Float32Array =>
      known && known.length >= size ? known : new Float32Array(size);
    const input = inPlace?.input.values ?? room(this.#spare?.input, rows * width);
    const target =
      targetWidth === undefined
        ? undefined
        : (inPlace?.target?.values ?? room(this.#spare?.target, rows * targetWidth));
    this.#spare = undefined;
    await inTurns(runs.length, i => {
      const { pair, start, count } = runs[i]!;
      const [from, to] = [starts[i]!, starts[i]! + count];
      const read = (store: RowStore, into: Float32Array): void | Promise<void> =>
        into === store.values
          ? undefined
          : store.read(start, count, into.subarray(from * store.width, to * store.width));
      const reading = read(pair.input, input);
      if (!target) return reading;
      const readingTarget = read(pair.target!, target);
      return reading || readingTarget ? Promise.all([reading, readingTarget]).then(() => {}) : undefined;
    });
    const trained = new Map<number, Int32Array>();
    for (const [i, run] of runs.entries()) {
      const own = new Int32Array(run.count);
      let count = 0;
      let held = this.#holdOut.next(run.offset + run.start) - run.offset - run.start;
      for (let place = 0; place < run.count; place++) {
        if (place === held) {
          held = this.#holdOut.next(run.offset + run.start + place + 1) - run.offset - run.start;
          continue;
        }
        const row = starts[i]! + place;
        if (!this.#isGoodPair(run, input, target, row, place)) continue;
        if (!this.#isLong(input, row * width, run, place)) own[count++] = row;
      }
      trained.set(numbers[i]!, own.subarray(0, count));
    }
    return { input, target, trained };
  }

  /**
   * Whether row `at` of the arrays, row `place` of `run`, is finite. A row that is not is an error, or is counted where
   * such rows are left out.
   */
  #isGoodPair(run: Run, input: Float32Array, target: Float32Array | undefined, at: number, place: number): boolean {
    const { width, targetWidth } = this;
    if (!this.#isGood(run.pair.input, input, at * width, width, run, place)) return false;
    if (targetWidth === undefined) return true;
    return this.#isGood(run.pair.target!, target!, at * targetWidth, targetWidth, run, place);
  }

  #isGood(store: RowStore, values: Float32Array, at: number, width: number, run: Run, place: number): boolean {
    if (isFiniteRow(values, at, width)) return true;
    const row = run.start + place;
    if (!this.#options.skipBadRows) throw store.wrong(row, badNumber(values.subarray(at, at + width)));
    this.#bad.add(run.offset + row);
    return false;
  }

  /** Whether the row that begins at `at` is longer than the limit; such a row is counted. */
  #isLong(values: Float32Array, at: number, run: Run, place: number): boolean {
    if (this.#normLimit === Number.POSITIVE_INFINITY) return false;
    let squared = 0;
    for (let i = at; i < at + this.width; i++) squared += values[i]! * values[i]!;
    if (Math.sqrt(squared) <= this.#normLimit) return false;
    this.#long.add(run.offset + run.start + place);
    return true;
  }

  #heldOutOf({ offset, start, count }: Run): number {
    return this.#holdOut.before(offset + start + count) - this.#holdOut.before(offset + start);
  }

  /** The places in a run of the rows that are held out, or of those that are not. */
  #placesOf({ offset, start, count }: Run, heldOut: boolean): number[] {
    const places: number[] = [];
    const first = offset + start;
    for (let place = 0, held = this.#holdOut.next(first) - first; place < count; place++) {
      if ((place === held) === heldOut) places.push(place);
      if (place === held) held = this.#holdOut.next(first + place + 1) - first;
    }
    return places;
  }

  /** The numbers of an epoch's runs, in the order of that epoch. */
  #orderOf(epoch: number): Uint32Array {
    if (this.#order?.epoch !== epoch) {
      this.#order = { epoch, runs: shuffled(this.#runs.count, this.#randomFor(ORDER, epoch, 0)) };
    }
    return this.#order.runs;
  }

  #randomFor(purpose: number, epoch: number, index: number): RandomSource {
    let random = createRandomSource(this.#options.seed);
    for (const key of [purpose, epoch, index]) {
      random = createRandomSource(Math.floor(random.uniform() * 2 ** 40) + key);
    }
    return random;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new DisposedError('these activations were disposed of');
  }
}

/** Copies rows `order[first]`, … of `from` to rows `at`, … of `into`. */
function gather(
  from: Float32Array,
  order: Int32Array,
  first: number,
  count: number,
  width: number,
  into: Float32Array,
  at: number,
): void {
  let to = at * width;
  for (let i = first; i < first + count; i++) {
    let place = order[i]! * width;
    const end = place + width;
    // Four at a time, 1.2 times as fast as one by one. Copying with `set` takes a view, an object, for each row.
    for (; place + 3 < end; place += 4, to += 4) {
      into[to] = from[place]!;
      into[to + 1] = from[place + 1]!;
      into[to + 2] = from[place + 2]!;
      into[to + 3] = from[place + 3]!;
    }
    while (place < end) into[to++] = from[place++]!;
  }
}

/** Does `work` for 0 … count − 1; work that is asynchronous is done several pieces at a time. */
async function inTurns(count: number, work: (index: number) => void | Promise<void>): Promise<void> {
  let next = 0;
  const reader = async (): Promise<void> => {
    while (next < count) {
      const working = work(next++);
      if (working) await working;
    }
  };
  // Where one piece fails, the others end before the error is passed on, so that nothing reads into an array that is
  // given up.
  const readers = await Promise.allSettled(Array.from({ length: READERS }, reader));
  const failed = readers.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
  if (failed) throw failed.reason;
}

/** The smallest number of rows per run with which all runs together give `wanted` rows; at most `most`. */
function quota(runs: Uint32Array, rowsOf: (run: number) => number, wanted: number, most: number): number {
  const rows = new Float64Array(most + 1);
  for (const run of runs) rows[rowsOf(run)]!++;
  // runsWith is the number of runs of at least `quota` rows. Each of them gives one more row when the quota grows to
  // it.
  let runsWith = runs.length - rows[0]!;
  let given = 0;
  for (let own = 1; own <= most; own++) {
    given += runsWith;
    if (given >= wanted) return own;
    runsWith -= rows[own]!;
  }
  return most;
}

function emptyBatch(rows: number, width: number, targetWidth: number | undefined) {
  const target = targetWidth === undefined ? undefined : new Float32Array(rows * targetWidth);
  return { rows: 0, input: new Float32Array(rows * width), target };
}

function takeBatch(
  { rows, input, target }: ReturnType<typeof emptyBatch>,
  width: number,
  targetWidth: number | undefined,
): HeldOutRows {
  return {
    input: { data: input.subarray(0, rows * width), shape: [rows, width] },
    ...(target && { target: { data: target.subarray(0, rows * targetWidth!), shape: [rows, targetWidth!] } }),
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** 0 … count − 1 in random order. */
function shuffled(count: number, random: RandomSource): Uint32Array {
  return shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    random,
  );
}
