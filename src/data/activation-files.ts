/** Activations from files larger than memory as a source. */
import { stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, resolve, sep } from 'node:path';
import { glob } from 'tinyglobby';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import type { FileRows } from '../files/row-source.ts';
import { type ActivationSource, type OpenOptions, type OpenSource, readOpenOptions } from './activation-source.ts';
import { contentHash, textHash } from './content-hash.ts';
import { OpenFiles } from './open-files.ts';
import type { RowStore, StorePair } from './row-runs.ts';
import { ShuffledRows } from './shuffled-rows.ts';
import { randomStream } from './streams.ts';

/** Which tensors of which files are read, and how they are shuffled. */
export interface ActivationFileOptions {
  /** Rows that are shuffled together, in memory at once. Default 32,768, or fewer where those would take more than 512 MiB. */
  readonly shuffleBuffer?: number | undefined;
  /** Which tensor of each safetensors file; needed where a file holds several. */
  readonly tensor?: string | undefined;
  /**
   * Files of target rows: what an autoencoder is to give for these rows. There must be as many target files, in the
   * order of their names, each with as many rows.
   */
  readonly target?: string | readonly string[] | undefined;
  /**
   * Which tensor of each target file. Default: the same name as `tensor`. Given without `target`, input and target are
   * two tensors of the same files.
   */
  readonly targetTensor?: string | undefined;
  /**
   * Whether rows with a number that is not finite are left out and counted. Otherwise they are an error. Default false.
   */
  readonly skipBadRows?: boolean | undefined;
  /**
   * A row whose norm is above this many times the median norm (measured on a sample) is not trained on, and counted:
   * attention sinks of language models. Held-out rows are not left out, so that both can be measured. Default: no
   * limit.
   */
  readonly dropNormAbove?: number | undefined;
}

/** A source of activations in files. */
export interface ActivationFileSource extends ActivationSource {
  open(options: OpenOptions): Promise<OpenActivationFiles>;
}

/** Open files, and what was found in them. */
export interface OpenActivationFiles extends OpenSource {
  /** The files, in the order of their names. */
  readonly files: readonly string[];
  readonly rows: number;
  readonly heldOutRows: number;
  /** How many rows have been left out because they hold a number that is not finite. Each row counts once. */
  readonly skippedRows: number;
  /** How many training rows have been left out because of their norm. Each row counts once. */
  readonly droppedByNorm: number;
}

/** How many consecutive rows are read at once. */
const RUN_ROWS = 256;
const SHUFFLE_BUFFER = 32_768;
/** How many numbers a shuffle buffer of the default size holds: 512 MiB. */
const BUFFER_NUMBERS = 2 ** 27;
/**
 * A file of up to this many numbers is hashed whole. Of a larger one this many are hashed, in runs of rows spread over
 * the file.
 */
const HASHED_WHOLE = 2 ** 16;
const HASHED_RUNS = 16;
const HASHED_RUN_ROWS = 4;

/**
 * A source of activations [..., d_in] in .npy, .safetensors, JSON and CSV files, which may be larger than memory. Rows are shuffled: runs of
 * 256 rows of all files in a random order, and the rows of a buffer of runs together. The held-out share is spread over all files.
 * @param files a glob pattern, a path, or several of them
 * @returns a source whose `open` throws FileFormatError where no file matches, one cannot be read, or widths differ
 * @throws InvalidValueError for options out of range
 */
export function activationFiles(
  files: string | readonly string[],
  options: ActivationFileOptions = {},
): ActivationFileSource {
  const { shuffleBuffer, tensor, target, targetTensor, skipBadRows = false, dropNormAbove } = options;
  if (dropNormAbove !== undefined && !(dropNormAbove > 0)) {
    throw new InvalidValueError(`dropNormAbove must be positive, got ${dropNormAbove}`);
  }
  if (shuffleBuffer !== undefined && !(Number.isSafeInteger(shuffleBuffer) && shuffleBuffer >= 1)) {
    throw new InvalidValueError(`the shuffle buffer must hold a positive number of rows, got ${shuffleBuffer}`);
  }
  const description = {
    kind: 'files',
    files: listed(files).map(withoutFolder),
    ...(tensor !== undefined && { tensor }),
    ...(target !== undefined && { target: listed(target).map(withoutFolder) }),
    ...(targetTensor !== undefined && { targetTensor }),
    ...(shuffleBuffer !== undefined && { shuffleBuffer }),
    skipBadRows,
    ...(dropNormAbove !== undefined && { dropNormAbove }),
  };
  return {
    description,
    async open(openOptions) {
      const { seed, holdOut, signal } = readOpenOptions(openOptions);
      const inputs = await surveyFiles(files, tensor, signal);
      const hasTarget = target !== undefined || targetTensor !== undefined;
      let targets: SurveyedFiles | undefined;
      try {
        if (hasTarget) targets = await surveyFiles(target ?? files, targetTensor ?? tensor, signal);
        const pairs = paired(inputs, targets);
        const width = inputs.width + (targets?.width ?? 0);
        const buffer =
          shuffleBuffer ?? Math.min(SHUFFLE_BUFFER, Math.max(RUN_ROWS, Math.floor(BUFFER_NUMBERS / width)));
        const runRows = Math.min(RUN_ROWS, Math.max(1, Math.floor(buffer / 16)));
        const shuffled = new ShuffledRows(pairs, {
          seed,
          holdOut,
          shuffleBuffer: buffer,
          runRows,
          sampleRunRows: runRows,
          skipBadRows,
          dropNormAbove,
        });
        await shuffled.measureNorms(randomStream(seed, 'sample'));
        const contents = { input: identityOf(inputs), ...(targets && { target: identityOf(targets) }) };
        return {
          files: inputs.paths,
          width: shuffled.width,
          ...(shuffled.targetWidth !== undefined && { targetWidth: shuffled.targetWidth }),
          identity: { kind: 'files', ...contents, shuffleBuffer: buffer, holdOut, skipBadRows, dropNormAbove, seed },
          rows: shuffled.rows,
          heldOutRows: shuffled.heldOutRows,
          get skippedRows() {
            return shuffled.skippedRows;
          },
          ...(dropNormAbove !== undefined && { normLimit: shuffled.normLimit }),
          get droppedByNorm() {
            return shuffled.droppedByNorm;
          },
          batches: shuffled.batches,
          sample: (rows: number) => shuffled.sample(rows, randomStream(seed, 'sample')),
          heldOut: (rows: number, batchSize: number) => shuffled.heldOut(rows, batchSize),
          async [Symbol.asyncDispose]() {
            shuffled.close();
            await inputs.cache.close();
            await targets?.cache.close();
          },
        };
      } catch (error) {
        await inputs.cache.close();
        await targets?.cache.close();
        throw error;
      }
    },
  };
}

/** Files of rows of one width, in the order of their names. */
export interface SurveyedFiles {
  readonly paths: readonly string[];
  readonly width: number;
  readonly stores: readonly RowStore[];
  /** What each file is, whatever it is called: two of equal contents are the same data. */
  readonly contents: readonly FileContent[];
  /** Owns the files; the caller closes it. */
  readonly cache: OpenFiles;
}

/**
 * Finds the files and opens each once.
 * @throws FileFormatError where none matches, one cannot be read, or widths differ
 * @throws the signal's reason on abort
 */
export async function surveyFiles(
  files: string | readonly string[],
  tensor: string | undefined,
  signal?: AbortSignal,
): Promise<SurveyedFiles> {
  const paths = await matching(listed(files));
  const cache = new OpenFiles(tensor);
  try {
    const stores: RowStore[] = [];
    const contents: FileContent[] = [];
    for (const path of paths) {
      signal?.throwIfAborted();
      const content = await cache.use(path, source => contentOf(source, path));
      const { rows, width } = content;
      if (stores[0] && width !== stores[0].width) {
        throw new FileFormatError(`rows of ${width} numbers, expected ${stores[0].width} as in ${paths[0]}`, {
          file: path,
        });
      }
      stores.push({
        rows,
        width,
        read: (start, count, into) => cache.use(path, source => source.readInto(start, count, into)),
        wrong: (row, problem) => new FileFormatError(`row ${row} ${problem}`, { file: path }),
      });
      contents.push(content);
    }
    return { paths, width: stores[0]!.width, stores, contents, cache };
  } catch (error) {
    await cache.close();
    throw error;
  }
}

function listed(files: string | readonly string[]): readonly string[] {
  return typeof files === 'string' ? [files] : files;
}

const MAGIC = /[*?{}[\]!]/;

/** Every file once, ordered by its whole path, so that neither the file system nor the way a pattern was written matters. */
async function matching(wanted: readonly string[]): Promise<string[]> {
  const paths = new Map<string, string>();
  for (const entry of wanted) {
    const found =
      MAGIC.test(entry) && !(await exists(entry))
        ? await glob(entry, { absolute: isAbsolute(entry), dot: true })
        : [entry];
    if (found.length === 0) throw new FileFormatError('no file matches this pattern', { file: entry });
    for (const path of found) paths.set(resolve(path), path);
  }
  if (paths.size === 0) throw new InvalidValueError('expected a pattern or at least one path of activations');
  return [...paths.keys()].sort().map(path => paths.get(path)!);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A pattern without the folders above it, which differ between machines. */
function withoutFolder(pattern: string): string {
  if (!isAbsolute(pattern)) return pattern;
  const parts = pattern.split(sep);
  const magic = parts.findIndex(part => MAGIC.test(part));
  return magic < 0 ? basename(pattern) : parts.slice(magic).join('/');
}

interface FileContent {
  readonly type: string;
  readonly rows: number;
  readonly width: number;
  /** Bytes of the file. */
  readonly size: number;
  readonly hash: string;
}

/** A short identity of what the files hold together: equal for the same files under any names. */
function identityOf({ contents, width }: SurveyedFiles) {
  const sum = (of: 'rows' | 'size'): number => contents.reduce((total, content) => total + content[of], 0);
  return {
    files: contents.length,
    rows: sum('rows'),
    width,
    size: sum('size'),
    hash: textHash(JSON.stringify(contents)),
  };
}

/** A hash that tells a file from another one with as many rows: of its first and last rows, and some between. */
async function contentOf(source: FileRows, path: string): Promise<FileContent> {
  const { rows, width, type = 'text' } = source;
  const { size } = await stat(path);
  const whole = rows * width <= HASHED_WHOLE;
  const count = whole ? rows : Math.min(rows, HASHED_RUN_ROWS);
  const runs = whole ? 1 : HASHED_RUNS;
  const values = new Float32Array(runs * count * width);
  for (let run = 0; run < runs; run++) {
    const start = runs === 1 ? 0 : Math.floor(((rows - count) * run) / (runs - 1));
    await source.readInto(start, count, values.subarray(run * count * width, (run + 1) * count * width));
  }
  return { type, rows, width, size, hash: contentHash(values) };
}

/**
 * Pairs the input files with the target files in their order.
 * @throws FileFormatError where they do not belong together
 */
function paired(inputs: SurveyedFiles, targets: SurveyedFiles | undefined): StorePair[] {
  if (targets && targets.stores.length !== inputs.stores.length) {
    throw new FileFormatError(
      `${inputs.stores.length} files of activations and ${targets.stores.length} of targets: each needs one`,
      { file: dirname(targets.paths[0]!) },
    );
  }
  return inputs.stores.map((input, i) => {
    const target = targets?.stores[i];
    if (target && target.rows !== input.rows) {
      throw new FileFormatError(`${target.rows} rows, expected ${input.rows} as in ${inputs.paths[i]}`, {
        file: targets!.paths[i]!,
      });
    }
    return { input, target };
  });
}
