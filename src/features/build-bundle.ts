/**
 * Builds a feature bundle (docs/bundle-format.md) from a frozen SAE and rows of activations: one pass over the rows, in memory that depends
 * on the SAE's size and not on the number of rows. Node only.
 *
 * Rows are encoded in a worker thread, block after block, while the calling thread counts the block before. The same rows, SAE and settings
 * give the same bytes, however the rows arrived.
 */

import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { sha256OfFile } from '../files/file-hash.ts';
import type { LoadedSae } from '../inference/loaded-sae.ts';
import { type LoadSaeOptions, loadSae, type ModelSource } from '../inference/node.ts';
import { readSource } from '../inference/node-source.ts';
import type { SparseFeatures } from '../inference/sparse-features.ts';
import { loadNodeRuntime } from '../sessions/node.ts';
import type { HostTensor } from '../tensor.ts';
import { rowNorms } from '../tensor.ts';
import { PendingFolder } from './bundle-folder.ts';
import {
  BUNDLE_FILES,
  BUNDLE_LIMITS,
  type BundleManifest,
  type BundleSettings,
  type NamedHash,
} from './bundle-manifest.ts';
import { writeOverview, writePages, writeTokens } from './bundle-tables.ts';
import { chooseRules } from './choose-rules.ts';
import { directLogits } from './direct-logits.ts';
import { type Explanation, writeExplanations } from './explanations.ts';
import type { FeatureRows } from './feature-rows.ts';
import { nearestDirections } from './nearest-directions.ts';
import { priorityKey } from './priority.ts';
import { LabelValues, type RowBlock, rowBlocks } from './row-blocks.ts';
import { PURPOSE, RowCounters } from './row-counters.ts';
import { RowRecords } from './row-records.ts';
import { manifestOf } from './run-manifest.ts';
import { encoderDecoderCosines } from './sae-weights.ts';
import { Stopwatch } from './stopwatch.ts';
import type { TokenTexts } from './token-table.ts';

/** The builder's progress. */
export interface BundleProgress {
  readonly stage: 'rows' | 'nearest' | 'logits' | 'rules' | 'writing';
  /** How many rows or latents are done. */
  readonly done: number;
  /** How many rows or latents there are, where that is known. */
  readonly total: number | undefined;
}

/** What feature pages are made from: the SAE, its rows, and how much of them is kept. */
export interface FeatureBundleOptions {
  /** The frozen SAE: a path, an address, bytes or a Blob. */
  readonly sae: ModelSource;
  /** Names of the SAE's tensors and where it runs, as in `loadSae`. Here `worker` is true by default. */
  readonly load?: Omit<LoadSaeOptions, 'batchSize'>;
  readonly rows: FeatureRows;
  /** The folder to write; it must not exist, or be empty. */
  readonly out: string;
  /** Whether a bundle that is in `out` already is replaced. Default false. */
  readonly overwrite?: boolean;
  /**
   * Whether each activation is multiplied by its latent's decoder norm, as Neuronpedia shows activations. Default
   * false.
   */
  readonly foldDecoderNorm?: boolean;
  /**
   * The unembedding W_U, [vocabulary, d_out] or [d_out, vocabulary], for the logits that latents write directly.
   * Default: no logits.
   */
  readonly unembedding?: HostTensor;
  /** Texts of token ids, and the tokenizer they come from. Default: no texts. */
  readonly tokenizer?: NamedHash & { readonly texts: TokenTexts };
  readonly explanations?: readonly Explanation[];
  /** The seed of all random choices: any safe integer. Default 0. */
  readonly seed?: number;
  /** How many bins a latent's histogram has. Default 50. */
  readonly histogramBins?: number;
  /** How many examples with the largest activations are kept for each latent. Default 20. */
  readonly topExamples?: number;
  /** The number of equal parts of [0, max] from which examples are drawn. Default 10. */
  readonly intervals?: number;
  /** How many examples are drawn from each part. Default 5. */
  readonly intervalExamples?: number;
  /** Rows of context before and after an example, within its sequence. Default 10 each. */
  readonly context?: { readonly before: number; readonly after: number };
  /** How many nearest and how many co-active latents are listed. Default 10. */
  readonly neighbours?: number;
  /** How many tokens are listed at each end of the logits. Default 10. */
  readonly logits?: number;
  /** How many rows are sampled for rules, and for co-activation beyond 16,384 latents. Default 131,072. */
  readonly sampleRows?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BundleProgress) => void;
}

/** A bundle that was built. */
export interface BuiltBundle {
  readonly folder: string;
  readonly manifest: BundleManifest;
  readonly heldExamples: number;
  /** Wall-clock seconds of the calling thread by stage; the worker encodes meanwhile. */
  readonly seconds: Readonly<Record<string, number>>;
}

/**
 * The most features in a block, as many as `loadSae` runs at once by default: 64 MiB of float32 with the activations.
 */
const BLOCK_VALUES = 2 ** 24;
const LONGEST_BLOCK = 1024;

/**
 * Builds a bundle and writes it to `out`, whole or not at all.
 * @returns the manifest, and how long each stage took
 * @throws FileFormatError where the SAE cannot be read, or a row holds a number that is not finite
 * @throws InvalidShapeError where rows are not d_in wide or columns do not fit
 * @throws InvalidValueError for settings out of range, no rows, or an `out` that is in use
 * @throws FileWriteError where the folder cannot be written
 */
export async function buildFeatureBundle(options: FeatureBundleOptions): Promise<BuiltBundle> {
  const settings = settingsOf(options);
  const folder = await PendingFolder.begin(options.out, options.overwrite ?? false);
  try {
    const sae = await loadSae(options.sae, { worker: true, ...options.load });
    try {
      return await build(options, settings, sae, folder);
    } finally {
      await sae.dispose();
    }
  } finally {
    await folder.discard();
  }
}

async function build(
  options: FeatureBundleOptions,
  settings: BundleSettings,
  sae: LoadedSae,
  folder: PendingFolder,
): Promise<BuiltBundle> {
  const { rows: source, foldDecoderNorm = false, unembedding, tokenizer, load = {} } = options;
  const time = new Stopwatch();
  const { dIn, dSae, dOut, metadata } = sae;
  const directions = checkedDirections(await sae.featureDirections(), sae, source);
  const norms = rowNorms(directions);
  const labels = (source.labelColumns ?? []).map(name => new LabelValues(name));
  const records = new RowRecords(join(folder.path, '.rows'), labels.length);
  try {
    const counters = new RowCounters({
      measuredWidth: source.targetWidth ?? dIn,
      dSae,
      settings,
      scale: foldDecoderNorm ? norms : undefined,
      labelColumns: labels.length,
      sampleRows: options.sampleRows ?? 131_072,
      time,
      // A transcoder reconstructs its targets; without targets, reconstructions are not measured.
      decoder:
        source.targetWidth === undefined && (metadata.config?.['transcoder'] === true || dOut !== dIn)
          ? undefined
          : directions,
      sae,
    });
    time.add('opening');
    await readRows(options, sae, counters, records, labels, time);

    const report = (stage: BundleProgress['stage'], done = 0): void => {
      options.signal?.throwIfAborted();
      options.onProgress?.({ stage, done, total: dSae });
    };
    const runtime = await loadNodeRuntime();
    report('nearest');
    const nearest = await nearestDirections(runtime, directions, settings.neighbours, load.threads);
    time.add('nearest');
    report('logits');
    const logits =
      unembedding &&
      (await directLogits(runtime, directions, unembedding, {
        most: settings.logits,
        bins: settings.histogram_bins,
        threads: load.threads,
      }));
    time.add('logits');
    report('rules');
    const texts = tokenizer?.texts ?? [];
    const rules = chooseRules(counters.sample.rows(), {
      dSae,
      textOf: token => texts[token] ?? '',
      labels,
      key: priorityKey(settings.seed, PURPOSE.halves),
    });
    time.add('rules');

    const pages = await writePages(folder, {
      settings,
      counters,
      records,
      nearest,
      logits,
      labelColumns: labels.length,
      hasTokens: source.hasTokens,
      onLatent: done => report('writing', done),
    });
    const encoderDecoder = encoderDecoderCosines(await readSource(options.sae), directions);
    const files: Record<string, { bytes: number; sha256: string }> = {
      [BUNDLE_FILES.overview]: await writeOverview(folder, { counters, pages, rules, norms, encoderDecoder }),
      ...pages.files,
    };
    const writeJson = async (name: string, value: unknown): Promise<void> => {
      files[name] = await folder.write(name, `${JSON.stringify(value)}\n`);
    };
    await writeJson(BUNDLE_FILES.rules, { rules: rules.rules });
    if (labels.length > 0) {
      await writeJson(BUNDLE_FILES.labels, { columns: labels.map(({ name, values }) => ({ name, values })) });
    }
    if (tokenizer) files[BUNDLE_FILES.tokens] = await writeTokens(folder, texts);
    if (options.explanations && options.explanations.length > 0) {
      const text = writeExplanations(options.explanations);
      files[BUNDLE_FILES.explanations] = await folder.write(BUNDLE_FILES.explanations, text);
    }
    const manifest = manifestOf({
      source,
      foldDecoderNorm,
      tokenizer: tokenizer ? { name: tokenizer.name, sha256: tokenizer.sha256, size: texts.length } : null,
      settings,
      file: await hashOf(options.sae),
      dimensions: { dIn, dSae, dOut },
      config: metadata.config ?? null,
      counters,
      rules,
      coactivation: pages.coactivation,
      labels: labels.map(({ name }) => name),
      files,
    });
    await folder.write(BUNDLE_FILES.manifest, `${JSON.stringify(manifest, null, 2)}\n`);
    records.discard();
    await folder.publish();
    report('writing', dSae);
    time.add('writing');
    const heldExamples = pages.exampleOffsets[dSae]!;
    return { folder: options.out, manifest, heldExamples, seconds: time.seconds() };
  } finally {
    records.discard();
  }
}

/**
 * W_dec, [d_sae, d_out].
 * @throws InvalidShapeError or InvalidValueError where SAE and rows do not fit each other or a bundle
 */
function checkedDirections(directions: HostTensor, { dIn, dSae, dOut }: LoadedSae, rows: FeatureRows): HostTensor {
  const { width, targetWidth = dOut } = rows;
  if (width !== dIn) throw new InvalidShapeError(`rows of ${width} activations; this SAE takes rows of ${dIn}`);
  if (targetWidth !== dOut) {
    throw new InvalidShapeError(`rows of ${targetWidth} targets; this SAE gives rows of ${dOut}`);
  }
  if (dSae > BUNDLE_LIMITS.latents) {
    throw new InvalidValueError(`${dSae} latents; a bundle holds at most ${BUNDLE_LIMITS.latents}`);
  }
  if (directions.shape[0] !== dSae || directions.shape[1] !== dOut) {
    throw new InvalidShapeError(`the decoder is [${directions.shape.join(', ')}]; expected [${dSae}, ${dOut}]`);
  }
  return directions;
}

/** Encodes block after block in the worker, and counts each while the next is encoded. */
async function readRows(
  options: FeatureBundleOptions,
  sae: LoadedSae,
  counters: RowCounters,
  records: RowRecords,
  labels: readonly LabelValues[],
  time: Stopwatch,
): Promise<void> {
  const { rows: source, signal, onProgress } = options;
  let pending: { readonly block: RowBlock; readonly features: Promise<SparseFeatures> } | undefined;
  const count = async (): Promise<void> => {
    if (pending === undefined) return;
    const { block, features } = pending;
    time.add('reading');
    const encoded = await features;
    time.add('waiting for the SAE');
    await counters.add(block, encoded);
    signal?.throwIfAborted();
    onProgress?.({ stage: 'rows', done: counters.rows, total: source.rows });
  };
  const blockRows = Math.floor(BLOCK_VALUES / (sae.dSae + sae.dIn + sae.dOut));
  for await (const block of rowBlocks(source, Math.max(1, Math.min(LONGEST_BLOCK, blockRows)), labels)) {
    const features = sae.encode(block.activations, { sparse: true, shape: [block.rows, sae.dIn] });
    // If the block before fails, nobody waits for this promise: its rejection must not count as unhandled.
    features.catch(() => undefined);
    records.append(block);
    await count();
    pending = { block, features };
  }
  await count();
  if (counters.rows === 0) throw new InvalidValueError('there are no rows of activations');
  counters.end();
}

function settingsOf(options: FeatureBundleOptions): BundleSettings {
  const { context = { before: 10, after: 10 }, seed = 0 } = options;
  const { examplesPerLatent, contextRows } = BUNDLE_LIMITS;
  const within = (name: string, value: number, least: number, most: number): number => {
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    throw new InvalidValueError(`${name} is ${value}; expected an integer from ${least} to ${most}`);
  };
  const settings = {
    seed: within('seed', seed, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    histogram_bins: within('histogramBins', options.histogramBins ?? 50, 1, 400),
    top_examples: within('topExamples', options.topExamples ?? 20, 0, examplesPerLatent),
    intervals: within('intervals', options.intervals ?? 10, 0, 100),
    interval_examples: within('intervalExamples', options.intervalExamples ?? 5, 0, examplesPerLatent),
    context_before: within('context.before', context.before, 0, contextRows / 2 - 1),
    context_after: within('context.after', context.after, 0, contextRows / 2 - 1),
    neighbours: within('neighbours', options.neighbours ?? 10, 0, 1000),
    logits: options.unembedding ? within('logits', options.logits ?? 10, 0, 1000) : 0,
  };
  const most = settings.top_examples + settings.intervals * settings.interval_examples;
  within('the number of examples of a latent', most, 0, examplesPerLatent);
  within('sampleRows', options.sampleRows ?? 1, 1, 2 ** 24);
  return settings;
}

/** The hash of the SAE's file; null where the SAE is neither a path nor bytes. */
async function hashOf(source: ModelSource): Promise<{ readonly name: string | null; readonly sha256: string | null }> {
  if (source instanceof Uint8Array) return { name: null, sha256: createHash('sha256').update(source).digest('hex') };
  if (typeof source !== 'string' || /^(https?|data|blob):/i.test(source)) return { name: null, sha256: null };
  const path = source.startsWith('file:') ? fileURLToPath(source) : source;
  return { name: basename(source), sha256: await sha256OfFile(path) };
}
