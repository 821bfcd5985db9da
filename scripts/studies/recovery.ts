/**
 * How dependable an initialisation is: autoencoders that differ only in their seed are trained on the hidden
 * activations of one toy model, and the directions that they found are counted at step 0 and at the end.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { max, mean, min, sum } from 'd3-array';
import { recovery } from '../../src/analysis/recovery.ts';
import { wilsonInterval } from '../../src/analysis/wilson-interval.ts';
import { type History, writeJson } from '../../src/experiments/run-files.ts';
import { recoveryThreshold } from '../../src/experiments/sae-run.ts';
import { percent, textTable } from '../../src/experiments/text-table.ts';
import { readToyModel } from '../../src/experiments/toy-model-truth.ts';
import { plotDirectionSnapshots, plotRecovery, plotRecoveryRates, type RecoveryRate } from '../../src/plots/index.ts';
import { writeFigure } from '../../src/plots/node.ts';
import type { RunResult } from '../../src/sweeps/sweep-folder.ts';
import type { HostTensor } from '../../src/tensor.ts';
import { type DoneSweep, grouped, historyOf, metricOf, tensorOf, toyModelOf } from './study.ts';

/** Initialisations in the order of the README's table. */
const ORDER = ['gaussian', 'activations', 'spread'];

interface Rate {
  readonly found: number;
  readonly of: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
}

/** What the seeds of one initialisation came to at one moment, with 95% Wilson intervals. */
export interface RecoverySummary {
  readonly bias: 'trained' | 'held';
  readonly init: string;
  readonly step: number;
  /** Share of seeds that found every direction. */
  readonly all: Rate;
  /** Share of directions found, over all seeds. */
  readonly each: Rate;
  /** Latents that never fire, a seed. */
  readonly dead: number;
  readonly duplicates: number;
}

/**
 * Writes `rates.json` (RecoverySummary); the figures `recovery-rates` and `recovery-curves` of the runs whose bias is trained; of each initialisation the
 * figures `INIT-found` and `INIT-fewest`; and the model and the history of the latter.
 */
export async function drawRecovery({ folder, summary, out }: DoneSweep): Promise<string> {
  const truth = await readToyModel(toyModelOf(summary));
  const nFeatures = truth.directions.shape[0]!;
  const ordered = summary.runs.toSorted((a, b) => ORDER.indexOf(initOf(a)) - ORDER.indexOf(initOf(b)));
  const summaries: RecoverySummary[] = [];
  const outcomes: string[] = [];
  for (const [bias, isHeld] of [
    ['trained', false],
    ['held', true],
  ] as const) {
    const runs = ordered.filter(({ settings }) => (settings['holdBias'] === true) === isHeld);
    if (runs.length === 0) continue;
    for (const [init, own] of grouped(runs, initOf)) summaries.push(...summarise(own, { bias, init, nFeatures }));
    outcomes.push(`b_dec ${bias}\n${textTable(OUTCOME_HEADER, outcomesOf(runs))}`);
  }
  await writeJson(join(out, 'rates.json'), summaries);

  const trained = grouped(
    ordered.filter(({ settings }) => settings['holdBias'] !== true),
    initOf,
  );
  const [some] = [...trained.values()] as [RunResult[]];
  const { dSae = 5, activation } = some[0]!.settings;
  const what = `${truth.weight.shape[1]}→${dSae} ${activation}, ${some.length} seeds each`;
  const rates = summaries.filter(({ bias }) => bias === 'trained');
  const intervals = `${what}, with 95% Wilson intervals`;
  await writeFigure(plotRecoveryRates(shown(rates, nFeatures), { subtitle: intervals }), join(out, 'recovery-rates'));

  const threshold = recoveryThreshold(nFeatures);
  const shareOf = (directions: HostTensor): number =>
    recovery({ directions, trueDirections: truth.directions, threshold }).share;
  const curves = [];
  for (const [name, runs] of trained) {
    const histories: History[] = [];
    for (const run of runs) histories.push(await historyOf(run, folder));
    const { steps } = histories[0]!;
    const found = histories.map(({ directions }) => directions.map(rows => shareOf(tensorOf(rows))));
    curves.push({ name, steps, fraction: steps.map((_, i) => mean(found, shares => shares[i]!)!) });
    if (truth.weight.shape[1] === 2) await drawExtremes(name, runs, histories);
  }
  const all = `${what}; every latent counts, whether it fires or not`;
  await writeFigure(plotRecovery(curves, { subtitle: all, logSteps: true }), join(out, 'recovery-curves'));
  const header = ['b_dec', 'init', 'step', 'found all', '95%', 'directions found', '95%', 'dead', 'duplicates'];
  return [textTable(header, summaries.map(cells)), ...outcomes].join('\n\n');

  /** How the first seed that found every direction in training got there, and where the one that found fewest ended. */
  async function drawExtremes(init: string, runs: readonly RunResult[], histories: readonly History[]): Promise<void> {
    const complete = runs.filter(run => metricOf(run, 'recovered') === nFeatures);
    const found = complete.find(run => metricOf(run, 'recovered_at_start') < nFeatures) ?? complete[0];
    const fewest = runs.reduce((least, next) =>
      metricOf(next, 'recovered') < metricOf(least, 'recovered') ? next : least,
    );
    for (const [name, run] of [
      ['found', found],
      ['fewest', fewest],
    ] as const) {
      if (!run) continue;
      const figure = plotDirectionSnapshots(truth.weight, panelsOf(histories[runs.indexOf(run)]!), {
        title: `An SAE finds ${metricOf(run, 'recovered')} of ${nFeatures} directions`,
        subtitle: `initialisation ${init}, seed ${run.settings['seed']}: ${metricOf(run, 'recovered_at_start')} at step 0; the toy model's directions dashed`,
      });
      await writeFigure(figure, join(out, `${init}-${name}`));
    }
    await copyFile(folder.file('model', fewest.id), join(out, `${init}-fewest.onnx`));
    await copyFile(folder.file('history', fewest.id), join(out, `${init}-fewest.history.json`));
  }
}

function initOf({ settings }: RunResult): string {
  return String(settings['init']);
}

/** The start, the end, and three snapshots between on a log scale, where learning happens. */
function panelsOf({ steps, directions }: History): { label: string; directions: HostTensor }[] {
  const end = steps.at(-1)!;
  const nearest = (wanted: number): number =>
    steps.reduce((best, step, i) => (Math.abs(step - wanted) < Math.abs(steps[best]! - wanted) ? i : best), 0);
  const at = new Set([0, end / 400, end / 100, end / 20, end].map(nearest));
  return [...at].map(i => ({ label: `SAE@${steps[i]}`, directions: tensorOf(directions[i]!) }));
}

function summarise(
  runs: readonly RunResult[],
  { nFeatures, ...which }: { readonly bias: 'trained' | 'held'; readonly init: string; readonly nFeatures: number },
): RecoverySummary[] {
  const at = (step: number, suffix: string): RecoverySummary => {
    const recovered = runs.map(run => metricOf(run, `recovered${suffix}`));
    return {
      ...which,
      step,
      all: rate(recovered.filter(count => count === nFeatures).length, runs.length),
      each: rate(sum(recovered), runs.length * nFeatures),
      dead: mean(runs, run => metricOf(run, `never_fired${suffix}`))!,
      duplicates: mean(runs, run => metricOf(run, `duplicates${suffix}`))!,
    };
  };
  return [at(0, '_at_start'), at(Number(runs[0]!.settings['steps']), '')];
}

function rate(found: number, of: number): Rate {
  return { found, of, rate: found / of, ...wilsonInterval(found, of) };
}

function shown(summaries: readonly RecoverySummary[], nFeatures: number): RecoveryRate[] {
  const entry = ({ init, step }: RecoverySummary, measure: string, { rate, low, high }: Rate): RecoveryRate => ({
    group: init,
    series: `step ${step.toLocaleString('en')}`,
    measure,
    rate,
    low,
    high,
  });
  return [
    ...summaries.map(summary => entry(summary, `seeds that found all ${nFeatures} directions`, summary.all)),
    ...summaries.map(summary => entry(summary, 'directions found', summary.each)),
  ];
}

function cells({ bias, init, step, all, each, dead, duplicates }: RecoverySummary): string[] {
  const rates = [all, each].flatMap(({ found, of, rate, low, high }) => [
    `${found}/${of} ${percent(rate)}`,
    `${percent(low)}–${percent(high)}`,
  ]);
  return [bias, init, step.toLocaleString('en'), ...rates, dead.toFixed(2), duplicates.toFixed(2)];
}

const OUTCOME_HEADER = ['directions found', 'seeds', 'loss', 'b_dec moved by'];

/** What seeds that found equally many directions end with, whatever their initialisation. */
function outcomesOf(runs: readonly RunResult[]): string[][] {
  const byFound = grouped(runs, run => String(metricOf(run, 'recovered')));
  const range = (values: readonly number[], digits: number): string =>
    `${min(values)!.toFixed(digits)}–${max(values)!.toFixed(digits)}`;
  return [...byFound]
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([found, own]) => {
      const losses = own.map(run => metricOf(run, 'loss'));
      const moved = own.map(run => metricOf(run, 'bias_moved'));
      return [found, String(own.length), range(losses, 4), range(moved, 3)];
    });
}
