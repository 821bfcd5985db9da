/** Looks through files of activations before a long run: rows that are not finite, and how long rows are. */
import { type ActivationFileOptions, surveyFiles } from './activation-files.ts';
import { isFiniteRow } from './finite-rows.ts';

/** How files are checked. */
export interface CheckOptions extends Pick<ActivationFileOptions, 'tensor'> {
  /** Aborting ends the check with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the rows that have been read. */
  readonly onProgress?: ((progress: { readonly rows: number; readonly of: number }) => void) | undefined;
}

/** What a check found. */
export interface ActivationCheck {
  readonly files: readonly string[];
  readonly rows: number;
  readonly width: number;
  /** Rows with a number that is not finite. */
  readonly badRows: number;
  /** The first 1,000 of these rows; row numbers count from 0 in each file. */
  readonly bad: readonly { readonly file: string; readonly row: number }[];
  /** Euclidean norms of the finite rows; undefined where there is none. */
  readonly norms: NormSummary | undefined;
}

/** Statistics of the rows' Euclidean norms. */
export interface NormSummary {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** The median, to within 1%. */
  readonly median: number;
  /** Rows longer than ten medians: attention sinks and their like, which dominate variance explained. */
  readonly outliers: number;
}

const RUN_ROWS = 1024;
const MOST_LISTED = 1000;

/**
 * Reads files of activations once, a part at a time, and reports rows that are not finite and the norms.
 * @param files a glob pattern, a path, or several of them
 * @throws FileFormatError where no file matches, one cannot be read, or widths differ
 */
export async function checkActivations(
  files: string | readonly string[],
  { tensor, signal, onProgress }: CheckOptions = {},
): Promise<ActivationCheck> {
  const { paths, width, stores, cache } = await surveyFiles(files, tensor, signal);
  try {
    const of = stores.reduce((sum, { rows }) => sum + rows, 0);
    const norms = new NormHistogram();
    const bad: { readonly file: string; readonly row: number }[] = [];
    let badRows = 0;
    let done = 0;
    const room = new Float32Array(Math.min(of, RUN_ROWS) * width);
    for (const [i, store] of stores.entries()) {
      for (let start = 0; start < store.rows; start += RUN_ROWS) {
        signal?.throwIfAborted();
        const count = Math.min(RUN_ROWS, store.rows - start);
        await store.read(start, count, room.subarray(0, count * width));
        for (let row = 0; row < count; row++) {
          if (isFiniteRow(room, row * width, width)) {
            norms.add(normOf(room, row * width, width));
            continue;
          }
          badRows++;
          if (bad.length < MOST_LISTED) bad.push({ file: paths[i]!, row: start + row });
        }
        done += count;
        onProgress?.({ rows: done, of });
      }
    }
    return { files: paths, rows: of, width, badRows, bad, norms: norms.summary() };
  } finally {
    await cache.close();
  }
}

function normOf(values: Float32Array, at: number, width: number): number {
  let sum = 0;
  for (let i = at; i < at + width; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
}

/** Counts norms on a log scale, so that memory does not depend on how many there are. */
class NormHistogram {
  /** Buckets of a factor 2^(1/64), 1.1%, from 2^−160 to 2^160; the first one also holds shorter rows. */
  readonly #counts = new Float64Array(64 * 320);
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  add(norm: number): void {
    this.#counts[this.#bucket(norm)]!++;
    this.#count++;
    this.#sum += norm;
    this.#min = Math.min(this.#min, norm);
    this.#max = Math.max(this.#max, norm);
  }

  summary(): NormSummary | undefined {
    if (this.#count === 0) return undefined;
    let below = 0;
    let bucket = 0;
    while (below + this.#counts[bucket]! < this.#count / 2) below += this.#counts[bucket++]!;
    // The middle of the bucket, on the log scale that the buckets are on.
    const middle = 2 ** ((bucket + 0.5) / 64 - 160);
    const median = Math.min(Math.max(bucket === 0 ? 0 : middle, this.#min), this.#max);
    let outliers = 0;
    if (median > 0)
      for (let i = this.#bucket(10 * median) + 1; i < this.#counts.length; i++) outliers += this.#counts[i]!;
    return { mean: this.#sum / this.#count, min: this.#min, max: this.#max, median, outliers };
  }

  #bucket(norm: number): number {
    const place = norm === 0 ? 0 : Math.floor((Math.log2(norm) + 160) * 64);
    return Math.min(Math.max(place, 0), this.#counts.length - 1);
  }
}
