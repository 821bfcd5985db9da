/**
 * The feature bundles that are open: results about an autoencoder's latents that were computed elsewhere, over all of
 * its rows.
 */
import { computed, signal } from '@preact/signals';
import type { FeatureBundle, FeatureOverview } from '../../../src/features/open-bundle.ts';
import type { Rule } from '../../../src/features/rule.ts';
import type { FiringSummary, Histogram } from '../data/firings.ts';
import { sae } from './models.ts';
import { fittingRows } from './rows.ts';

/** A feature bundle, with what every page about it needs. */
export interface OpenBundle {
  readonly name: string;
  readonly bundle: FeatureBundle;
  readonly overview: FeatureOverview;
  readonly rules: readonly Rule[];
  /** Its facts about all latents, in the form that a run over rows gives them. */
  readonly summary: FiringSummary;
  /** Its files by name, as far as they are on this machine. */
  readonly files: ReadonlyMap<string, Blob>;
  /** The model whose latents they are: its hash, or a name for a bundle without one. */
  readonly model: string;
}

/** All bundles that are open. */
export const bundles = signal<readonly OpenBundle[]>([]);

/**
 * The bundle of the autoencoder in view; undefined where there is none, or where the person's own rows are open, which
 * come first.
 */
export const bundleInUse = computed(() => {
  const model = sae.value;
  return model && !fittingRows.value ? bundles.value.findLast(({ model: id }) => id === model.id) : undefined;
});

/** Reads the parts of a bundle that every page about it needs. */
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
