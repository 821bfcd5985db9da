/**
 * Activations from files larger than memory, shuffled, with a part held out.
 *
 * Rows are read in short runs, and an epoch visits the runs of all files in a random order. As many runs as the shuffle buffer holds
 * are read at a time and their rows given in random order. Every order follows from the seed, the epoch and the place in it, so that
 * the whole position is two numbers: a resumed run rereads one buffer and goes on to the same bits.
 */
import { glob } from 'tinyglobby';
import { FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import { openRowSource, type RowSource } from '../files/row-source.ts';
import type { HostTensor } from '../tensor.ts';
import { createRandomSource, type RandomSource } from './random-source.ts';

export interface ActivationFileOptions {
  /** Rows that are shuffled together, in memory at once. Default 32,768. */
  readonly shuffleBuffer?: number;
  /** The share of rows kept from training: the last ones of every file. Default .05. */
  readonly holdOut?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Which tensor of each safetensors file; needed where a file holds several. */
  readonly tensor?: string | undefined;
  /** The name of the input that `fill` fills. Default `activations`. */
  readonly inputName?: string;
}

/** Where a stream stands. */
export interface ActivationPosition {
  readonly epoch: number;
  /** Training rows given in this epoch. */
  readonly taken: number;
  /** All training rows: another number means other files. */
  readonly rows: number;
}

/** Rows of several files as one endless stream of batches (a training BatchSource), and its held-out part. */
export interface ActivationFiles {
  readonly files: readonly string[];
  /** d_in. */
  readonly width: number;
  /** Rows in an epoch of training. */
  readonly rows: number;
  readonly heldOutRows: number;
  /** Overwrites the input with the next rows. FileFormatError for a row with a number that is not finite. */
  fill(inputs: Readonly<Record<string, Float32Array>>): Promise<void>;
  state(): ActivationPosition;
  /** FileFormatError where `state` is none, or of other files. */
  restore(state: unknown): void;
  /** Up to `count` training rows from random places, without moving the stream; [n, width]. */
  sample(count: number, seed: number): Promise<HostTensor>;
  /** The held-out rows in the files' order, up to `batchSize` at a time. */
  heldOut(batchSize: number): AsyncIterable<HostTensor>;
  close(): Promise<void>;
}

/** Rows read at once: long enough for a disk, short enough that a buffer mixes many places. */
const RUN_ROWS = 256;
/** Files kept open at a time. */
const OPEN_FILES = 64;
/** Separates the streams of an epoch's order, its buffers and samples. */
const ORDER = 0;
const BUFFER = 1;

interface Shard {
  readonly path: string;
  readonly training: number;
  readonly rows: number;
}

/** Consecutive training rows of one file. */
interface Run {
  readonly shard: Shard;
  readonly start: number;
  readonly count: number;
}

/**
 * Opens .npy, .safetensors, JSON and CSV files of activations [..., d_in] as one stream; `files` is a glob pattern, a path, or several.
 * FileFormatError where none matches, one cannot be read, or widths differ; InvalidValueError for options out of range.
 */
export async function openActivations(
  files: string | readonly string[],
  options: ActivationFileOptions = {},
): Promise<ActivationFiles> {
  const { shuffleBuffer = 32_768, holdOut = 0.05, seed = 0, tensor, inputName = 'activations' } = options;
  if (!Number.isSafeInteger(shuffleBuffer) || shuffleBuffer < 1) {
    throw new InvalidValueError(`the shuffle buffer must hold a positive number of rows, got ${shuffleBuffer}`);
  }
  if (!(holdOut >= 0 && holdOut < 1)) throw new InvalidValueError(`holdOut must lie in [0, 1), got ${holdOut}`);
  const cache = new OpenFiles(tensor);
  try {
    const { shards, width } = await survey(await matching(files), cache, holdOut);
    return new ShuffledFiles(shards, width, cache, { shuffleBuffer, seed, inputName });
  } catch (error) {
    await cache.close();
    throw error;
  }
}

/** Paths in a fixed order, whatever the file system's. */
async function matching(files: string | readonly string[]): Promise<string[]> {
  const wanted = typeof files === 'string' ? [files] : files;
  const paths: string[] = [];
  for (const entry of wanted) {
    const found = /[*?{}[\]!]/.test(entry) ? await glob(entry, { absolute: false, dot: true }) : [entry];
    if (found.length === 0) throw new FileFormatError('no file matches this pattern', { file: entry });
    paths.push(...found.sort());
  }
  if (paths.length === 0) throw new InvalidValueError('expected a pattern or at least one path of activations');
  return [...new Set(paths)];
}

async function survey(paths: readonly string[], cache: OpenFiles, holdOut: number) {
  const shards: Shard[] = [];
  let width = 0;
  for (const path of paths) {
    const source = await cache.get(path);
    if (shards.length > 0 && source.width !== width) {
      throw new FileFormatError(`rows of ${source.width} numbers, expected ${width} as in ${paths[0]}`, { file: path });
    }
    width = source.width;
    shards.push({ path, rows: source.rows, training: source.rows - Math.ceil(source.rows * holdOut) });
  }
  if (width === 0 || shards.every(({ training }) => training === 0)) {
    throw new FileFormatError('no row is left to train on', { file: paths.join(', ') });
  }
  return { shards, width };
}

class ShuffledFiles implements ActivationFiles {
  readonly files: readonly string[];
  readonly width: number;
  readonly rows: number;
  readonly heldOutRows: number;
  readonly #shards: readonly Shard[];
  readonly #cache: OpenFiles;
  readonly #runs: readonly Run[];
  readonly #runsPerBuffer: number;
  readonly #seed: number;
  readonly #inputName: string;
  #epoch = 0;
  #taken = 0;
  /** The buffer that holds row `taken` of the epoch, once it has been read. */
  #buffer:
    | { readonly epoch: number; readonly first: number; readonly values: Float32Array; readonly order: Int32Array }
    | undefined;
  #order: { readonly epoch: number; readonly runs: readonly Run[]; readonly starts: readonly number[] } | undefined;

  constructor(
    shards: readonly Shard[],
    width: number,
    cache: OpenFiles,
    { shuffleBuffer, seed, inputName }: { shuffleBuffer: number; seed: number; inputName: string },
  ) {
    this.files = shards.map(({ path }) => path);
    this.width = width;
    this.rows = shards.reduce((sum, { training }) => sum + training, 0);
    this.heldOutRows = shards.reduce((sum, { rows, training }) => sum + rows - training, 0);
    this.#shards = shards;
    this.#cache = cache;
    this.#seed = seed;
    this.#inputName = inputName;
    const length = Math.min(RUN_ROWS, Math.max(1, Math.floor(shuffleBuffer / 16)));
    this.#runs = shards.flatMap(shard => runsOf(shard, length));
    this.#runsPerBuffer = Math.max(1, Math.floor(shuffleBuffer / length));
  }

  async fill(inputs: Readonly<Record<string, Float32Array>>): Promise<void> {
    const into = inputs[this.#inputName];
    const { width } = this;
    if (!into || into.length % width !== 0) {
      throw new InvalidShapeError(
        `"${this.#inputName}" must take whole rows of ${width} numbers, got ${into?.length ?? 'no array'}`,
      );
    }
    let at = 0;
    while (at < into.length) {
      const { first, values, order } = await this.#currentBuffer();
      const from = this.#taken - first;
      const count = Math.min(order.length - from, (into.length - at) / width);
      for (let i = from; i < from + count; i++) {
        const row = order[i]! * width;
        into.set(values.subarray(row, row + width), at);
        at += width;
      }
      this.#taken += count;
      if (this.#taken === this.rows) {
        this.#epoch++;
        this.#taken = 0;
      }
    }
  }

  state(): ActivationPosition {
    return { epoch: this.#epoch, taken: this.#taken, rows: this.rows };
  }

  restore(state: unknown): void {
    const { epoch, taken, rows } = (state ?? {}) as Partial<ActivationPosition>;
    if (!isCount(epoch) || !isCount(taken))
      throw new FileFormatError('the checkpoint holds no place in activation files');
    if (rows !== this.rows || taken >= rows) {
      throw new FileFormatError(
        `the checkpoint is of other activations: ${rows} rows to train on there, ${this.rows} here`,
      );
    }
    this.#epoch = epoch;
    this.#taken = taken;
  }

  async sample(count: number, seed: number): Promise<HostTensor> {
    const { width } = this;
    const random = createRandomSource(seed);
    const wanted = Math.min(count, this.rows);
    const data = new Float32Array(wanted * width);
    let rows = 0;
    // A few rows of many runs: whole runs would be a few documents.
    for (const run of shuffled(this.#runs, random)) {
      const some = Math.min(run.count, wanted - rows, Math.max(1, Math.ceil(wanted / this.#runs.length)));
      const start = run.start + random.integer(run.count - some + 1);
      data.set(await this.#read({ ...run, start, count: some }), rows * width);
      rows += some;
      if (rows === wanted) break;
    }
    return { data: data.slice(0, rows * width), shape: [rows, width] };
  }

  async *heldOut(batchSize: number): AsyncIterable<HostTensor> {
    for (const shard of this.#shards) {
      for (let start = shard.training; start < shard.rows; start += batchSize) {
        const count = Math.min(batchSize, shard.rows - start);
        yield { data: await this.#read({ shard, start, count }), shape: [count, this.width] };
      }
    }
  }

  close(): Promise<void> {
    this.#buffer = undefined;
    return this.#cache.close();
  }

  async #currentBuffer() {
    const { runs, starts } = this.#orderOf(this.#epoch);
    const known = this.#buffer;
    if (known?.epoch === this.#epoch && this.#taken >= known.first && this.#taken < known.first + known.order.length) {
      return known;
    }
    let index = 0;
    while (index + 1 < starts.length && starts[index + 1]! <= this.#taken) index++;
    const own = runs.slice(index * this.#runsPerBuffer, (index + 1) * this.#runsPerBuffer);
    const rows = own.reduce((sum, { count }) => sum + count, 0);
    const values = known?.values.length === rows * this.width ? known.values : new Float32Array(rows * this.width);
    this.#buffer = undefined;
    let at = 0;
    for (const run of own) {
      values.set(await this.#read(run), at);
      at += run.count * this.width;
    }
    const random = this.#randomFor(BUFFER, this.#epoch, index);
    const order = Int32Array.from(
      shuffled(
        Array.from({ length: rows }, (_, i) => i),
        random,
      ),
    );
    this.#buffer = { epoch: this.#epoch, first: starts[index]!, values, order };
    return this.#buffer;
  }

  /** An epoch's runs in its own order, and the number of rows before each buffer. */
  #orderOf(epoch: number) {
    if (this.#order?.epoch === epoch) return this.#order;
    const runs = shuffled(this.#runs, this.#randomFor(ORDER, epoch, 0));
    const starts: number[] = [];
    let rows = 0;
    for (const [i, { count }] of runs.entries()) {
      if (i % this.#runsPerBuffer === 0) starts.push(rows);
      rows += count;
    }
    this.#order = { epoch, runs, starts };
    return this.#order;
  }

  #randomFor(purpose: number, epoch: number, index: number): RandomSource {
    let random = createRandomSource(this.#seed);
    for (const key of [purpose, epoch, index]) {
      random = createRandomSource(Math.floor(random.uniform() * 2 ** 40) + key);
    }
    return random;
  }

  async #read({ shard, start, count }: Run): Promise<Float32Array> {
    const values = await (await this.#cache.get(shard.path)).read(start, count);
    if (values.every(Number.isFinite)) return values;
    const row = start + Math.floor(values.findIndex(value => !Number.isFinite(value)) / this.width);
    throw new FileFormatError(`row ${row} holds a number that is not finite`, { file: shard.path });
  }
}

function runsOf(shard: Shard, length: number): Run[] {
  const runs: Run[] = [];
  for (let start = 0; start < shard.training; start += length) {
    runs.push({ shard, start, count: Math.min(length, shard.training - start) });
  }
  return runs;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A shuffled copy (Fisher–Yates). */
function shuffled<T>(values: readonly T[], random: RandomSource): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** Opens files as they are read, and closes the one opened first where too many are open. */
class OpenFiles {
  readonly #tensor: string | undefined;
  readonly #open = new Map<string, RowSource>();

  constructor(tensor: string | undefined) {
    this.#tensor = tensor;
  }

  async get(path: string): Promise<RowSource> {
    const known = this.#open.get(path);
    if (known) return known;
    const source = await openRowSource(path, { tensor: this.#tensor });
    const [oldest] = this.#open;
    if (this.#open.size >= OPEN_FILES && oldest) {
      this.#open.delete(oldest[0]);
      await oldest[1].close();
    }
    this.#open.set(path, source);
    return source;
  }

  async close(): Promise<void> {
    const sources = [...this.#open.values()];
    this.#open.clear();
    for (const source of sources) await source.close();
  }
}
