/**
 * Activations written to disk while they are computed, in flat memory, so that a run that was ended goes on where it was.
 * Beside `NAME.npy` [rows, d] stand `NAME.positions.npy` [rows, 2] (sample, position), `NAME.tokens.npy` [rows] where the model reads
 * tokens, `NAME.target.npy` [rows, d_out] for transcoders, and `NAME.json`, which says where they come from. Node only.
 */

import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { median } from '../data/median.ts';
import { FileWriteError, InvalidValueError } from '../errors.ts';
import type { ElementType } from '../files/element-type.ts';
import { npyHeader } from '../files/npy.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { type ActivationBatch, activationBatches, float32Norms, type RowOptions } from './activation-rows.ts';
import { toHalfFloats } from './half-float.ts';
import type { HostModel } from './host-model.ts';
import type { HostData } from './input-batches.ts';

/** Which rows are written, where, and as which type of number. */
export interface WriteActivationsOptions extends RowOptions {
  /** A path that ends in .npy. */
  readonly output: string;
  /** Numbers on disk. Default float32. */
  readonly dtype?: 'float32' | 'float16' | undefined;
  /** Rows whose norm is above this many times the median are left out, and counted. */
  readonly dropNormAbove?: number | undefined;
  /** Goes on with what an ended run of the same settings left. Where there is nothing it begins anew. Default false. */
  readonly resume?: boolean | undefined;
  readonly onProgress?: ((progress: WriteProgress) => void) | undefined;
}

export interface WriteProgress {
  readonly samples: number;
  readonly rows: number;
  /** Where the run began: samples that an earlier run had done. */
  readonly resumedAt: number;
}

/** What was written; `NAME.json` holds it. */
export interface ActivationsRecord {
  readonly model: string | undefined;
  readonly tensor: string;
  readonly target: string | undefined;
  readonly data: string;
  readonly files: Readonly<Record<string, string>>;
  readonly rows: number;
  readonly width: number;
  readonly dtype: 'float32' | 'float16';
  readonly samples: number;
  readonly drop_first: number;
  readonly drop_tokens: readonly number[];
  readonly drop_norm_above: number | null;
  readonly dropped_by_norm: number;
  /** float16 numbers that were too large and became infinite. */
  readonly overflowed: number;
}

/** Every .npy header of two dimensions at most takes this many bytes, so that it is written when the rows have been counted. */
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
  readonly settings: string;
  readonly from: number;
  readonly rows: number;
  readonly widths: readonly (number | undefined)[];
  readonly overflowed: number;
}

const BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, int32: 4 };

/**
 * Writes a host's activations to a .npy file, [n, d], with the position of each row beside it; what `monosemantic activations` does.
 *
 * @param host - The open model.
 * @param data - What it is run over.
 * @param options - `output`, `tensor`, which positions count, `resume`.
 * @returns What was written, and how many rows were left out.
 * @throws InvalidValueError where `output` does not end in .npy, or an unfinished run had other settings.
 * @throws FileWriteError where a file cannot be written.
 */
export async function writeActivations(
  host: HostModel,
  data: HostData,
  options: WriteActivationsOptions,
): Promise<ActivationsRecord> {
  const {
    output,
    tensor,
    target,
    dtype = 'float32',
    dropFirst = 0,
    dropTokens,
    dropNormAbove,
    resume = false,
  } = options;
  if (!output.endsWith('.npy')) throw new InvalidValueError(`output ${output}: expected a name that ends in .npy`);
  const base = output.slice(0, -'.npy'.length);
  const progressFile = join(dirname(output), `.${basename(base)}.progress.json`);
  const settings = JSON.stringify([
    host.file,
    data.identity,
    tensor,
    target ?? null,
    dtype,
    dropFirst,
    [...(dropTokens ?? [])],
    dropNormAbove ?? null,
    options.channelsAxis ?? null,
    options.batchSize ?? null,
  ]);
  const state = resume ? await readState(progressFile, settings) : undefined;
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
        resumable = { settings, from: batch.resumeFrom, rows, widths: writer.widths, overflowed };
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
    const record: ActivationsRecord = {
      model: host.file,
      tensor,
      target,
      data: data.identity,
      files: writer.files,
      rows: kept,
      width: writer.widths[0]!,
      dtype,
      samples,
      drop_first: dropFirst,
      drop_tokens: [...(dropTokens ?? [])],
      drop_norm_above: dropNormAbove ?? null,
      dropped_by_norm: dropped,
      overflowed,
    };
    await writeFileAtomic(`${base}.json`, `${JSON.stringify(record, null, 2)}\n`);
    await writer.publish();
    await rm(progressFile, { force: true });
    return record;
  } catch (error) {
    await writer?.close();
    // Ended by the caller: what is there can be gone on with. Whatever else went wrong leaves only what an earlier record holds.
    if (options.signal?.aborted && resumable) await writeState(progressFile, resumable);
    const left = await readState(progressFile, settings).catch(() => undefined);
    if (!left) await writer?.discard();
    throw error;
  }
}

async function readState(file: string, settings: string): Promise<State | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  let state: State;
  try {
    state = JSON.parse(text) as State;
  } catch {
    return undefined;
  }
  if (state.settings !== settings) {
    throw new InvalidValueError(`the unfinished run of ${file} had other settings: it cannot be resumed with these`);
  }
  return state;
}

const writeState = (file: string, state: State): Promise<void> => writeFileAtomic(file, JSON.stringify(state));

interface WriterOptions {
  readonly dtype: 'float32' | 'float16';
  readonly hasNorms: boolean;
  /** Rows that are already there. */
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

  /** @param widths Of rows and targets; whether there are tokens. */
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
      // Rows behind the last record are computed again.
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

  /** Writes a batch behind what is there. Gives how many numbers became infinite. */
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

  /** Moves the rows that stay to the front, in place. */
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
