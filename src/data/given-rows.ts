/** Rows in memory as a source: shuffled anew in every epoch. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { type HostTensor, sizeOf } from '../tensor.ts';
import { type ActivationSource, type OpenOptions, type OpenSource, readOpenOptions } from './activation-source.ts';
import { contentHash } from './content-hash.ts';
import { badNumber, firstBadRow } from './finite-rows.ts';
import type { RowStore } from './row-runs.ts';
import { ShuffledRows } from './shuffled-rows.ts';
import { randomStream } from './streams.ts';

/** About how many runs of rows there are, from which a sample takes some rows each. */
const SAMPLE_RUNS = 16_384;

/**
 * A source of rows in memory. The arrays are not copied, and must not change while the source is used.
 * @param input [n, d_in], or [..., d_in]
 * @param target the target rows [n, d_out] that belong to them, where an autoencoder is to give another tensor than its
 *   input
 * @throws InvalidShapeError where the shapes do not fit
 * @throws InvalidValueError for a number that is not finite
 */
export function givenRows(
  input: HostTensor<ArrayLike<number>>,
  target?: HostTensor<ArrayLike<number>>,
): ActivationSource {
  const own = asMatrix(input, 'the rows');
  const other = target && asMatrix(target, 'the targets');
  if (other && other.rows !== own.rows) {
    throw new InvalidShapeError(`there are ${own.rows} rows and ${other.rows} targets: each row needs one`);
  }
  const description = {
    kind: 'rows',
    rows: own.rows,
    width: own.width,
    ...(other && { targetWidth: other.width }),
  };
  return { description, open: async options => openGivenRows(own, other, description, options) };
}

function openGivenRows(
  input: RowsInMemory,
  target: RowsInMemory | undefined,
  description: object,
  options: OpenOptions,
): OpenSource {
  const { seed, holdOut } = readOpenOptions(options);
  const { rows } = input;
  const shuffled = new ShuffledRows([{ input, target }], {
    seed,
    holdOut,
    shuffleBuffer: rows,
    runRows: Math.max(1, rows),
    sampleRunRows: Math.max(1, Math.ceil(rows / SAMPLE_RUNS)),
    skipBadRows: false,
  });
  const hashes = [input, ...(target ? [target] : [])].map(({ values }) => contentHash(values));
  return {
    width: shuffled.width,
    ...(shuffled.targetWidth !== undefined && { targetWidth: shuffled.targetWidth }),
    identity: { ...description, hashes, seed, holdOut },
    rows: shuffled.rows,
    heldOutRows: shuffled.heldOutRows,
    batches: shuffled.batches,
    sample: count => shuffled.sample(count, randomStream(seed, 'sample')),
    heldOut: (count, batchSize) => shuffled.heldOut(count, batchSize),
    async [Symbol.asyncDispose]() {
      shuffled.close();
    },
  };
}

interface RowsInMemory extends RowStore {
  readonly values: Float32Array;
}

function asMatrix({ data, shape }: HostTensor<ArrayLike<number>>, what: string): RowsInMemory {
  const width = shape.at(-1) ?? 0;
  if (shape.length < 2 || data.length !== sizeOf(shape) || width === 0) {
    throw new InvalidShapeError(
      `${what} must have shape [n, width], got ${data.length} values in shape [${shape.join(', ')}]`,
    );
  }
  const values = data instanceof Float32Array ? data : new Float32Array(data);
  const rows = values.length / width;
  const wrong = (row: number, problem: string): InvalidValueError =>
    new InvalidValueError(`row ${row} of ${what} ${problem}`);
  const bad = firstBadRow(values, width, 0, rows);
  if (bad >= 0) throw wrong(bad, badNumber(values.subarray(bad * width, (bad + 1) * width)));
  return {
    rows,
    width,
    values,
    read: (start, count, into) => into.set(values.subarray(start * width, (start + count) * width)),
    wrong,
  };
}
