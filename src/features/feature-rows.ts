/** Rows of activations with what is known about each: where the builder's data come from, whatever they are made of. */
import type { NamedHash } from './bundle-manifest.ts';

/** Consecutive rows. Columns beside the activations have one entry a row; a source has the same ones in every batch. */
export interface FeatureRowBatch {
  /** [rows, d_in]. */
  readonly activations: Float32Array;
  /** [rows, d_out]: what a transcoder is to give for each row. */
  readonly target?: Float32Array;
  /** Token ids. */
  readonly tokens?: ArrayLike<number>;
  /** Position of each row in its sequence, from 0. */
  readonly positions?: ArrayLike<number>;
  /**
   * Number of each row's sequence, from 0; rows of one lie together. Where it is left out a sequence begins wherever the position does
   * not ascend, and without positions all rows with tokens are one.
   */
  readonly sequences?: ArrayLike<number>;
  /** The rows' value in each label column; '' where it is empty. */
  readonly labels?: readonly (readonly string[])[];
}

/** Where rows come from, for the bundle's manifest. */
export interface RowProvenance {
  readonly kind: 'files' | 'model' | 'values';
  /** File names without folders. */
  readonly files?: readonly string[];
  /** The host model. */
  readonly model?: NamedHash;
  /** The tensor of the host model. */
  readonly tensor?: string;
  /** Where a transcoder's targets come from: a tensor of the host model, or a file's name. */
  readonly target?: string;
}

/** A source of rows, read once from the first to the last. */
export interface FeatureRows {
  /** d_in. */
  readonly width: number;
  /** d_out of the targets; undefined where rows have none. */
  readonly targetWidth?: number;
  /** Number of rows, where it is known beforehand: for progress. */
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
  /** d_in. */
  readonly width: number;
  /** d_out of `target`. */
  readonly targetWidth?: number;
  readonly labelColumns?: readonly string[];
  /** Rows given at once; it changes nothing in the bundle. Default 4096. */
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
