/** Makes a source of activations from any form in which they may come. */
import { InvalidShapeError, InvalidTypeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import {
  type ActivationItem,
  type ActivationIterable,
  iterableSource,
  joinRows,
  type RowPair,
  type Rows,
} from './activation-iterable.ts';
import type { ActivationSource } from './activation-source.ts';
import { givenRows } from './given-rows.ts';

/** Input rows in memory, and the target row that belongs to each: what an autoencoder is to give for it. */
export interface GivenPairs {
  /** [n, d_in] */
  readonly input: Rows | readonly Rows[];
  /** [n, d_out] */
  readonly target: Rows | readonly Rows[];
}

/**
 * What trainers take as data: a source; rows in memory, as an array of rows, a tensor { data, shape: [n, d_in] } or a pair of such tensors
 * { input, target }; an iterable of rows, of tensors [n, d_in] or of pairs; or a function that makes such an iterable.
 */
export type ActivationData =
  | ActivationSource
  | HostTensor<ArrayLike<number>>
  | GivenPairs
  | ActivationIterable
  | (() => ActivationIterable);

/**
 * A source of activations from any of the forms of ActivationData.
 *
 * Rows in memory are shuffled in every epoch by the seed of the run. An iterable is taken in its order; a function can
 * begin again when the rows end and where a run is resumed.
 * @throws InvalidTypeError for a value that is none of ActivationData
 * @throws InvalidShapeError for rows of unequal width
 * @throws InvalidValueError for a number in memory that is not finite
 */
export function activationSource(data: ActivationData): ActivationSource {
  if (typeof data === 'function') return iterableSource(data);
  if (typeof data === 'object' && data !== null) {
    if ('open' in data && typeof data.open === 'function') return data;
    if (Array.isArray(data)) return sourceOfArray(data);
    if ('data' in data && 'shape' in data) return givenRows(data);
    if ('input' in data && 'target' in data) return givenRows(tensorOf(data.input), tensorOf(data.target));
    const isIterable = Symbol.asyncIterator in data || Symbol.iterator in data;
    if (isIterable && !ArrayBuffer.isView(data)) return iterableSource(data);
  }
  throw new InvalidTypeError(
    'expected activations as a source, an array of rows, a tensor { data, shape: [n, d_in] }, an iterable of rows, or a function that ' +
      `makes one, got ${ArrayBuffer.isView(data) ? 'numbers without a shape' : typeof data}`,
  );
}

/** An array of rows, of tensors or of pairs, all of which are in memory. */
function sourceOfArray(items: readonly ActivationItem[]): ActivationSource {
  if (items.length === 0) throw new InvalidShapeError('expected rows of activations, got an empty array');
  const isPair = (item: ActivationItem): item is RowPair =>
    typeof item === 'object' && item !== null && 'input' in item;
  if (!items.some(isPair)) return givenRows(joinRows(items as readonly Rows[]));
  if (!items.every(isPair)) throw new InvalidTypeError('some rows have a target and others have none');
  return givenRows(joinRows(items.map(({ input }) => input)), joinRows(items.map(({ target }) => target)));
}

/** Rows as a tensor: one row as [1, width], an array of rows joined. */
function tensorOf(rows: Rows | readonly Rows[]): HostTensor<ArrayLike<number>> {
  if ('shape' in rows) return rows;
  return joinRows(
    rows instanceof Float32Array || typeof rows[0] === 'number' ? [rows as Rows] : (rows as readonly Rows[]),
  );
}
