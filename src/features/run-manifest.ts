/** Makes `bundle.json` from the counts of a run. */
import { BUNDLE_FORMAT, BUNDLE_VERSION, type BundleManifest, type BundleSettings } from './bundle-manifest.ts';
import type { RuleChoice } from './choose-rules.ts';
import type { FeatureRows } from './feature-rows.ts';
import type { RowCounters } from './row-counters.ts';

/** What the manifest is made from. */
export interface RunManifestParts {
  readonly source: FeatureRows;
  readonly foldDecoderNorm: boolean;
  readonly tokenizer: BundleManifest['activations']['tokenizer'];
  readonly settings: BundleSettings;
  readonly file: { readonly name: string | null; readonly sha256: string | null };
  readonly dimensions: { readonly dIn: number; readonly dSae: number; readonly dOut: number };
  readonly config: Readonly<Record<string, unknown>> | null;
  readonly counters: RowCounters;
  readonly rules: RuleChoice;
  readonly coactivation: BundleManifest['coactivation'];
  readonly labels: readonly string[];
  readonly files: BundleManifest['files'];
}

/** The manifest of a bundle whose other files were written. */
export function manifestOf(parts: RunManifestParts): BundleManifest {
  const {
    source,
    foldDecoderNorm,
    tokenizer,
    settings,
    file,
    dimensions,
    config,
    counters,
    rules,
    coactivation,
    labels,
    files,
  } = parts;
  const { provenance } = source;
  const variance = counters.variance.compute();
  // Rules are of tokens, labels or positions.
  const canHaveRules = source.hasTokens || labels.length > 0 || counters.sequences > 0;
  const finite = (value: number | undefined): number | null => (Number.isFinite(value) ? value! : null);
  return {
    format: BUNDLE_FORMAT,
    version: BUNDLE_VERSION,
    byte_order: 'little',
    created_by: 'monosemantic',
    sae: {
      ...file,
      d_in: dimensions.dIn,
      d_sae: dimensions.dSae,
      d_out: dimensions.dOut,
      fold_decoder_norm: foldDecoderNorm,
      config,
    },
    activations: {
      kind: provenance.kind,
      rows: counters.rows,
      sequences: counters.sequences > 0 ? counters.sequences : null,
      sha256: counters.hash.digest('hex'),
      files: provenance.files ?? [],
      model: provenance.model ?? null,
      tensor: provenance.tensor ?? null,
      target: provenance.target ?? null,
      tokenizer,
    },
    context: source.hasTokens ? 'tokens' : 'rows',
    settings,
    statistics: {
      never_fired: counters.statistics.count.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0),
      negative_activations: counters.negatives,
      l0: l0Report(counters.l0, counters.rows),
      log10_density: densityReport(counters.statistics.count, counters.rows),
      explained_variance: finite(variance.explained),
      explained_variance_without_sinks: finite(variance.explainedWithoutSinks),
      median_norm: variance.medianNorm,
      sink_norm: variance.sinkNorm,
      sink_rows: variance.sinkRows,
    },
    coactivation,
    rules: canHaveRules ? { rows: rules.rows - rules.heldOutRows, held_out_rows: rules.heldOutRows } : null,
    labels,
    files,
  };
}

const L0_BINS = 100;
const DENSITY_BINS_PER_DECADE = 10;

function l0Report(counts: Float64Array, rows: number): BundleManifest['statistics']['l0'] {
  let [sum, min, max] = [0, counts.length - 1, 0];
  counts.forEach((count, l0) => {
    if (count === 0) return;
    sum += count * l0;
    min = Math.min(min, l0);
    max = l0;
  });
  const width = Math.ceil((max + 1) / L0_BINS);
  const binned = new Array<number>(Math.floor(max / width) + 1).fill(0);
  for (let l0 = 0; l0 <= max; l0++) binned[Math.floor(l0 / width)]! += counts[l0]!;
  return { mean: sum / rows, min, max, bin_width: width, counts: binned };
}

function densityReport(counts: Float64Array, rows: number): BundleManifest['statistics']['log10_density'] {
  const start = Math.floor(-Math.log10(rows));
  const binned = new Array<number>(Math.max(1, -start * DENSITY_BINS_PER_DECADE)).fill(0);
  for (const count of counts) {
    if (count === 0) continue;
    const bin = Math.floor((Math.log10(count / rows) - start) * DENSITY_BINS_PER_DECADE);
    binned[Math.min(binned.length - 1, Math.max(0, bin))]!++;
  }
  return { start, bin_width: 1 / DENSITY_BINS_PER_DECADE, counts: binned };
}
