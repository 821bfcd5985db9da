/**
 * Computes activations while an autoencoder learns from them: nothing is written to disk, and memory does not grow with
 * the data.
 *
 * The data are run in stretches of as many rows as the shuffle buffer holds; a stretch's rows are given in an order
 * drawn from the seed, the epoch and the stretch. So a position consists of the place where a stretch begins and the
 * number of its rows that were given, and a resumed run computes one stretch again. Whole samples are held out, evenly
 * spaced, so that no text is in both parts.
 */

import {
  type ActivationSource,
  type OpenOptions,
  type OpenSource,
  readOpenOptions,
  requestedRows,
  requireHeldOut,
  requireRows,
} from '../data/activation-source.ts';
import type { BatchSource } from '../data/batch-source.ts';
import { median } from '../data/median.ts';
import { createRandomSource } from '../data/random-source.ts';
import { shuffle } from '../data/shuffle.ts';
import { DisposedError, FileFormatError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import {
  type ActivationBatch,
  ActivationReader,
  DEFAULT_BATCH_SIZE,
  float32Norms,
  type RowOptions,
} from './activation-rows.ts';
import type { HostModel } from './host-model.ts';
import type { ArrayDataOptions, ArrayInputs, HostData } from './input-batches.ts';

/** Which tensor of the host is read, on which data, and in what order rows come. */
export interface ModelActivationsOptions extends Omit<RowOptions, 'batchSize' | 'signal'>, ArrayDataOptions {
  /** Arrays by input name, or any `HostData` such as text. */
  readonly data: ArrayInputs | HostData;
  /** Samples that the model runs at once, at least 1. Default 16. */
  readonly hostBatchSize?: number | undefined;
  /**
   * How many rows are shuffled together, in memory at once. Default 131,072, or fewer where those would take more than
   * 256 MiB.
   */
  readonly shuffleBuffer?: number | undefined;
  /** Rows whose norm is above this many times the median norm of the first stretch are left out. Default: no limit. */
  readonly dropNormAbove?: number | undefined;
}

/** A source whose streams also count the rows that they left out. */
export interface ModelActivationSource extends ActivationSource {
  open(options: OpenOptions): Promise<OpenSource & { readonly droppedByNorm: number }>;
}

const DEFAULT_BUFFER = 2 ** 17;
/** The most numbers in a shuffle buffer of the default size: 256 MiB. */
const MOST_VALUES = 2 ** 26;

interface Position {
  readonly epoch: number;
  /** The sample at which the stretch begins. */
  readonly from: number;
  /** How many of its rows have been given. */
  readonly taken: number;
}

/** The rows of one stretch, and the order in which they are given. */
interface Stretch {
  readonly epoch: number;
  readonly from: number;
  /** The sample at which the next stretch begins; `undefined` at the end of the data. */
  readonly next: number | undefined;
  readonly rows: readonly Float32Array[];
  readonly targets: readonly Float32Array[];
  /** The places of the rows, counted over all parts, in the order in which they are given. */
  readonly order: Uint32Array;
}

/**
 * Samples that are held out are evenly spaced: sample i is one where the number of those before it falls behind the
 * share.
 */
const isHeldOut = (sample: number, share: number): boolean =>
  Math.floor((sample + 1) * share) > Math.floor(sample * share);

/**
 * A source of the activations that a host model computes at one tensor while an autoencoder learns. Nothing is written
 * to disk.
 * @param host the open model
 * @param options `tensor`, `data` (arrays by input name, or text), and how rows are mixed
 * @returns a source for `trainSae`'s setting `data`
 * @throws InvalidValueError for options out of range
 * @throws InvalidShapeError where inputs do not fit the model
 */
export function modelActivations(host: HostModel, options: ModelActivationsOptions): ModelActivationSource {
  const data = host.data(options.data, options);
  const description = {
    kind: 'model-activations',
    model: host.file ?? 'bytes',
    tensor: options.tensor,
    ...(options.target !== undefined && { target: options.target }),
    data: data.identity,
    ...(options.dropFirst !== undefined && { dropFirst: options.dropFirst }),
    ...(options.dropTokens && { dropTokens: [...options.dropTokens] }),
    ...(options.dropNormAbove !== undefined && { dropNormAbove: options.dropNormAbove }),
  };
  return {
    description,
    async open(openOptions) {
      const { seed, holdOut, restart, signal } = readOpenOptions(openOptions);
      const reader = await ActivationReader.open(host, options);
      const stream = new ModelActivations(reader, data, { ...options, seed, holdOut, restart: restart ?? 0, signal });
      try {
        await stream.begin();
        return stream;
      } catch (error) {
        await stream[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}

interface StreamOptions extends ModelActivationsOptions {
  readonly seed: number;
  readonly holdOut: number;
  readonly restart: number;
  readonly signal: AbortSignal | undefined;
}

class ModelActivations {
  width = 0;
  targetWidth?: number;
  readonly identity: unknown;
  readonly batches: BatchSource;
  readonly #reader: ActivationReader;
  readonly #data: HostData;
  readonly #options: StreamOptions;
  #position: Position = { epoch: 0, from: 0, taken: 0 };
  #stretch: Stretch | undefined;
  /** The batches after the current stretch: reading goes on where it stopped. */
  #ahead: { readonly from: number; readonly batches: AsyncIterator<ActivationBatch> } | undefined;
  #limit = Number.POSITIVE_INFINITY;
  #filling: Promise<void> = Promise.resolve();
  #isClosed = false;
  #dropped = 0;

  constructor(reader: ActivationReader, data: HostData, options: StreamOptions) {
    this.#reader = reader;
    this.#data = data;
    this.#options = options;
    const {
      tensor,
      target,
      dropFirst,
      dropTokens,
      dropNormAbove,
      shuffleBuffer,
      hostBatchSize,
      holdOut,
      seed,
      restart,
    } = options;
    this.identity = {
      data: data.identity,
      tensor,
      target,
      dropFirst,
      dropTokens: [...(dropTokens ?? [])],
      dropNormAbove,
      shuffleBuffer,
      hostBatchSize,
      holdOut,
      seed,
      restart,
    };
    this.batches = {
      fill: inputs => {
        const filling = this.#filling.then(() => this.#fill(inputs));
        this.#filling = filling.catch(() => {});
        return filling;
      },
      state: () => ({ ...this.#position }),
      restore: state => this.#restore(state),
    };
  }

  /** Computes the first stretch, from which the widths and the median norm follow. */
  async begin(): Promise<void> {
    const first = await this.#read(0, 0);
    if (this.#options.dropNormAbove !== undefined) {
      const norms = first.rows.flatMap(rows =>
        Array.from(float32Norms({ data: rows, shape: [rows.length / this.width, this.width] })),
      );
      this.#limit = this.#options.dropNormAbove * median(Float32Array.from(norms));
      this.#stretch = this.#ordered(first);
    } else this.#stretch = first;
    if (this.#stretch.order.length === 0) throw new InvalidValueError('there are no rows to train on');
  }

  /** How many rows have been left out because their norm was too large. */
  get droppedByNorm(): number {
    return this.#dropped;
  }

  /** Training rows from the first stretch: [n, d]. Does not move the stream. */
  async sample(rows: number): Promise<HostTensor> {
    requireRows('rows', rows);
    const first =
      this.#stretch?.epoch === 0 && this.#stretch.from === 0 ? this.#stretch : this.#ordered(await this.#read(0, 0));
    const count = Math.min(rows, first.order.length);
    const data = new Float32Array(count * this.width);
    this.#copy(first.rows, this.width, first.order.subarray(0, count), data, 0);
    return { data, shape: [count, this.width] };
  }

  /** Rows of the samples that training never sees, at most `rows`, `batchSize` at a time. */
  async *heldOut(rows: number, batchSize: number) {
    requireHeldOut(rows, batchSize);
    let left = rows;
    for await (const batch of this.#batches(0, true)) {
      const { width, targetWidth } = this;
      const kept = this.#within(batch).slice(0, left);
      left -= kept.length;
      for (let start = 0; start < kept.length; start += batchSize) {
        const part = kept.slice(start, start + batchSize);
        yield {
          input: picked(batch.rows, part, width),
          ...(targetWidth !== undefined && { target: picked(batch.target!, part, targetWidth) }),
        };
      }
      if (left <= 0) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#filling;
    await this.#ahead?.batches.return?.();
    this.#stretch = undefined;
    await this.#reader.dispose();
  }

  /** Batches of the training samples, or of those held out. */
  async *#batches(from: number, heldOut: boolean): AsyncGenerator<ActivationBatch> {
    const { hostBatchSize: batchSize = DEFAULT_BATCH_SIZE, holdOut, signal } = this.#options;
    for await (const batch of this.#data.batches({ batchSize, from })) {
      signal?.throwIfAborted();
      if (this.#isClosed) throw new DisposedError('these activations were disposed of');
      const wanted = Array.from(batch.samples, sample => isHeldOut(sample, holdOut) === heldOut);
      // A batch without a wanted sample is not run; its place in the data counts.
      if (!wanted.includes(true)) {
        if (heldOut || batch.resumeFrom === undefined) continue;
        yield { ...EMPTY, resumeFrom: batch.resumeFrom };
        continue;
      }
      const read = await this.#reader.read(batch);
      this.width ||= read.rows.shape[1]!;
      if (read.target) this.targetWidth ??= read.target.shape[1]!;
      const indices = Array.from(read.samples.keys()).filter(row => isHeldOut(read.samples[row]!, holdOut) === heldOut);
      yield {
        ...read,
        rows: picked(read.rows, indices, this.width),
        ...(read.target && { target: picked(read.target, indices, this.targetWidth!) }),
        samples: Int32Array.from(indices, row => read.samples[row]!),
      };
    }
  }

  /** The stretch that begins at `from`. */
  async #read(epoch: number, from: number): Promise<Stretch> {
    const ahead = this.#ahead?.from === from ? this.#ahead.batches : undefined;
    if (!ahead) await this.#ahead?.batches.return?.();
    const batches = ahead ?? this.#batches(from, false);
    const rows: Float32Array[] = [];
    const targets: Float32Array[] = [];
    let count = 0;
    let next: number | undefined;
    for (;;) {
      const { done, value } = await batches.next();
      if (done) break;
      const batch = value as ActivationBatch;
      if (batch.samples.length > 0) {
        rows.push(batch.rows.data);
        if (batch.target) targets.push(batch.target.data);
        count += batch.samples.length;
      }
      const most =
        this.#options.shuffleBuffer ??
        Math.min(DEFAULT_BUFFER, Math.floor(MOST_VALUES / (this.width + (this.targetWidth ?? 0) || 1)));
      if (batch.resumeFrom !== undefined && count >= most) {
        next = batch.resumeFrom;
        break;
      }
    }
    this.#ahead = next === undefined ? undefined : { from: next, batches };
    return this.#ordered({ epoch, from, next, rows, targets, order: new Uint32Array(0) });
  }

  /** The stretch with its rows in a random order, without those of too large a norm. */
  #ordered(stretch: Stretch): Stretch {
    const { width } = this;
    const { seed, restart } = this.#options;
    const places: number[] = [];
    let offset = 0;
    for (const rows of stretch.rows) {
      const norms = Number.isFinite(this.#limit)
        ? float32Norms({ data: rows, shape: [rows.length / width, width] })
        : undefined;
      for (let row = 0; row < rows.length / width; row++) {
        if (norms && norms[row]! > this.#limit) this.#dropped++;
        else places.push(offset + row);
      }
      offset += rows.length / width;
    }
    const order = Uint32Array.from(places);
    let random = createRandomSource(seed);
    for (const key of [restart, stretch.epoch, stretch.from]) {
      random = createRandomSource(Math.floor(random.uniform() * 2 ** 40) + key);
    }
    return { ...stretch, order: shuffle(order, random) };
  }

  /** Copies the rows at `places` (counted over all parts) to `into`, from row `at` on. */
  #copy(parts: readonly Float32Array[], width: number, places: Uint32Array, into: Float32Array, at: number): void {
    const starts: number[] = [];
    let offset = 0;
    for (const part of parts) {
      starts.push(offset);
      offset += part.length / width;
    }
    let to = at * width;
    for (const place of places) {
      let [low, high] = [0, starts.length - 1];
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (starts[middle]! <= place) low = middle;
        else high = middle - 1;
      }
      const row = (place - starts[low]!) * width;
      into.set(parts[low]!.subarray(row, row + width), to);
      to += width;
    }
  }

  /** Rows of a batch whose norm is within the limit. */
  #within({ rows }: ActivationBatch): number[] {
    if (!Number.isFinite(this.#limit)) return Array.from({ length: rows.shape[0]! }, (_, i) => i);
    const norms = float32Norms(rows);
    return Array.from(norms.keys()).filter(row => norms[row]! <= this.#limit);
  }

  async #fill(inputs: Readonly<Record<string, Float32Array>>): Promise<void> {
    const { width } = this;
    const { activations, target, rows } = requestedRows(inputs, this);
    for (let done = 0; done < rows; ) {
      if (this.#isClosed) throw new DisposedError('these activations were disposed of');
      const { epoch, from, taken } = this.#position;
      const isCurrent = this.#stretch?.epoch === epoch && this.#stretch.from === from;
      if (!isCurrent) {
        // The old stretch is freed first, so that two are never in memory at once.
        this.#stretch = undefined;
        this.#stretch = await this.#read(epoch, from);
      }
      const stretch = this.#stretch!;
      const count = Math.min(stretch.order.length - taken, rows - done);
      const places = stretch.order.subarray(taken, taken + count);
      this.#copy(stretch.rows, width, places, activations, done);
      if (target) this.#copy(stretch.targets, this.targetWidth!, places, target, done);
      done += count;
      const isUsedUp = taken + count >= stretch.order.length;
      this.#position = !isUsedUp
        ? { epoch, from, taken: taken + count }
        : stretch.next === undefined
          ? { epoch: epoch + 1, from: 0, taken: 0 }
          : { epoch, from: stretch.next, taken: 0 };
    }
  }

  #restore(state: unknown): void {
    const { epoch, from, taken } = (state ?? {}) as Partial<Position>;
    const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
    if (!isCount(epoch) || !isCount(from) || !isCount(taken))
      throw new FileFormatError("the checkpoint holds no place in a model's activations");
    this.#position = { epoch, from, taken };
  }
}

const EMPTY: ActivationBatch = {
  rows: { data: new Float32Array(0), shape: [0, 0] },
  samples: new Int32Array(0),
  positions: new Int32Array(0),
  sampleCount: 0,
};

function picked({ data }: HostTensor, indices: readonly number[], width: number): HostTensor {
  const rows = new Float32Array(indices.length * width);
  indices.forEach((from, to) => {
    rows.set(data.subarray(from * width, (from + 1) * width), to * width);
  });
  return { data: rows, shape: [indices.length, width] };
}
