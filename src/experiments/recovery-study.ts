/**
 * How dependable an initialisation is: many autoencoders that differ in nothing but their seed, trained on one toy model's hidden
 * activations, and how many of its directions they find, at step 0 and at the end.
 */

import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { mean, sum } from 'd3-array';
import { duplicates } from '../analysis/duplicates.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { type Recovery, recovery } from '../analysis/recovery.ts';
import { wilsonInterval } from '../analysis/wilson-interval.ts';
import { sparseFeatures } from '../data/sparse-features.ts';
import { toyModelActivations } from '../data/toy-model-activations.ts';
import { sha256OfFile } from '../files/file-hash.ts';
import type { Initialisation } from '../models/initialisation.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { plotDirectionSnapshots, plotRecovery, plotRecoveryRates, type RecoveryRate } from '../plots/figure-data.ts';
import type { HostTensor } from '../tensor.ts';
import type { ModelSnapshot } from '../training/history.ts';
import { trainSaes } from '../training/node.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';
import type { ExperimentContext } from './context.ts';
import { historyFile, requireFinished, writeJson, writeTable } from './run-files.ts';
import { trainingOptions } from './run-options.ts';
import { heldOutActivations, recoveryThreshold, type SaeRunSettings, saeSettings } from './sae-run.ts';
import { textTable } from './text-table.ts';

export interface RecoveryStudySettings extends Omit<SaeRunSettings, 'init'> {
  readonly inits: readonly Initialisation[];
  /** Seeds of the autoencoders: `seed`, `seed` + 1, … */
  readonly seeds: number;
  /** Whether b_dec is held where it starts. Default false. */
  readonly holdBias?: boolean;
  /** How many are trained side by side. */
  readonly atOnce: number;
}

/** Side by side, more autoencoders amortise a step's overhead until their batches no longer fit the cache. */
export const AT_ONCE = 8;

/** What one autoencoder has at one moment. */
export interface Score {
  readonly recovered: number;
  readonly dead: number;
  readonly duplicates: number;
}

export interface SeedResult {
  readonly seed: number;
  readonly before: Score;
  readonly after: Score;
  readonly loss: number;
  /** How far b_dec is from where it started, the activations' geometric median. */
  readonly biasMoved: number;
  /** Its decoder directions over training. */
  readonly snapshots: readonly ModelSnapshot[];
}

/** What the seeds of one initialisation came to at one moment, with 95% Wilson intervals. */
export interface RecoverySummary {
  readonly init: Initialisation;
  readonly step: number;
  /** Share of seeds that found every direction. */
  readonly all: Rate;
  /** Share of directions found, over all seeds. */
  readonly each: Rate;
  /** Mean number a seed. */
  readonly dead: number;
  readonly duplicates: number;
}

export interface Rate {
  readonly found: number;
  readonly of: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Runs the study on the frozen toy model `file`, whose weight is [n_features, n_hidden]. Writes `results.csv`, a row a seed;
 * `summary.json`; the figures `recovery-rates` and `recovery-curves`; and for each initialisation a folder with `seed-N.onnx` and
 * `seed-N.history.json`; in two dimensions also the figures `INIT-found` and `INIT-fewest`.
 */
export async function runRecoveryStudy(
  settings: RecoveryStudySettings,
  toyModel: { readonly file: string; readonly weight: HostTensor },
  context: ExperimentContext,
): Promise<readonly RecoverySummary[]> {
  const { inits, steps, seeds } = settings;
  const nFeatures = toyModel.weight.shape[0]!;
  const results = new Map<Initialisation, SeedResult[]>();
  const curves: { name: string; steps: readonly number[]; fraction: readonly number[] }[] = [];
  for (const init of inits) {
    const { results: own, curve } = await studyInitialisation(init, settings, toyModel, context);
    results.set(init, own);
    curves.push({ name: init, ...curve });
    context.log(
      `${init}: ${own.filter(({ after }) => after.recovered === nFeatures).length} of ${seeds} seeds found all`,
    );
  }
  const summaries = [...results].flatMap(([init, own]) => summarise(init, own, nFeatures, steps));
  const rows = [...results].flatMap(([init, own]) => own.map(result => tableRow(init, result)));
  context.log(`\n${textTable(OUTCOME_HEADER, outcomes([...results.values()].flat()))}`);
  await writeTable(join(context.folder, 'results.csv'), rows);
  await writeJson(join(context.folder, 'summary.json'), summaries);
  const held = settings.holdBias ? ', b_dec held' : '';
  const what = `${toyModel.weight.shape[1]}→${settings.dSae} ${settings.activation.kind}${held}, ${seeds} seeds each`;
  const intervals = `${what}, with 95% Wilson intervals`;
  await context.draw('recovery-rates', plotRecoveryRates(rates(summaries, nFeatures), { subtitle: intervals }));
  const all = `${what}; every latent counts, whether it fires or not`;
  await context.draw('recovery-curves', plotRecovery(curves, { subtitle: all, logSteps: true }));
  return summaries;
}

/** Trains all seeds of one initialisation, some at a time. */
async function studyInitialisation(
  init: Initialisation,
  settings: RecoveryStudySettings,
  toyModel: { readonly file: string; readonly weight: HostTensor },
  context: ExperimentContext,
) {
  const { sparsity, batchSize, steps, seeds, seed: firstSeed, atOnce } = settings;
  const { weight, file } = toyModel;
  const [nFeatures, dIn] = weight.shape as [number, number];
  const data = toyModelActivations(weight, sparseFeatures({ nFeatures, sparsity }));
  const heldOut = await heldOutActivations(data, settings);
  const trainedOn = await sha256OfFile(file);
  const folder = join(context.folder, init);
  await mkdir(folder, { recursive: true });
  const own = saeSettings({ ...settings, init }, data);
  const start = { ...own.start, ...(settings.holdBias && { holdBias: true }) };
  const snapshotAt = snapshotSteps(steps);
  const results: SeedResult[] = [];
  const found = new Float64Array(snapshotAt.length);
  for (let first = 0; first < seeds; first += atOnce) {
    const group = Array.from({ length: Math.min(atOnce, seeds - first) }, (_, i) => firstSeed + first + i);
    const name = `${init}-${group[0]}`;
    const label = `${init}, seeds ${group[0]}–${group.at(-1)}`;
    // All seeds start from one sample, so that they differ in what they draw from it alone.
    const trained = await trainSaes(
      { ...own, start, sampleSeed: firstSeed, vary: group.map(seed => ({ seed })) },
      { ...trainingOptions(context, { name, label, steps }), snapshotAt },
    );
    requireFinished(trained[0]!, `the study of ${init}`, context);
    for (const [i, { sae, start: before, history, engine }] of trained.entries()) {
      const { loss, snapshots } = history;
      const seed = group[i]!;
      const result: SeedResult = {
        seed,
        before: score(before, weight, heldOut),
        after: score(sae, weight, heldOut),
        loss: mean(loss.subarray(-Math.ceil(steps / 20)))!,
        biasMoved: distance(biasOf(before), biasOf(sae)),
        snapshots,
      };
      results.push(result);
      for (const [at, { directions }] of snapshots.entries()) found[at]! += shareFound(directions, weight);
      const record = {
        seed,
        data: { kind: 'sparse', sparsity, toy_model: basename(file) },
        steps,
        batch: batchSize,
        optimizer: own.optimizer,
        ...(settings.holdBias && { hold_bias: true }),
        engine: `${engine.engine} (${engine.provider})`,
        metrics: { step_0: { loss: loss[0], ...result.before }, end: { ...result.after, loss: result.loss } },
      };
      await sae.save(join(folder, `seed-${seed}.onnx`), { training: record, init, trainedOn });
      await writeJson(join(folder, `seed-${seed}.history.json`), historyFile(history), false);
    }
  }
  if (dIn === 2) await drawExtremes(init, results, weight, context);
  return { results, curve: { steps: snapshotAt, fraction: Array.from(found, sum => sum / seeds) } };
}

/** Draws how the first seed that found every direction in training got there, and where the one that found fewest ended. */
async function drawExtremes(
  init: Initialisation,
  results: readonly SeedResult[],
  weight: HostTensor,
  context: ExperimentContext,
): Promise<void> {
  const of = weight.shape[0]!;
  const all = results.filter(({ after }) => after.recovered === of);
  const found = all.find(({ before }) => before.recovered < of) ?? all[0];
  const fewest = results.reduce((least, next) => (next.after.recovered < least.after.recovered ? next : least));
  for (const [name, result] of [
    ['found', found],
    ['fewest', fewest],
  ] as const) {
    if (!result) continue;
    const { seed, before, after, snapshots } = result;
    const figure = plotDirectionSnapshots(weight, panelsOf(snapshots), {
      title: `An SAE finds ${after.recovered} of ${of} directions`,
      subtitle: `initialisation ${init}, seed ${seed}: ${before.recovered} at step 0; the toy model's directions dashed`,
    });
    await context.draw(`${init}-${name}`, figure);
  }
}

/** The start, the end, and three snapshots between on a log scale, where learning happens. */
function panelsOf(snapshots: readonly ModelSnapshot[]): { label: string; directions: HostTensor }[] {
  const end = snapshots.at(-1)!.step;
  const nearest = (wanted: number): ModelSnapshot =>
    snapshots.reduce((best, next) => (Math.abs(next.step - wanted) < Math.abs(best.step - wanted) ? next : best));
  const shown = new Set([0, end / 400, end / 100, end / 20, end].map(nearest));
  return [...shown].map(({ step, directions }) => ({ label: `SAE@${step}`, directions }));
}

function score(sae: SparseAutoencoder, trueDirections: HostTensor, heldOut: HostTensor): Score {
  const density = new FiringDensity();
  density.add(sae.encode(heldOut));
  const { alive, dead } = density.compute();
  const directions = sae.featureDirections();
  const found = matched(directions, trueDirections, alive);
  return { recovered: found.recovered, dead: dead.length, duplicates: duplicates(directions, { alive }).length };
}

function matched(directions: HostTensor, trueDirections: HostTensor, alive?: readonly boolean[]): Recovery {
  const threshold = recoveryThreshold(trueDirections.shape[0]!);
  return recovery({ directions, trueDirections, threshold, ...(alive && { alive }) });
}

/** During training only directions are kept, so latents count whether they fire or not. */
function shareFound(directions: HostTensor, trueDirections: HostTensor): number {
  return matched(directions, trueDirections).share;
}

function summarise(
  init: Initialisation,
  results: readonly SeedResult[],
  nFeatures: number,
  steps: number,
): RecoverySummary[] {
  const at = (step: number, scores: readonly Score[]): RecoverySummary => ({
    init,
    step,
    all: rate(scores.filter(({ recovered }) => recovered === nFeatures).length, scores.length),
    each: rate(
      sum(scores, ({ recovered }) => recovered),
      scores.length * nFeatures,
    ),
    dead: mean(scores, ({ dead }) => dead)!,
    duplicates: mean(scores, score => score.duplicates)!,
  });
  return [
    at(
      0,
      results.map(({ before }) => before),
    ),
    at(
      steps,
      results.map(({ after }) => after),
    ),
  ];
}

function rate(found: number, of: number): Rate {
  return { found, of, rate: found / of, ...wilsonInterval(found, of) };
}

function rates(summaries: readonly RecoverySummary[], nFeatures: number): RecoveryRate[] {
  const entry = (summary: RecoverySummary, measure: string, { rate, low, high }: Rate): RecoveryRate => ({
    group: summary.init,
    series: `step ${summary.step.toLocaleString('en')}`,
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

function tableRow(
  init: Initialisation,
  { seed, before, after, loss, biasMoved }: SeedResult,
): Record<string, string | number> {
  return {
    init,
    seed,
    recovered_step_0: before.recovered,
    recovered_end: after.recovered,
    dead_step_0: before.dead,
    dead_end: after.dead,
    duplicates_step_0: before.duplicates,
    duplicates_end: after.duplicates,
    loss_end: loss,
    bias_moved: biasMoved,
  };
}

const OUTCOME_HEADER = ['directions found', 'seeds', 'loss', 'b_dec moved by'];

/** What seeds that found equally many directions end with, whatever their initialisation. */
function outcomes(results: readonly SeedResult[]): string[][] {
  const counts = [...new Set(results.map(({ after }) => after.recovered))].sort((a, b) => a - b);
  return counts.map(found => {
    const own = results.filter(({ after }) => after.recovered === found);
    const range = (values: readonly number[], digits: number): string =>
      `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`;
    const losses = range(
      own.map(({ loss }) => loss),
      4,
    );
    const moved = range(
      own.map(({ biasMoved }) => biasMoved),
      3,
    );
    return [String(found), String(own.length), losses, moved];
  });
}

function biasOf({ state }: SparseAutoencoder): Float32Array {
  return state.parameters['b_dec']!.data;
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.hypot(...a.map((value, i) => value - b[i]!));
}
