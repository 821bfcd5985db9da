/** Where activations come from: what trainers ask of files, arrays, iterables, generators and models alike. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import type { BatchSource } from './batch-source.ts';

/** Where activations come from. Opening one reads nothing that another opening could miss: a source can be opened several times. */
export interface ActivationSource {
  /** What the data are, as JSON for the record of a run: kind, sizes, file patterns. */
  readonly description: Readonly<Record<string, unknown>>;
  /**
   * Begins a stream of batches.
   * @throws InvalidValueError for options out of range
   */
  open(options: OpenOptions): Promise<OpenSource>;
}

/** What a trainer asks of a source. */
export interface OpenOptions {
  /** Any safe integer. */
  readonly seed: number;
  /** Rows of one training step. The trainer owns it; generated streams draw whole batches of it. */
  readonly batchSize: number;
  /**
   * The share, in [0, 1), of all rows that is kept from training where the rows are given (files, arrays, iterables); generated sources have
   * a stream of their own for them. Default .05.
   */
  readonly holdOut?: number | undefined;
  /** The number of a restart of this seed, from 0, each of which draws batches of its own. Default none: the seed's own batches. */
  readonly restart?: number | undefined;
  /** Aborting ends the opening with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Rows that belong together: [n, d_in], and [n, d_out] where an autoencoder is to give another tensor than its input. */
export interface HeldOutRows {
  readonly input: HostTensor;
  readonly target?: HostTensor;
}

/** A stream of activations, its position, and the rows that it keeps from training. Dispose of it to close files and iterators. */
export interface OpenSource extends AsyncDisposable {
  /** d_in. */
  readonly width: number;
  /** d_out, where batches are pairs: the width of the input `target`. */
  readonly targetWidth?: number;
  /** What the rows are, as JSON for checkpoints: two open sources with equal identities give the same rows in the same order. */
  readonly identity: unknown;
  /** Training rows of an epoch, where that is known. */
  readonly rows?: number;
  /** Rows kept from training, where that is known. */
  readonly heldOutRows?: number;
  /** The norm above which rows are not trained on, where there is one; rows that are held out may be longer. */
  readonly normLimit?: number;
  /** Rows left out of training so far because of their norm. */
  readonly droppedByNorm?: number;
  /**
   * Rows seen before training. Does not move the stream.
   * @param rows how many
   * @returns [n, d_in]; fewer rows than asked for where there are fewer
   */
  sample(rows: number): Promise<HostTensor>;
  /** Training batches. They fill the input `activations`, and `target` for pairs. */
  readonly batches: BatchSource;
  /**
   * Rows that training never sees, in a fixed order.
   * @param rows how many, at most; from generated sources exactly as many
   * @param batchSize rows given at a time, at most
   */
  heldOut(rows: number, batchSize: number): AsyncIterable<HeldOutRows>;
}

/**
 * The options with their defaults.
 * @throws InvalidValueError for those out of range
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

/** InvalidValueError where `count` is not a positive integer. */
export function requireRows(name: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidValueError(`${name} is ${count}: it must be positive, and an integer`);
  }
}

/** What a call of `fill` asks for: whole rows, and as many targets. */
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
