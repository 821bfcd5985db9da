/** Autoencoders of several architectures and initialisations on one toy model of clustered features: what they recover of its directions. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mean } from 'd3-array';
import { recovery } from '../../src/analysis/recovery.ts';
import { recoveryThreshold } from '../../src/experiments/sae-run.ts';
import { textTable } from '../../src/experiments/text-table.ts';
import { drawFeatures, readToyModel, trueL0 } from '../../src/experiments/toy-model-truth.ts';
import { plotCosineHeatMap, plotRecovery } from '../../src/plots/index.ts';
import { writeFigure } from '../../src/plots/node.ts';
import { numberText } from '../../src/sweeps/setting-text.ts';
import type { RunResult } from '../../src/sweeps/sweep-folder.ts';
import { type DoneSweep, FEATURES_DRAWN, grouped, historyOf, metricOf, tensorOf, toyModelOf } from './study.ts';

const METRICS = ['recovered', 'mean_cosine', 'explained_variance', 'l0', 'never_fired', 'duplicates', 'feature_f1'];

/**
 * Writes the figures `recovery` (means over seeds) and `cosines`, of the run that recovers most; and of each ARCHITECTURE-INIT the first seed's model,
 * `ARCHITECTURE-INIT.onnx`.
 */
export async function drawSaeBig({ folder, summary, out }: DoneSweep): Promise<string> {
  const truth = await readToyModel(toyModelOf(summary));
  const [represented, dIn] = truth.directions.shape as [number, number];
  const active = trueL0(truth, drawFeatures(truth, FEATURES_DRAWN)).toFixed(2);
  const size = `${dIn}→${summary.runs[0]!.settings['dSae']}`;
  const subtitle = `${size} autoencoders; ${represented} true features, ${active} active in a sample`;
  const threshold = recoveryThreshold(represented);
  const curves = [];
  for (const [name, runs] of grouped(summary.runs, nameOf)) {
    const shares: number[][] = [];
    let steps: readonly number[] = [];
    for (const run of runs) {
      const history = await historyOf(run, folder);
      steps = history.steps;
      shares.push(
        history.directions.map(rows => {
          const found = recovery({ directions: tensorOf(rows), trueDirections: truth.directions, threshold });
          return found.share;
        }),
      );
    }
    curves.push({ name, steps, fraction: steps.map((_, i) => mean(shares, own => own[i]!)!) });
    await copyFile(folder.file('model', runs[0]!.id), join(out, `${name}.onnx`));
  }
  await writeFigure(plotRecovery(curves, { subtitle, logSteps: true }), join(out, 'recovery'));

  const found = (run: RunResult): number => metricOf(run, 'recovered');
  const best = summary.runs.reduce((most, next) => (found(next) > found(most) ? next : most));
  const directions = tensorOf((await historyOf(best, folder)).directions.at(-1)!);
  const words = `${nameOf(best)}, seed ${best.settings['seed']}: ${found(best)} of ${represented} true features recovered`;
  await writeFigure(plotCosineHeatMap(directions, truth.directions, { subtitle: words }), join(out, 'cosines'));

  const rows = summary.runs.map(run => [
    nameOf(run),
    String(run.settings['seed']),
    String(metricOf(run, 'recovered_at_start')),
    ...METRICS.map(name => numberText(metricOf(run, name))),
  ]);
  return `${textTable(['SAE', 'seed', 'at step 0', ...METRICS], rows)}\n\n${subtitle}`;
}

function nameOf({ settings }: RunResult): string {
  return `${settings['activation']}-${settings['init']}`;
}
