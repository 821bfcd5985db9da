/** Feature bundles that are open: what was reckoned about an autoencoder's latents elsewhere, on all of its rows. */
import { computed, signal } from '@preact/signals';
import type { FeatureBundle, FeatureOverview } from '../../../src/features/open-bundle.ts';
import type { Rule } from '../../../src/features/rule.ts';
import type { FiringSummary, Histogram } from '../data/firings.ts';
import { sae } from './models.ts';
import { fittingRows } from './rows.ts';

export interface OpenBundle {
  readonly name: string;
  readonly bundle: FeatureBundle;
  readonly overview: FeatureOverview;
  readonly rules: readonly Rule[];
  /** What it says of all latents, as a run over rows would. */
  readonly summary: FiringSummary;
  /** Its files by name, where they are on this machine. */
  readonly files: ReadonlyMap<string, Blob>;
  /** The model whose latents they are: its hash, or a name for a bundle without one. */
  readonly model: string;
}

export const bundles = signal<readonly OpenBundle[]>([]);

/** The bundle of the autoencoder in view; the person's own rows count for more. */
export const bundleInUse = computed(() => {
  const model = sae.value;
  return model && !fittingRows.value ? bundles.value.findLast(({ model: id }) => id === model.id) : undefined;
});

/** Reads what every page of a bundle needs. */
export async function readBundle(
  name: string,
  bundle: FeatureBundle,
  files: ReadonlyMap<string, Blob>,
): Promise<OpenBundle> {
  const [overview, rules] = await Promise.all([bundle.overview(), bundle.rules()]);
  const { sae: about, activations, statistics } = bundle.manifest;
  const { l0 } = statistics;
  const width = l0.bin_width;
  const histogram: Histogram = { from: -width / 2, to: l0.counts.length * width - width / 2, counts: l0.counts };
  const best = new Int32Array(about.d_sae).fill(-1);
  best.set(overview.rule);
  const summary: FiringSummary = {
    rows: activations.rows,
    of: activations.rows,
    density: overview.density,
    mean: overview.meanActive,
    max: overview.max,
    l0: l0.mean ?? 0,
    l0Histogram: histogram,
    explainedVariance: statistics.explained_variance ?? undefined,
    explainedVarianceWithoutSinks: statistics.explained_variance_without_sinks ?? undefined,
    sinks: statistics.sink_rows,
    silent: statistics.never_fired,
    labels:
      rules.length > 0
        ? {
            names: rules.map(({ text }) => text),
            best,
            f1: overview.ruleF1.map(value => (Number.isNaN(value) ? 0 : value)),
          }
        : undefined,
  };
  return { name, bundle, overview, rules, summary, files, model: about.sha256 ?? `bundle ${name}` };
}
