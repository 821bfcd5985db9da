/**
 * Rows cut into blocks of one fixed size with checked columns, however they arrive: what is computed from blocks then cannot depend on a
 * source's batches. (ONNX Runtime's products may differ in the last bit with the number of rows.)
 */
import { FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { FeatureRowBatch, FeatureRows } from './feature-rows.ts';

/** A block of rows; the last one may be shorter. */
export interface RowBlock {
  readonly firstRow: number;
  readonly rows: number;
  /** [rows, d_in], finite. */
  readonly activations: Float32Array;
  /** [rows, d_out], finite; undefined where rows have no targets. */
  readonly target: Float32Array | undefined;
  /** Sequence of each row; −1 where rows do not belong to sequences. */
  readonly sequences: Float64Array;
  /** [rows, 2 + label columns]: token, position, label codes; −1 for what is unknown. */
  readonly records: Int32Array;
}

/** Numbers of records before the label codes. */
export const RECORD = { token: 0, position: 1, labels: 2 } as const;

/** Distinct values that a label column may have: beyond, it is no label but a text. */
const MOST_LABEL_VALUES = 1_000_000;

/** The values that a label column has had so far, numbered in the order in which they came. */
export class LabelValues {
  readonly name: string;
  readonly values: string[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  /**
   * The code of a value; −1 for ''.
   * @throws InvalidValueError where there are too many values
   */
  codeOf(value: string): number {
    if (value === '') return -1;
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    if (this.values.length === MOST_LABEL_VALUES) {
      throw new InvalidValueError(`label column ${this.name} has more than ${MOST_LABEL_VALUES} values: leave it out`);
    }
    this.#numbers.set(value, this.values.length);
    return this.values.push(value) - 1;
  }
}

/**
 * Cuts the rows of `source` into blocks of `size`.
 * @throws InvalidShapeError where a column does not have an entry for each row
 * @throws FileFormatError for a number that is not finite (the message names its row), and for tokens or positions that
 *   are no integers below 2^31
 */
export async function* rowBlocks(
  source: FeatureRows,
  size: number,
  labels: readonly LabelValues[],
): AsyncGenerator<RowBlock> {
  const { width, targetWidth } = source;
  const widths = { width, targetWidth, columns: RECORD.labels + labels.length };
  const { columns } = widths;
  let firstRow = 0;
  let filled = 0;
  let block = emptyBlock(size, widths);
  let sequence = -1;
  let lastPosition = Number.POSITIVE_INFINITY;
  for await (const batch of source.batches()) {
    const { activations, target, tokens, positions, sequences } = batch;
    const rows = activations.length / width;
    if (!Number.isInteger(rows)) {
      throw new InvalidShapeError(`${activations.length} activations are no whole rows of ${width}`);
    }
    checkColumns(batch, rows, source, labels);
    for (let row = 0; row < rows; ) {
      const count = Math.min(size - filled, rows - row);
      block.activations.set(activations.subarray(row * width, (row + count) * width), filled * width);
      if (block.target) {
        const wide = targetWidth!;
        block.target.set(target!.subarray(row * wide, (row + count) * wide), filled * wide);
      }
      for (let i = 0; i < count; i++) {
        const number = firstRow + filled + i;
        const record = (filled + i) * columns;
        const token = tokens ? integerOf(tokens[row + i]!, 'token', number) : -1;
        const position = positions ? integerOf(positions[row + i]!, 'position', number) : -1;
        if (sequences) sequence = sequences[row + i]!;
        else if (positions) sequence += position <= lastPosition ? 1 : 0;
        else sequence = tokens ? 0 : -1;
        lastPosition = position;
        block.sequences[filled + i] = sequence;
        block.records[record + RECORD.token] = token;
        block.records[record + RECORD.position] = position;
        labels.forEach((column, c) => {
          block.records[record + RECORD.labels + c] = column.codeOf(batch.labels![c]![row + i]!);
        });
      }
      filled += count;
      row += count;
      if (filled === size) {
        yield finished(block, firstRow, filled, widths);
        firstRow += filled;
        filled = 0;
        block = emptyBlock(size, widths);
      }
    }
  }
  if (filled > 0) yield finished(block, firstRow, filled, widths);
}

interface OpenBlock {
  readonly activations: Float32Array;
  readonly target: Float32Array | undefined;
  readonly sequences: Float64Array;
  readonly records: Int32Array;
}

interface Widths {
  readonly width: number;
  readonly targetWidth: number | undefined;
  /** How many numbers a record has. */
  readonly columns: number;
}

function emptyBlock(size: number, { width, targetWidth, columns }: Widths): OpenBlock {
  return {
    activations: new Float32Array(size * width),
    target: targetWidth === undefined ? undefined : new Float32Array(size * targetWidth),
    sequences: new Float64Array(size),
    records: new Int32Array(size * columns),
  };
}

function finished(block: OpenBlock, firstRow: number, rows: number, { width, targetWidth, columns }: Widths): RowBlock {
  return {
    firstRow,
    rows,
    activations: finite(block.activations.subarray(0, rows * width), width, firstRow, 'activations'),
    target: block.target && finite(block.target.subarray(0, rows * targetWidth!), targetWidth!, firstRow, 'targets'),
    sequences: block.sequences.subarray(0, rows),
    records: block.records.subarray(0, rows * columns),
  };
}

/**
 * The values, checked.
 * @throws FileFormatError where one is not finite
 */
function finite(values: Float32Array, width: number, firstRow: number, what: string): Float32Array {
  // A product with 0 is 0 unless a factor is not finite.
  let poison = 0;
  for (let i = 0; i < values.length; i++) poison += values[i]! * 0;
  if (poison !== 0) {
    const at = values.findIndex(value => !Number.isFinite(value));
    throw new FileFormatError(
      `row ${firstRow + Math.floor(at / width)} of the ${what} holds ${values[at]}; expected finite numbers`,
    );
  }
  return values;
}

function checkColumns(batch: FeatureRowBatch, rows: number, source: FeatureRows, labels: readonly LabelValues[]): void {
  for (const name of ['tokens', 'positions', 'sequences'] as const) {
    const column = batch[name];
    if (column !== undefined && column.length !== rows) {
      throw new InvalidShapeError(`${column.length} ${name} for ${rows} rows of activations; expected one for each`);
    }
  }
  const { targetWidth } = source;
  if (targetWidth !== undefined && batch.target?.length !== rows * targetWidth) {
    throw new InvalidShapeError(
      `${batch.target?.length ?? 0} numbers of targets for ${rows} rows; expected ${targetWidth} for each`,
    );
  }
  if (source.hasTokens && batch.tokens === undefined) throw new InvalidShapeError('a batch lacks its tokens');
  const columns = batch.labels ?? [];
  if (columns.length !== labels.length || columns.some(column => column.length !== rows)) {
    throw new InvalidShapeError(`labels do not have ${labels.length} columns of ${rows} rows`);
  }
}

function integerOf(value: number, what: string, row: number): number {
  if (Number.isInteger(value) && value >= -1 && value < 2 ** 31) return value;
  throw new FileFormatError(`the ${what} of row ${row} is ${value}; expected an integer from 0 below 2^31`);
}
