/** Rows of activations with what is known about each: the builder's input, whatever it is made from. */
import type { NamedHash } from './bundle-manifest.ts';

/**
 * Consecutive rows. Columns beside the activations have one entry per row; a source has the same columns in every
 * batch.
 */
export interface FeatureRowBatch {
  /** [rows, d_in]. */
  readonly activations: Float32Array;
  /** [rows, d_out]: a transcoder's target for each row. */
  readonly target?: Float32Array;
  /** Token ids. */
  readonly tokens?: ArrayLike<number>;
  /** Position of each row in its sequence, from 0. */
  readonly positions?: ArrayLike<number>;
  /**
   * The number of each row's sequence, from 0; rows of one sequence lie together. Without this column, a sequence
   * begins wherever the position does not ascend; without positions too, all rows with tokens are one sequence.
   */
  readonly sequences?: ArrayLike<number>;
  /** The rows' value in each label column; '' where it is empty. */
  readonly labels?: readonly (readonly string[])[];
}

/** The origin of rows, for the bundle's manifest. */
export interface RowProvenance {
  readonly kind: 'files' | 'model' | 'values';
  /** File names without folders. */
  readonly files?: readonly string[];
  /** The host model. */
  readonly model?: NamedHash;
  /** The tensor of the host model. */
  readonly tensor?: string;
  /** The origin of a transcoder's targets: a tensor of the host model, or a file's name. */
  readonly target?: string;
}

/** A source of rows, read once from the first to the last. */
export interface FeatureRows {
  /** The width of the activations, d_in. */
  readonly width: number;
  /** The width of the targets, d_out; `undefined` where rows have none. */
  readonly targetWidth?: number;
  /** The number of rows, where it is known beforehand; for progress. */
  readonly rows?: number;
  /** Whether rows have token ids. */
  readonly hasTokens: boolean;
  /** Names of the label columns. */
  readonly labelColumns?: readonly string[];
  readonly provenance: RowProvenance;
  /** Batches of any size, in order. */
  batches(): AsyncIterable<FeatureRowBatch> | Iterable<FeatureRowBatch>;
}

/** Rows that are already in memory. */
export interface RowValues extends FeatureRowBatch {
  /** The width of the activations, d_in. */
  readonly width: number;
  /** The width of `target`, d_out. */
  readonly targetWidth?: number;
  readonly labelColumns?: readonly string[];
  /** How many rows are given at once, which does not change the bundle. Default 4096. */
  readonly batchRows?: number;
}

/** Rows in memory as a source. */
export function rowsOf(values: RowValues): FeatureRows {
  const {
    activations,
    width,
    target,
    targetWidth,
    tokens,
    positions,
    sequences,
    labels,
    labelColumns,
    batchRows = 4096,
  } = values;
  const rows = activations.length / width;
  const part = (column: ArrayLike<number>, start: number, end: number) =>
    Array.prototype.slice.call(column, start, end);
  return {
    width,
    rows,
    ...(targetWidth !== undefined && { targetWidth }),
    hasTokens: tokens !== undefined,
    ...(labelColumns && { labelColumns }),
    provenance: { kind: 'values' },
    *batches() {
      for (let start = 0; start < rows; start += batchRows) {
        const end = Math.min(rows, start + batchRows);
        yield {
          activations: activations.subarray(start * width, end * width),
          ...(target && targetWidth && { target: target.subarray(start * targetWidth, end * targetWidth) }),
          ...(tokens && { tokens: part(tokens, start, end) }),
          ...(positions && { positions: part(positions, start, end) }),
          ...(sequences && { sequences: part(sequences, start, end) }),
          ...(labels && { labels: labels.map(column => column.slice(start, end)) }),
        };
      }
    },
  };
}
