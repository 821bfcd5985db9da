/** What trainers ask of their data, the same for files, arrays, iterables, generators and models. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import type { BatchSource } from './batch-source.ts';

/** Where activations come from. A source can be opened several times: opening one takes nothing away from another. */
export interface ActivationSource {
  /** A description of the data as JSON, for the record of a run: kind, sizes, file patterns. */
  readonly description: Readonly<Record<string, unknown>>;
  /**
   * Begins a stream of batches.
   * @throws InvalidValueError for options out of range
   */
  open(options: OpenOptions): Promise<OpenSource>;
}

/** What a trainer asks of a source. */
export interface OpenOptions {
  /** The seed of the order or the draws: any safe integer. */
  readonly seed: number;
  /** Rows of one training step, at least 1. Generated sources draw whole batches of it. */
  readonly batchSize: number;
  /**
   * The share of all rows, in [0, 1), that is kept from training where rows are given (files, arrays, iterables).
   * Generated sources draw held-out rows from a stream of their own. Default .05.
   */
  readonly holdOut?: number | undefined;
  /**
   * The number of a restart of this seed, from 0; each restart draws batches of its own. Default: no restart, the
   * seed's own batches.
   */
  readonly restart?: number | undefined;
  /** Aborting ends the opening with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Input rows [n, d_in], and the target rows [n, d_out] that belong to them where an autoencoder is to give another
 * tensor than its input.
 */
export interface HeldOutRows {
  readonly input: HostTensor;
  readonly target?: HostTensor;
}

/** A stream of activations, its position, and the rows that it keeps from training. Dispose of it to close files and iterators. */
export interface OpenSource extends AsyncDisposable {
  /** d_in, the width of an input row. */
  readonly width: number;
  /** d_out, the width of a row of the input `target`, where batches are pairs. */
  readonly targetWidth?: number;
  /** What the rows are, as JSON for checkpoints: two open sources with equal identities give the same rows in the same order. */
  readonly identity: unknown;
  /** How many training rows an epoch has, where that is known. */
  readonly rows?: number;
  /** How many rows are kept from training, where that is known. */
  readonly heldOutRows?: number;
  /** The norm above which a row is not trained on, where there is such a limit. Held-out rows may be longer. */
  readonly normLimit?: number;
  /** How many training rows have been left out because of their norm. */
  readonly droppedByNorm?: number;
  /**
   * Rows to look at before training, which does not move the stream.
   * @param rows how many rows
   * @returns [n, d_in]; n is smaller than `rows` where the source has fewer
   */
  sample(rows: number): Promise<HostTensor>;
  /** Training batches. They fill the input `activations`, and `target` for pairs. */
  readonly batches: BatchSource;
  /**
   * Rows that training never sees, in a fixed order.
   * @param rows the largest number of rows; generated sources give exactly this many
   * @param batchSize the largest number of rows in one item
   */
  heldOut(rows: number, batchSize: number): AsyncIterable<HeldOutRows>;
}

/**
 * Fills in the defaults.
 * @throws InvalidValueError for an option out of range
 * @throws the signal's reason where it is aborted
 */
export function readOpenOptions({ seed, batchSize, holdOut = 0.05, restart, signal }: OpenOptions) {
  if (!Number.isSafeInteger(seed)) throw new InvalidValueError(`seed is ${seed}: it must be a safe integer`);
  requireRows('batchSize', batchSize);
  if (!(holdOut >= 0 && holdOut < 1)) throw new InvalidValueError(`holdOut must lie in [0, 1), got ${holdOut}`);
  if (restart !== undefined && !(Number.isSafeInteger(restart) && restart >= 0)) {
    throw new InvalidValueError(`restart is ${restart}: it must be a number from 0`);
  }
  signal?.throwIfAborted();
  return { seed, batchSize, holdOut, restart, signal };
}

/**
 * Requires a positive integer.
 * @param name the option, for the message
 * @throws InvalidValueError where `count` is none
 */
export function requireRows(name: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidValueError(`${name} is ${count}: it must be positive, and an integer`);
  }
}

/**
 * Checks what held-out rows are asked for.
 * @param rows how many at most: 0 too, and Infinity for all
 * @throws InvalidValueError where a number is no count
 */
export function requireHeldOut(rows: number, batchSize: number): void {
  requireRows('batchSize', batchSize);
  if (rows !== 0 && rows !== Number.POSITIVE_INFINITY) requireRows('rows', rows);
}

/**
 * How many rows a call of `fill` asks for.
 * @throws InvalidShapeError where the arrays do not hold whole rows, or not as many targets as inputs
 */
export function requestedRows(
  { activations, target }: Readonly<Record<string, Float32Array | undefined>>,
  { width, targetWidth }: { readonly width: number; readonly targetWidth?: number | undefined },
): { readonly activations: Float32Array; readonly target: Float32Array | undefined; readonly rows: number } {
  if (!activations || activations.length % width !== 0) {
    throw new InvalidShapeError(
      `"activations" must take whole rows of ${width} numbers, got ${activations?.length ?? 'no array'}`,
    );
  }
  const rows = activations.length / width;
  if (target && (targetWidth === undefined || target.length !== rows * targetWidth)) {
    throw new InvalidShapeError(
      `"target" must take ${rows} rows of ${targetWidth ?? 'no'} numbers, got ${target.length}`,
    );
  }
  return { activations, target, rows };
}
