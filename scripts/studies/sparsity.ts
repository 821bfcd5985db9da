/** How many latents should be active: TopK autoencoders that differ in k, with and without the loss that revives dead latents. */
import { join } from 'node:path';
import { max, mean, min } from 'd3-array';
import { textTable } from '../../src/experiments/text-table.ts';
import { drawFeatures, readToyModel, trueL0 } from '../../src/experiments/toy-model-truth.ts';
import { plotSparsitySweep, type SparsitySweepSeries } from '../../src/plots/index.ts';
import { writeFigure } from '../../src/plots/node.ts';
import type { RunResult } from '../../src/sweeps/sweep-folder.ts';
import { type DoneSweep, FEATURES_DRAWN, grouped, metricOf, toyModelOf } from './study.ts';

const MEANS = ['mean_cosine', 'explained_variance', 'never_fired', 'duplicates', 'feature_f1'];

/** Writes the figure `sparsity-sweep`: means over seeds, bands from lowest to highest. */
export async function drawSparsity({ summary, out }: DoneSweep): Promise<string> {
  const truth = await readToyModel(toyModelOf(summary));
  const [represented, dIn] = truth.directions.shape as [number, number];
  const activeFeatures = trueL0(truth, drawFeatures(truth, FEATURES_DRAWN));
  const dSae = Number(summary.runs[0]!.settings['dSae']);
  const byK = [...grouped(summary.runs, ({ settings }) => String(settings['k']))].sort(
    ([a], [b]) => Number(a) - Number(b),
  );
  const seeds = new Set(summary.runs.map(({ settings }) => settings['seed'])).size;
  const share = (name: string, revived: boolean, of: (run: RunResult) => number): SparsitySweepSeries => {
    const at = byK.map(([, runs]) => runs.filter(run => isRevived(run) === revived).map(of));
    return {
      name,
      k: byK.map(([k]) => Number(k)),
      share: at.map(values => mean(values)!),
      low: at.map(values => min(values)!),
      high: at.map(values => max(values)!),
      isVariant: revived,
    };
  };
  const recovered = (run: RunResult): number => metricOf(run, 'recovered_share');
  const dead = (run: RunResult): number => metricOf(run, 'never_fired') / dSae;
  const figure = plotSparsitySweep(
    [
      share(`of ${represented} features recovered`, false, recovered),
      share('recovered with AuxK', true, recovered),
      share(`of ${dSae} latents dead`, false, dead),
      share('dead with AuxK', true, dead),
      share('variance explained', false, run => metricOf(run, 'explained_variance')),
    ],
    {
      trueL0: activeFeatures,
      subtitle: `TopK ${dIn}→${dSae}, ${seeds} seeds each; ${activeFeatures.toFixed(1)} represented features are active in a sample`,
    },
  );
  await writeFigure(figure, join(out, 'sparsity-sweep'));
  const rows = byK.flatMap(([k, runs]) =>
    [false, true].map(revived => {
      const own = runs.filter(run => isRevived(run) === revived);
      const counts = own.map(run => metricOf(run, 'recovered'));
      const means = MEANS.map(name => mean(own, run => metricOf(run, name))!.toFixed(3));
      return [k, revived ? 'yes' : '', `${min(counts)}–${max(counts)}`, ...means];
    }),
  );
  return `${textTable(['k', 'AuxK', `recovered of ${represented}`, ...MEANS], rows)}\n\nranges and means over ${seeds} seeds`;
}

function isRevived({ settings }: RunResult): boolean {
  return settings['auxK'] !== undefined;
}
