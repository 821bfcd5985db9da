/**
 * Reads rows of activations from files, with token ids, positions and labels from files beside them; memory does not
 * grow with the rows. Node only.
 */
import { basename } from 'node:path';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import { openRowSource, type RowSource } from '../files/row-source.ts';
import type { FeatureRowBatch, FeatureRows } from './feature-rows.ts';
import { LabelReader, labelColumnsOf } from './label-rows.ts';
import { type NumberArray, openColumn, openNumberArray } from './number-array.ts';

/** Files of activations, and what lies beside them: tokens, positions, labels. */
export interface FileRowOptions {
  /** Activations [..., d_in] in .npy, .safetensors, JSON or CSV; several files are read one after another. */
  readonly activations: string | readonly string[];
  /** The name of the tensor, for .safetensors files that hold several. */
  readonly tensor?: string | undefined;
  /** For transcoders: targets [..., d_out], a file for each of `activations`. */
  readonly target?: string | readonly string[] | undefined;
  /**
   * The name of the tensor in target files that hold several. Default `tensor`. Given without `target`, the
   * activations' files hold both.
   */
  readonly targetTensor?: string | undefined;
  /** A file of token ids, one per row. A shape [sequences, length] says where sequences end. */
  readonly tokens?: string | undefined;
  /**
   * A file of positions, one per row; or [rows, 2] of sequence and position, as `monosemantic activations` writes them.
   */
  readonly positions?: string | undefined;
  /** A CSV file of labels, one line per row, with or without a header. */
  readonly labels?: string | undefined;
}

/** Rows from files; `close` closes them. */
export interface FileRows extends FeatureRows {
  readonly rows: number;
  close(): Promise<void>;
}

/** How many numbers are read at once: 16 MiB. */
const VALUES_AT_ONCE = 2 ** 22;

/**
 * Opens rows in files.
 * @throws FileFormatError for a file that is missing, damaged, of another kind, or does not have an entry for each row
 * @throws InvalidValueError where no file of activations is named
 */
export async function openFileRows(options: FileRowOptions): Promise<FileRows> {
  const paths = listed(options.activations);
  const { tensor, targetTensor } = options;
  const hasTarget = options.target !== undefined || targetTensor !== undefined;
  const single = options.target === undefined && hasTarget && paths.find(path => /\.npy$/i.test(path));
  if (single) {
    throw new FileFormatError(`holds one array and not ${targetTensor} as well; expected a file of targets beside it`, {
      file: single,
    });
  }
  const targetPaths = hasTarget ? listed(options.target ?? paths) : [];
  if (paths.length === 0) throw new InvalidValueError('expected at least one file of activations');
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const part of open.splice(0)) await part.close();
  };
  try {
    const openAll = async (files: readonly string[], name: string | undefined): Promise<RowSource[]> => {
      const sources: RowSource[] = [];
      for (const file of files) {
        const source = await openRowSource(file, { tensor: name });
        open.push(source);
        sources.push(source);
        const { width } = sources[0]!;
        if (source.width !== width) {
          throw new FileFormatError(`rows of ${source.width} numbers, expected ${width} as in ${files[0]}`, { file });
        }
      }
      return sources;
    };
    const sources = await openAll(paths, tensor);
    const targets = await openAll(targetPaths, targetTensor ?? tensor);
    checkPairs(sources, targets, { paths, targetPaths });
    const rows = sources.reduce((sum, source) => sum + source.rows, 0);
    const { width } = sources[0]!;
    const column = async (path: string, what: string): Promise<NumberArray> => {
      const array = await openColumn(path, rows, what);
      open.push(array);
      return array;
    };
    const tokens = options.tokens === undefined ? undefined : await column(options.tokens, 'token ids');
    const positions = options.positions === undefined ? undefined : await openPositions(options.positions, rows);
    if (positions) open.push(positions.array);
    const { labels } = options;
    const columns = labels === undefined ? undefined : await labelColumnsOf(labels, rows);
    // Token ids [sequences, length]: a row of them is a sequence.
    const sequenceLength = positions === undefined && tokens?.shape.length === 2 ? tokens.shape[1]! : undefined;
    return {
      width,
      rows,
      ...(hasTarget && { targetWidth: targets[0]!.width }),
      hasTokens: tokens !== undefined,
      labelColumns: columns?.names ?? [],
      provenance: {
        kind: 'files',
        files: paths.map(path => basename(path)),
        ...(hasTarget && { target: options.target === undefined ? targetTensor! : basename(targetPaths[0]!) }),
      },
      close,
      async *batches() {
        const reader = columns && new LabelReader(labels!, columns);
        const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / width));
        let first = 0;
        for (const [i, source] of sources.entries()) {
          for (let start = 0; start < source.rows; start += atOnce) {
            const count = Math.min(atOnce, source.rows - start);
            const end = first + count;
            const batch: FeatureRowBatch = {
              activations: await source.read(start, count),
              ...(hasTarget && { target: await targets[i]!.read(start, count) }),
              ...(tokens && { tokens: await tokens.read(first, end) }),
              ...(positions && (await positions.read(first, end))),
              ...(sequenceLength !== undefined && {
                positions: Int32Array.from({ length: count }, (_, i) => (first + i) % sequenceLength),
              }),
              ...(reader && { labels: await reader.next(count) }),
            };
            yield batch;
            first = end;
          }
        }
        await reader?.expectEnd();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const listed = (files: string | readonly string[]): readonly string[] => (typeof files === 'string' ? [files] : files);

/**
 * Checks that targets belong to the rows, file by file.
 * @throws FileFormatError where they do not
 */
function checkPairs(
  sources: readonly RowSource[],
  targets: readonly RowSource[],
  { paths, targetPaths }: { readonly paths: readonly string[]; readonly targetPaths: readonly string[] },
): void {
  if (targets.length === 0) return;
  if (targets.length !== sources.length) {
    throw new FileFormatError(
      `${sources.length} files of activations and ${targets.length} of targets; expected a file of targets for each`,
      { file: targetPaths[0]! },
    );
  }
  for (const [i, { rows }] of targets.entries()) {
    if (rows !== sources[i]!.rows) {
      throw new FileFormatError(`${rows} rows of targets, expected ${sources[i]!.rows} as in ${paths[i]}`, {
        file: targetPaths[i]!,
      });
    }
  }
}

/** Positions [rows], or sequences and positions [rows, 2]. */
async function openPositions(path: string, rows: number) {
  const array = await openNumberArray(path);
  const { shape } = array;
  const isPaired = shape.length === 2 && shape[0] === rows && shape[1] === 2;
  if (!isPaired) {
    await array.close();
    const single = await openColumn(path, rows, 'positions');
    return {
      array: single,
      read: async (start: number, end: number) => ({ positions: await single.read(start, end) }),
    };
  }
  return {
    array,
    async read(start: number, end: number) {
      const pairs = await array.read(2 * start, 2 * end);
      const pick = (offset: number) => Float64Array.from({ length: end - start }, (_, i) => pairs[2 * i + offset]!);
      return { sequences: pick(0), positions: pick(1) };
    },
  };
}
