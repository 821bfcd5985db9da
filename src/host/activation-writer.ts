/**
 * Writes activations to disk while they are computed. Memory does not grow with the data, and a run that was ended can
 * be resumed.
 *
 * Beside `NAME.npy` [rows, d] lie `NAME.positions.npy` [rows, 2] (sample, position), `NAME.tokens.npy` [rows] where the
 * model reads tokens, `NAME.target.npy` [rows, d_out] for transcoders, and `NAME.json`, which records their origin.
 * Node only.
 */

import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { median } from '../data/median.ts';
import { FileWriteError, FolderInUseError, InvalidValueError } from '../errors.ts';
import type { ElementType } from '../files/element-type.ts';
import { lockFolder } from '../files/folder-lock.ts';
import { isRecord } from '../files/json-text.ts';
import { npyHeader } from '../files/npy.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import {
  type ActivationBatch,
  activationBatches,
  DEFAULT_BATCH_SIZE,
  float32Norms,
  type RowOptions,
} from './activation-rows.ts';
import { toHalfFloats } from './half-float.ts';
import type { HostModel } from './host-model.ts';
import type { HostData } from './input-batches.ts';

/** Which rows are written, where, and as which type of number. */
export interface WriteActivationsOptions extends RowOptions {
  /** The path of the activations, which ends in `.npy`. */
  readonly output: string;
  /** The type of the numbers on disk. Default `float32`. */
  readonly dtype?: 'float32' | 'float16' | undefined;
  /** Rows whose norm is above this many times the median are left out, and counted. Default: no limit. */
  readonly dropNormAbove?: number | undefined;
  /**
   * Whether to resume an ended run of the same settings. A run that had finished needs nothing more; where there is
   * none, the run begins. Default false.
   */
  readonly resume?: boolean | undefined;
  /** Whether to replace the rows of an earlier run. Default false. */
  readonly overwrite?: boolean | undefined;
  readonly onProgress?: ((progress: WriteProgress) => void) | undefined;
}

/** How far a run is. */
export interface WriteProgress {
  readonly samples: number;
  readonly rows: number;
  /** How many samples an earlier run had done when this one began. */
  readonly resumedAt: number;
}

/** A record of what was written, which `NAME.json` holds. */
export interface ActivationsRecord {
  readonly model: string | null;
  readonly tensor: string;
  /** The target tensor of a transcoder; null for none. */
  readonly target: string | null;
  readonly data: string;
  readonly files: Readonly<Record<string, string>>;
  readonly rows: number;
  readonly width: number;
  readonly dtype: 'float32' | 'float16';
  readonly samples: number;
  readonly drop_first: number;
  readonly drop_tokens: readonly number[];
  readonly drop_norm_above: number | null;
  readonly channels_axis: number | null;
  readonly batch_size: number;
  readonly dropped_by_norm: number;
  /** How many numbers were too large for float16 and became infinite. */
  readonly overflowed: number;
}

/**
 * The bytes of every .npy header of at most two dimensions, so that it can be written when the rows have been counted.
 */
const HEADER_BYTES = 128;

/** Rows copied at once where some are left out. */
const ROWS_AT_ONCE = 4096;

/** Milliseconds between two records of how far a run is. */
const RECORD_EVERY = 5000;

/** One of the files, a fixed number of bytes for each row. */
interface Stream {
  readonly name: string;
  readonly path: string;
  readonly partial: string;
  readonly type: ElementType;
  readonly width: number | undefined;
  readonly rowBytes: number;
}

interface State {
  readonly settings: Settings;
  readonly from: number;
  readonly rows: number;
  readonly widths: readonly (number | undefined)[];
  readonly overflowed: number;
}

const BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, int32: 4 };

/**
 * Writes a host's activations to a .npy file, [n, d], with the position of each row in a file beside it, as
 * `monosemantic activations` does. Only one run at a time writes an output.
 * @param host the open model
 * @param data what the model is run over
 * @param options `output`, `tensor`, which positions count, `resume`, `overwrite`
 * @returns what was written, and how many rows were left out
 * @throws InvalidValueError where `output` does not end in .npy, or the run to be resumed had other settings
 * @throws FolderInUseError where another run is writing there, or an earlier one has written there and is neither to be
 *   resumed nor replaced
 * @throws FileWriteError where the files cannot be written
 */
export async function writeActivations(
  host: HostModel,
  data: HostData,
  options: WriteActivationsOptions,
): Promise<ActivationsRecord> {
  const { output, overwrite = false, resume = false, signal } = options;
  if (!output.endsWith('.npy')) throw new InvalidValueError(`output ${output}: expected a name that ends in .npy`);
  const base = output.slice(0, -'.npy'.length);
  await mkdir(dirname(output), { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(output, cause);
  });
  await using _ = await lockFolder(dirname(output), basename(base), { signal });
  const settings = settingsOf(host, data, options);
  const { finished, unfinished } = await earlierRun(output);
  if (resume) {
    if (unfinished) checkSettings(settings, unfinished.settings ?? {}, output);
    else if (finished) {
      checkSettings(settings, finished, output);
      return finished;
    }
  } else if (!overwrite) {
    if (unfinished) {
      const rows = `the ${unfinished.rows} rows of an ended run`;
      throw new FolderInUseError(output, `holds ${rows}: resume goes on with them, overwrite begins anew`);
    }
    if (existsSync(output) || existsSync(recordFileOf(base))) {
      throw new FolderInUseError(output, 'is there already: overwrite replaces it and what is beside it');
    }
  }
  if (!resume) for (const file of [progressFileOf(base), recordFileOf(base)]) await rm(file, { force: true });
  // The call is awaited here because the lock must be held until the rows are written.
  return await writeRows(host, data, options, settings, resume ? unfinished : undefined);
}

/** Settings of a run. Runs that differ in one of them do not give the same files. */
type Settings = Pick<
  ActivationsRecord,
  | 'model'
  | 'tensor'
  | 'target'
  | 'data'
  | 'dtype'
  | 'drop_first'
  | 'drop_tokens'
  | 'drop_norm_above'
  | 'channels_axis'
  | 'batch_size'
>;

function settingsOf(host: HostModel, data: HostData, options: WriteActivationsOptions): Settings {
  return {
    model: host.file ?? null,
    tensor: options.tensor,
    target: options.target ?? null,
    data: data.identity,
    dtype: options.dtype ?? 'float32',
    drop_first: options.dropFirst ?? 0,
    drop_tokens: [...(options.dropTokens ?? [])],
    drop_norm_above: options.dropNormAbove ?? null,
    channels_axis: options.channelsAxis ?? null,
    batch_size: options.batchSize ?? DEFAULT_BATCH_SIZE,
  };
}

/**
 * Compares settings with those of an earlier run.
 * @throws InvalidValueError naming a setting in which the runs differ
 */
function checkSettings(settings: Settings, earlier: Partial<Settings>, output: string): void {
  for (const [name, value] of Object.entries(settings)) {
    const [now, then] = [value, earlier[name as keyof Settings]].map(setting => JSON.stringify(setting ?? null));
    if (now !== then) {
      throw new InvalidValueError(`${output} cannot be resumed: ${name} was ${then} in the earlier run, it is ${now}`);
    }
  }
}

/** The state in which earlier runs left an output. */
export interface EarlierActivations {
  readonly finished: ActivationsRecord | undefined;
  /** The state from which an ended run can go on. */
  readonly unfinished: State | undefined;
}

/** Looks for files that earlier runs left of `output`, NAME.npy. */
export async function earlierRun(output: string): Promise<EarlierActivations> {
  const base = output.slice(0, -'.npy'.length);
  return {
    finished: existsSync(output) ? await readJson<ActivationsRecord>(recordFileOf(base)) : undefined,
    unfinished: await readJson<State>(progressFileOf(base)),
  };
}

const recordFileOf = (base: string): string => `${base}.json`;
const progressFileOf = (base: string): string => join(dirname(base), `.${basename(base)}.progress.json`);

async function writeRows(
  host: HostModel,
  data: HostData,
  options: WriteActivationsOptions,
  settings: Settings,
  state: State | undefined,
): Promise<ActivationsRecord> {
  const { output, dropNormAbove } = options;
  const { dtype } = settings;
  const base = output.slice(0, -'.npy'.length);
  const progressFile = progressFileOf(base);
  let { from, rows, overflowed } = state ?? { from: 0, rows: 0, overflowed: 0 };
  const resumedAt = from;
  let samples = from;
  let writer: RowWriter | undefined;
  let recorded = Date.now();
  let resumable: State | undefined;
  const failed = (cause: unknown): never => {
    throw new FileWriteError(output, cause);
  };
  try {
    for await (const batch of activationBatches(host, data, { ...options, from })) {
      writer ??= await RowWriter.open(base, batch, { dtype, hasNorms: dropNormAbove !== undefined, rows }).catch(
        failed,
      );
      overflowed += await writer.append(batch).catch(failed);
      rows += batch.samples.length;
      samples += batch.sampleCount;
      if (batch.resumeFrom !== undefined) {
        resumable = {
          settings,
          from: batch.resumeFrom,
          rows,
          widths: writer.widths,
          overflowed,
        };
        if (Date.now() - recorded > RECORD_EVERY) {
          await writer.sync();
          await writeState(progressFile, resumable);
          recorded = Date.now();
        }
      }
      options.onProgress?.({ samples, rows, resumedAt });
    }
    if (!writer) {
      if (!state)
        throw new InvalidValueError(`${data.identity}: there is nothing to run ${host.file ?? 'the model'} over`);
      writer = await RowWriter.reopen(base, state.widths, { dtype, hasNorms: dropNormAbove !== undefined, rows });
    }
    const { kept, dropped } = await writer.finish(dropNormAbove);
    if (kept === 0) {
      throw new InvalidValueError(
        rows > 0
          ? `no row is left: the norms of all ${rows} are above ${dropNormAbove} times the median`
          : 'no position counts: every one is padded or left out',
      );
    }
    const record: ActivationsRecord = {
      ...settings,
      files: writer.files,
      rows: kept,
      width: writer.widths[0]!,
      samples,
      dropped_by_norm: dropped,
      overflowed,
    };
    await writer.publish();
    await writeFileAtomic(recordFileOf(base), `${JSON.stringify(record, null, 2)}\n`);
    await rm(progressFile, { force: true });
    return record;
  } catch (error) {
    await writer?.close();
    // A run that the caller ended can be resumed from here. After any other failure, only an earlier record can be
    // resumed from.
    if (options.signal?.aborted && resumable) await writeState(progressFile, resumable);
    const left = await readJson<State>(progressFile);
    if (!left) await writer?.discard();
    throw error;
  }
}

/** The object in a JSON file; `undefined` where there is no such file, or no object in it. */
async function readJson<Value>(file: string): Promise<Value | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isRecord(value) ? (value as Value) : undefined;
  } catch {
    return undefined;
  }
}

const writeState = (file: string, state: State): Promise<void> => writeFileAtomic(file, JSON.stringify(state));

interface WriterOptions {
  readonly dtype: 'float32' | 'float16';
  readonly hasNorms: boolean;
  /** How many rows are already written. */
  readonly rows: number;
}

class RowWriter {
  readonly #streams: readonly Stream[];
  readonly #handles: FileHandle[];
  #rows: number;

  private constructor(streams: readonly Stream[], handles: FileHandle[], rows: number) {
    this.#streams = streams;
    this.#handles = handles;
    this.#rows = rows;
  }

  static async open(base: string, batch: ActivationBatch, options: WriterOptions): Promise<RowWriter> {
    const widths = [batch.rows.shape[1]!, batch.target?.shape[1], batch.tokens ? 1 : undefined];
    return RowWriter.reopen(base, widths, options);
  }

  /**
   * Opens the files of an ended run to append to them.
   * @param widths the widths of rows and targets, and whether there are tokens
   */
  static async reopen(
    base: string,
    widths: readonly (number | null | undefined)[],
    { dtype, hasNorms, rows }: WriterOptions,
  ) {
    const stream = (name: string, type: ElementType, width: number | undefined): Stream => ({
      name,
      path: name === 'activations' ? `${base}.npy` : `${base}.${name}.npy`,
      partial: join(dirname(base), `.${basename(base)}.${name}.partial`),
      type,
      width,
      rowBytes: (width ?? 1) * BYTES[type]!,
    });
    const [width, targetWidth, hasTokens] = widths;
    const streams = [
      stream('activations', dtype, width!),
      ...(targetWidth ? [stream('target', dtype, targetWidth)] : []),
      ...(hasTokens ? [stream('tokens', 'int32', undefined)] : []),
      stream('positions', 'int32', 2),
      ...(hasNorms ? [stream('norms', 'float32', undefined)] : []),
    ];
    const handles: FileHandle[] = [];
    for (const { partial, rowBytes } of streams) {
      const handle = await open(partial, rows > 0 ? 'r+' : 'w+');
      handles.push(handle);
      // Rows after the last record are computed again.
      await handle.truncate(HEADER_BYTES + rows * rowBytes);
    }
    return new RowWriter(streams, handles, rows);
  }

  get widths(): (number | undefined)[] {
    const of = (name: string) => this.#streams.find(stream => stream.name === name);
    return [of('activations')!.width, of('target')?.width, of('tokens') ? 1 : undefined];
  }

  get files(): Record<string, string> {
    const visible = this.#streams.filter(({ name }) => name !== 'norms');
    return Object.fromEntries(visible.map(({ name, path }) => [name, basename(path)]));
  }

  /**
   * Appends a batch.
   * @returns how many numbers became infinite
   */
  async append(batch: ActivationBatch): Promise<number> {
    const count = batch.samples.length;
    if (count === 0) return 0;
    let overflowed = 0;
    const floats = (values: Float32Array, type: ElementType): ArrayBufferView => {
      if (type !== 'float16') return values;
      const halves = toHalfFloats(values);
      for (const half of halves) if ((half & 0x7fff) === 0x7c00) overflowed++;
      return halves;
    };
    const positions = new Int32Array(2 * count);
    for (let row = 0; row < count; row++) {
      positions[2 * row] = batch.samples[row]!;
      positions[2 * row + 1] = batch.positions[row]!;
    }
    for (const [i, { name, type, rowBytes }] of this.#streams.entries()) {
      const values =
        name === 'activations'
          ? floats(batch.rows.data, type)
          : name === 'target'
            ? floats(batch.target!.data, type)
            : name === 'tokens'
              ? batch.tokens!
              : name === 'norms'
                ? float32Norms(batch.rows)
                : positions;
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      await writeAt(this.#handles[i]!, bytes, HEADER_BYTES + this.#rows * rowBytes);
    }
    this.#rows += count;
    return overflowed;
  }

  async sync(): Promise<void> {
    for (const handle of this.#handles) await handle.datasync();
  }

  /** Leaves out rows of too large a norm and writes the headers. */
  async finish(dropNormAbove: number | undefined): Promise<{ readonly kept: number; readonly dropped: number }> {
    const rows = this.#rows;
    if (dropNormAbove !== undefined) this.#rows = await this.#compact(dropNormAbove);
    for (const [i, { type, width }] of this.#streams.entries()) {
      const header = npyHeader(width === undefined ? [this.#rows] : [this.#rows, width], type);
      if (header.length !== HEADER_BYTES)
        throw new InvalidValueError(`a .npy header of ${header.length} bytes; expected ${HEADER_BYTES}`);
      await writeAt(this.#handles[i]!, header, 0);
      await this.#handles[i]!.datasync();
    }
    await this.close();
    return { kept: this.#rows, dropped: rows - this.#rows };
  }

  /** Moves the rows that are kept to the front, in place. */
  async #compact(dropNormAbove: number): Promise<number> {
    const at = this.#streams.findIndex(({ name }) => name === 'norms');
    const norms = new Float32Array(this.#rows);
    await readAt(this.#handles[at]!, new Uint8Array(norms.buffer), HEADER_BYTES);
    const limit = dropNormAbove * median(norms);
    let kept = 0;
    for (const [i, { rowBytes }] of this.#streams.entries()) {
      const handle = this.#handles[i]!;
      kept = 0;
      for (let start = 0; start < norms.length; start += ROWS_AT_ONCE) {
        const count = Math.min(ROWS_AT_ONCE, norms.length - start);
        const bytes = new Uint8Array(count * rowBytes);
        await readAt(handle, bytes, HEADER_BYTES + start * rowBytes);
        let end = 0;
        for (let row = 0; row < count; row++) {
          if (!(norms[start + row]! <= limit)) continue;
          bytes.copyWithin(end, row * rowBytes, (row + 1) * rowBytes);
          end += rowBytes;
        }
        await writeAt(handle, bytes.subarray(0, end), HEADER_BYTES + kept * rowBytes);
        kept += end / rowBytes;
      }
      await handle.truncate(HEADER_BYTES + kept * rowBytes);
    }
    return kept;
  }

  /** Gives the files their names, the activations last. */
  async publish(): Promise<void> {
    for (const { name, partial, path } of [...this.#streams].reverse()) {
      if (name === 'norms') await rm(partial, { force: true });
      else {
        await rename(partial, path).catch(cause => {
          throw new FileWriteError(path, cause);
        });
      }
    }
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.splice(0)) await handle.close();
  }

  async discard(): Promise<void> {
    for (const { partial } of this.#streams) await rm(partial, { force: true });
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  // Node refuses writes of 2 GiB.
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(2 ** 30, bytes.length - done), position + done);
    done += bytesWritten;
  }
}

async function readAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(2 ** 30, bytes.length - done), position + done);
    if (bytesRead === 0) throw new InvalidValueError('a file of the run became shorter while it was read');
    done += bytesRead;
  }
}
