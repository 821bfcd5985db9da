/** The safetensors files of a bundle, written column by column from what was counted. Node only. */
import type { GrowingColumns, PendingFolder } from './bundle-folder.ts';
import { BUNDLE_FILES, type BundleFileEntry, type BundleManifest, type BundleSettings } from './bundle-manifest.ts';
import type { RuleChoice } from './choose-rules.ts';
import { SampledPairs } from './coactivation.ts';
import type { DirectLogits } from './direct-logits.ts';
import type { ChosenExample } from './held-examples.ts';
import type { NearestDirections } from './nearest-directions.ts';
import type { RowCounters } from './row-counters.ts';
import type { RowRecords } from './row-records.ts';
import type { TokenTexts } from './token-table.ts';

/** What the pages are written from. */
export interface PageParts {
  readonly settings: BundleSettings;
  readonly counters: RowCounters;
  readonly records: RowRecords;
  readonly nearest: NearestDirections;
  readonly logits: DirectLogits | undefined;
  readonly labelColumns: number;
  readonly hasTokens: boolean;
  /** Called now and then with the number of latents that are done. */
  readonly onLatent: (done: number) => void;
}

/** The files that were written for pages, and the place of each latent in them. */
export interface WrittenPages {
  readonly files: Readonly<Record<string, BundleFileEntry>>;
  readonly exampleOffsets: Float64Array;
  readonly contextOffsets: Float64Array;
  readonly histogramWidths: Float32Array;
  readonly coactivation: BundleManifest['coactivation'];
}

/** Writes `features.safetensors` and `examples.safetensors`. */
export async function writePages(folder: PendingFolder, parts: PageParts): Promise<WrittenPages> {
  const { settings, counters, records, nearest, logits, labelColumns, hasTokens, onLatent } = parts;
  const { histogram_bins: bins, intervals, neighbours, logits: most } = settings;
  const { statistics, examples, pairs } = counters;
  const dSae = statistics.count.length;
  const sample = counters.sample.rows().map(({ latents }) => latents);
  const isExact = pairs !== undefined && pairs.rows === counters.rows;
  const coactive = isExact ? pairs : new SampledPairs(dSae, sample);
  const exampleOffsets = new Float64Array(dSae + 1);
  const contextOffsets = new Float64Array(dSae + 1);
  const histogramWidths = new Float32Array(dSae);
  const features = folder.columns(BUNDLE_FILES.features);
  const exampleColumns = folder.columns(BUNDLE_FILES.examples);
  try {
    // Every column must exist, even if no latent ever fired.
    for (const [name, type] of exampleTypes(hasTokens, labelColumns)) await exampleColumns.append(name, type, []);
    for (let latent = 0; latent < dSae; latent++) {
      if (latent % 256 === 0) onLatent(latent);
      const { width, counts } = statistics.histogram(latent, bins);
      histogramWidths[latent] = width;
      await features.append('histogram', 'int32', counts, bins);
      if (intervals > 0) {
        await features.append('interval_share', 'float32', statistics.intervalShares(latent, intervals), intervals);
      }
      const chosen = examples.take(latent, statistics.max[latent]!);
      const positions = await writeExamples(chosen, exampleColumns, records, hasTokens, labelColumns);
      exampleOffsets[latent + 1] = exampleOffsets[latent]! + chosen.length;
      contextOffsets[latent + 1] = contextOffsets[latent]! + positions;
    }
    if (neighbours > 0) {
      const { latents, counts, jaccard } = coactive.nearest(neighbours);
      await features.append('coactivation_latents', 'int32', latents, neighbours);
      await features.append('coactivation_counts', 'int32', counts, neighbours);
      await features.append('coactivation_jaccard', 'float32', jaccard, neighbours);
      await features.append('cosine_latents', 'int32', nearest.latents, neighbours);
      await features.append('cosine_values', 'float32', nearest.cosines, neighbours);
    }
    if (logits) {
      await features.append('logit_top_tokens', 'int32', logits.topTokens, most);
      await features.append('logit_top_values', 'float32', logits.topValues, most);
      await features.append('logit_bottom_tokens', 'int32', logits.bottomTokens, most);
      await features.append('logit_bottom_values', 'float32', logits.bottomValues, most);
      await features.append('logit_histogram', 'int32', logits.histogram, bins);
      await features.append('logit_range', 'float32', logits.range, 2);
    }
    return {
      files: {
        [BUNDLE_FILES.features]: await features.finish(),
        [BUNDLE_FILES.examples]: await exampleColumns.finish(),
      },
      exampleOffsets,
      contextOffsets,
      histogramWidths,
      coactivation: { exact: isExact, rows: isExact ? counters.rows : sample.length },
    };
  } finally {
    await features.discard();
    await exampleColumns.discard();
  }
}

/** What the overview is written from. */
export interface OverviewParts {
  readonly counters: RowCounters;
  readonly pages: WrittenPages;
  readonly rules: RuleChoice;
  /** The norm of each latent's decoder row, [d_sae]. */
  readonly norms: Float64Array;
  readonly encoderDecoder: Float32Array | undefined;
}

/** Writes `overview.safetensors`. */
export async function writeOverview(folder: PendingFolder, parts: OverviewParts): Promise<BundleFileEntry> {
  const { counters, pages, rules, norms, encoderDecoder } = parts;
  const { count, sum, max } = counters.statistics;
  const { rows } = counters;
  const columns = folder.columns(BUNDLE_FILES.overview);
  const float32 = (name: string, values: ArrayLike<number>) =>
    columns.append(name, 'float32', Float32Array.from(values));
  try {
    await columns.append('count', 'int64', count);
    await columns.append('example_offsets', 'int64', pages.exampleOffsets);
    await columns.append('context_offsets', 'int64', pages.contextOffsets);
    await float32(
      'density',
      count.map(n => n / rows),
    );
    await float32(
      'log10_density',
      count.map(n => Math.log10(n / rows)),
    );
    await float32('max', max);
    await float32(
      'mean_active',
      sum.map((total, latent) => (count[latent] === 0 ? 0 : total / count[latent]!)),
    );
    await float32('histogram_width', pages.histogramWidths);
    await float32('decoder_norm', norms);
    if (encoderDecoder) await float32('encoder_decoder_cosine', encoderDecoder);
    await columns.append('rule', 'int32', rules.rule);
    await float32('rule_f1', rules.f1);
    await float32('rule_precision', rules.precision);
    await float32('rule_recall', rules.recall);
    return await columns.finish();
  } finally {
    await columns.discard();
  }
}
/** The columns of examples with their types. */
function exampleTypes(hasTokens: boolean, labelColumns: number) {
  const types: [string, 'int64' | 'int32' | 'float32' | 'float16'][] = [
    ['row', 'int64'],
    ['value', 'float32'],
    ['group', 'int32'],
    ['sequence', 'int64'],
    ['position', 'int32'],
    ['qualifying', 'int32'],
    ['context_length', 'int32'],
    ['context_values', 'float16'],
  ];
  if (hasTokens) types.push(['context_tokens', 'int32']);
  for (let column = 0; column < labelColumns; column++) types.push([`label_${column}`, 'int32']);
  return types;
}

/**
 * Writes a latent's examples with their contexts.
 * @returns the number of positions written
 */
async function writeExamples(
  chosen: readonly ChosenExample[],
  columns: GrowingColumns,
  records: RowRecords,
  hasTokens: boolean,
  labelColumns: number,
): Promise<number> {
  const count = chosen.length;
  if (count === 0) return 0;
  const positions = chosen.reduce((sum, { before, after }) => sum + before + after + 1, 0);
  const values = new Float32Array(positions);
  const tokens = new Int32Array(hasTokens ? positions : 0);
  const [sequence, row, value] = [new Float64Array(count), new Float64Array(count), new Float32Array(count)];
  const [position, group, qualifying, length] = Array.from({ length: 4 }, () => new Int32Array(count)) as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const labels = Array.from({ length: labelColumns }, () => new Int32Array(count));
  let start = 0;
  for (const [i, example] of chosen.entries()) {
    const { before, after } = example;
    length[i] = before + after + 1;
    const context = records.read(example.row - before, length[i]!);
    values[start + before] = example.value;
    const { offsets, values: others } = example.pool;
    for (let other = example.poolStart; other < example.poolEnd; other++) {
      values[start + before + offsets[other]!] = others[other]!;
    }
    if (hasTokens) for (let at = 0; at < length[i]!; at++) tokens[start + at] = context.token(at);
    row[i] = example.row;
    value[i] = example.value;
    group[i] = example.group;
    sequence[i] = context.sequence(before);
    position[i] = context.position(before);
    qualifying[i] = before;
    for (const [column, codes] of labels.entries()) codes[i] = context.label(before, column);
    start += length[i]!;
  }
  await columns.append('row', 'int64', row);
  await columns.append('value', 'float32', value);
  await columns.append('group', 'int32', group);
  await columns.append('sequence', 'int64', sequence);
  await columns.append('position', 'int32', position);
  await columns.append('qualifying', 'int32', qualifying);
  await columns.append('context_length', 'int32', length);
  await columns.append('context_values', 'float16', values);
  if (hasTokens) await columns.append('context_tokens', 'int32', tokens);
  for (const [column, codes] of labels.entries()) await columns.append(`label_${column}`, 'int32', codes);
  return positions;
}

/** Writes `tokens.safetensors`. */
export async function writeTokens(folder: PendingFolder, texts: TokenTexts): Promise<BundleFileEntry> {
  const encoder = new TextEncoder();
  const parts = texts.map(text => encoder.encode(text));
  const offsets = new Int32Array(parts.length + 1);
  parts.forEach(({ byteLength }, i) => {
    offsets[i + 1] = offsets[i]! + byteLength;
  });
  const bytes = new Uint8Array(offsets.at(-1)!);
  for (const [i, part] of parts.entries()) bytes.set(part, offsets[i]!);
  const columns = folder.columns(BUNDLE_FILES.tokens);
  try {
    await columns.append('offsets', 'int32', offsets);
    await columns.append('text', 'uint8', bytes);
    return await columns.finish();
  } finally {
    await columns.discard();
  }
}
