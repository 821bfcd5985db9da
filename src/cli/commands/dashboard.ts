/** `dashboard`: the data of feature pages, one folder. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { glob } from 'tinyglobby';
import { FileFormatError, UsageError } from '../../errors.ts';
import { type BuiltBundle, buildFeatureBundle } from '../../features/build-bundle.ts';
import type { BundleManifest } from '../../features/bundle-manifest.ts';
import { readExplanations, writeExplanations } from '../../features/explanations.ts';
import type { FeatureRows } from '../../features/feature-rows.ts';
import { openFileRows } from '../../features/file-rows.ts';
import { openHostRows } from '../../features/host-rows.ts';
import { writeNeuronpedia } from '../../features/neuronpedia.ts';
import { folderSource } from '../../features/node-bundle-source.ts';
import { type FeatureBundle, openFeatureBundle } from '../../features/open-bundle.ts';
import { explanationsOfBundle } from '../../features/rule-explanations.ts';
import { readTokenTexts } from '../../features/token-table.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import { openRowSource } from '../../files/row-source.ts';
import { writeFileAtomic } from '../../files/write-atomic.ts';
import { inspectModel } from '../../inference/node.ts';
import type { HostTensor } from '../../tensor.ts';
import { InterruptedError } from '../failure.ts';
import type { HostDataOptions } from '../host-options.ts';
import { openHostData, openHostFile } from '../open-host.ts';
import type { NameOptions, ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import { startRunProgress } from '../run-progress.ts';
import { saeNames } from '../sae-names.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic dashboard`. */
export interface DashboardOptions extends Omit<HostDataOptions, 'tensor'>, NameOptions, ReportOptions {
  readonly out: string;
  readonly overwrite?: boolean;
  readonly model?: string;
  readonly tensor?: string;
  readonly activations?: readonly string[];
  readonly target?: readonly string[];
  readonly tokens?: string;
  readonly positions?: string;
  readonly dropFirst?: number;
  readonly unembedding?: string;
  readonly explanations?: string;
  readonly exportExplanations?: string;
  readonly foldDecoderNorm?: boolean;
  readonly seed?: number;
  readonly top?: number;
  readonly intervals?: number;
  readonly intervalExamples?: number;
  readonly context?: { readonly before: number; readonly after: number };
  readonly neuronpedia?: string;
  readonly neuronpediaModel?: string;
  readonly neuronpediaSource?: string;
}

/** Runs `monosemantic dashboard`. */
export async function dashboard(file: string, options: DashboardOptions, terminal: Terminal): Promise<void> {
  const { provider, threads, out } = options;
  const { rows, close } = await openRows(file, options, terminal);
  let progress: ReturnType<typeof startRunProgress> | undefined;
  let built: BuiltBundle;
  try {
    const dSae = options.explanations === undefined ? 0 : await latentsOf(file);
    progress = startRunProgress(rows.rows, 0, terminal);
    built = await buildFeatureBundle({
      sae: file,
      load: { ...saeNames(options), ...(provider && { provider }), ...(threads !== undefined && { threads }) },
      rows,
      out,
      ...(options.overwrite && { overwrite: true }),
      ...(options.foldDecoderNorm && { foldDecoderNorm: true }),
      ...(options.unembedding !== undefined && { unembedding: await readUnembedding(options.unembedding, options) }),
      ...(options.tokenizer !== undefined && { tokenizer: await readTokenizer(options.tokenizer) }),
      ...(options.explanations !== undefined && {
        explanations: readExplanations(await readText(options.explanations), dSae, options.explanations),
      }),
      ...(options.seed !== undefined && { seed: options.seed }),
      ...(options.top !== undefined && { topExamples: options.top }),
      ...(options.intervals !== undefined && { intervals: options.intervals }),
      ...(options.intervalExamples !== undefined && { intervalExamples: options.intervalExamples }),
      ...(options.context && { context: options.context }),
      onProgress: ({ stage, done }) => {
        terminal.checkInterruption();
        if (stage === 'rows') progress?.update(done, done);
      },
    });
  } catch (error) {
    if (terminal.signal?.aborted) throw new InterruptedError('interrupted; nothing was written');
    throw error;
  } finally {
    progress?.stop();
    await close();
  }
  const exported = await writeExports(file, options);
  report(summaryOf(built, exported), words(built, exported), options, terminal);
}

/**
 * The rows that the options name.
 * @throws UsageError where they name none, or two
 */
async function openRows(
  file: string,
  options: DashboardOptions,
  terminal: Terminal,
): Promise<{ readonly rows: FeatureRows; close(): Promise<void> }> {
  const { activations = [], model, tensor, target, targetTensor, tokens, positions, labels } = options;
  if (activations.length > 0) {
    if (options.text !== undefined || (options.input ?? []).length > 0) {
      throw new UsageError('give either --activations, or --model with --text or --input');
    }
    const paths = await expanded(activations);
    const given = target && (await expanded(target));
    const rows = await openFileRows({
      activations: paths,
      tensor,
      target: given ?? (targetTensor !== undefined || (await isTranscoder(file)) ? beside(paths, 'target') : undefined),
      targetTensor,
      tokens: tokens ?? beside(paths, 'tokens'),
      positions: positions ?? beside(paths, 'positions'),
      labels,
    });
    return { rows, close: () => rows.close() };
  }
  if (model === undefined || tensor === undefined) {
    throw new UsageError('give --activations, or --model and --tensor with --text and --tokenizer or with --input');
  }
  if ([labels, tokens, positions, target].some(option => option !== undefined)) {
    throw new UsageError('--labels, --tokens, --positions and --target go with --activations');
  }
  const { host, data, rows: rowOptions, close } = await openHostData(model, { ...options, tensor }, terminal);
  try {
    const dropFirst = options.dropFirst;
    const rows = await openHostRows(
      host,
      data,
      { ...rowOptions, dropFirst },
      {
        name: basename(model),
        sha256: await sha256OfFile(model),
      },
    );
    return { rows, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The paths of files and patterns; each pattern's are in the order of names. */
async function expanded(given: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of given) {
    const found = /[*?{}[\]!]/.test(entry) && !existsSync(entry) ? (await glob(entry, { dot: true })).sort() : [entry];
    if (found.length === 0) throw new FileFormatError('no file matches this pattern', { file: entry });
    paths.push(...found);
  }
  return paths;
}

/**
 * One of the files NAME.tokens.npy, NAME.positions.npy and NAME.target.npy, which `monosemantic activations` writes
 * beside NAME.npy.
 */
function beside(paths: readonly string[], what: string): string | undefined {
  const [path] = paths;
  if (paths.length !== 1 || !path!.endsWith('.npy')) return undefined;
  const other = path!.replace(/npy$/, `${what}.npy`);
  return existsSync(other) ? other : undefined;
}

/** A matrix in a file, or a weight of the host model. */
async function readUnembedding(named: string, options: DashboardOptions): Promise<HostTensor> {
  if (existsSync(named)) {
    const source = await openRowSource(named);
    try {
      return { data: await source.read(0, source.rows), shape: [source.rows, source.width] };
    } finally {
      await source.close();
    }
  }
  if (options.model === undefined) {
    throw new UsageError(`--unembedding ${named}: there is no such file; a weight's name needs --model`);
  }
  const host = await openHostFile(options.model, options);
  try {
    const { data, shape } = await host.weight(named);
    return { data: Float32Array.from(data, Number), shape };
  } finally {
    await host.dispose();
  }
}

async function readTokenizer(path: string) {
  const text = await readText(path);
  return {
    name: basename(path),
    sha256: createHash('sha256').update(text).digest('hex'),
    texts: readTokenTexts(text, path),
  };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new FileFormatError(cause.code === 'ENOENT' ? 'there is no such file' : cause.message, { file: path, cause });
  });
}

/** The number of latents, so that explanations are checked before anything is computed. */
async function latentsOf(file: string): Promise<number> {
  const { outputs, metadata } = await inspectModel(file);
  const stated = metadata.config?.['d_sae'] ?? outputs.find(({ name }) => name === 'features')?.shape?.at(-1);
  return typeof stated === 'number' ? stated : Number.MAX_SAFE_INTEGER;
}

/** Whether the SAE says that it reconstructs other activations than those it reads. */
async function isTranscoder(file: string): Promise<boolean> {
  return (await inspectModel(file)).metadata.config?.['transcoder'] === true;
}

interface Exports {
  readonly neuronpedia?: { readonly folder: string; readonly features: number; readonly activations: number };
  readonly explanations?: { readonly file: string; readonly count: number };
}

async function writeExports(file: string, options: DashboardOptions): Promise<Exports> {
  const { neuronpedia, exportExplanations, out } = options;
  if (neuronpedia === undefined && exportExplanations === undefined) return {};
  const bundle = await openFeatureBundle(folderSource(out));
  try {
    return {
      ...(exportExplanations !== undefined && {
        explanations: { file: exportExplanations, count: await exportLabels(bundle, exportExplanations) },
      }),
      ...(neuronpedia !== undefined && {
        neuronpedia: await writeNeuronpedia(bundle, neuronpedia, neuronpediaNames(file, options)),
      }),
    };
  } finally {
    await bundle.close();
  }
}

async function exportLabels(bundle: FeatureBundle, path: string): Promise<number> {
  const explanations = await explanationsOfBundle(bundle);
  await writeFileAtomic(path, writeExplanations(explanations));
  return explanations.length;
}

function neuronpediaNames(file: string, { model = 'model', neuronpediaModel, neuronpediaSource }: DashboardOptions) {
  const [, layer, set] = /^(\d+)-(.+)$/.exec(neuronpediaSource ?? '') ?? [];
  return {
    model: neuronpediaModel ?? idOf(model),
    layer: Number(layer ?? 0),
    sourceSet: set ?? neuronpediaSource ?? idOf(file),
  };
}

const idOf = (path: string): string =>
  basename(path)
    .replace(/\.\w+$/, '')
    .replace(/[^\w.-]+/g, '-');

/**
 * The seconds of the calling thread by stage, and the rows per second that each stage of the pass would reach by
 * itself.
 */
function summaryOf({ folder, manifest, heldExamples, seconds }: BuiltBundle, exported: Exports): object {
  const { activations, statistics, sae } = manifest;
  return {
    out: folder,
    rows: activations.rows,
    sequences: activations.sequences,
    d_sae: sae.d_sae,
    ...statistics,
    coactivation: manifest.coactivation,
    examples: heldExamples,
    bytes: sizeOf(manifest),
    seconds,
    ...exported,
  };
}

const sizeOf = ({ files }: BundleManifest): number => Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);

function words({ folder, manifest, heldExamples, seconds }: BuiltBundle, exported: Exports): string {
  const { activations, statistics, sae, coactivation } = manifest;
  const share = (value: number | null): string => (value === null ? 'undefined' : value.toFixed(3));
  const total = Object.values(seconds).reduce((sum, value) => sum + value, 0);
  return [
    `${folder}: ${sae.d_sae} latents over ${activations.rows} rows, ${heldExamples} examples, ${(sizeOf(manifest) / 2 ** 20).toFixed(1)} MiB; ${total.toFixed(1)} s`,
    `L0 ${statistics.l0.mean.toFixed(1)}; explained variance ${share(statistics.explained_variance)}, ` +
      `without ${statistics.sink_rows} sink rows ${share(statistics.explained_variance_without_sinks)}`,
    `${statistics.never_fired} latents never fired in ${activations.rows} rows`,
    ...(coactivation.exact ? [] : [`co-activation is counted over a sample of ${coactivation.rows} rows`]),
    ...(statistics.negative_activations > 0
      ? [`${statistics.negative_activations} activations are below 0 and counted nowhere`]
      : []),
    ...(exported.explanations ? [`${exported.explanations.file}: ${exported.explanations.count} explanations`] : []),
    ...(exported.neuronpedia
      ? [`${exported.neuronpedia.folder}: ${exported.neuronpedia.features} features for Neuronpedia`]
      : []),
  ].join('\n');
}
