/**
 * Autoencoders of several architectures and initialisations on the activations of one toy model of clustered features, scored by what they
 * recover of its directions and detect of its features.
 */
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { mean } from 'd3-array';
import type { ActivationConfig } from '../models/architectures/registry.ts';
import type { Initialisation } from '../models/initialisation.ts';
import { plotCosineHeatMap, plotRecovery, plotTrainingCurves } from '../plots/figure-data.ts';
import type { HostTensor } from '../tensor.ts';
import { trainSaes } from '../training/node.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';
import {
  type ClusteredTruth,
  readClusteredTruth,
  recoveryOf,
  type SaeScore,
  scoreClustered,
} from './clustered-truth.ts';
import type { ExperimentContext } from './context.ts';
import { lossCurve } from './loss-curve.ts';
import { historyFile, requireFinished, writeJson, writeTable } from './run-files.ts';
import { trainingOptions } from './run-options.ts';
import { saeSettings } from './sae-run.ts';

/** One autoencoder of the comparison. */
export interface SaeVariant {
  readonly activation: ActivationConfig;
  readonly init: Initialisation;
}

export interface SaeBigSettings {
  readonly dSae: number;
  readonly variants: readonly SaeVariant[];
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  /** The first seed, and how many from it on: each variant is trained from every one. */
  readonly seed: number;
  readonly seeds: number;
}

export const SAE_BIG_DEFAULTS = {
  dSae: 100,
  k: 8,
  /** Weight of the L1 penalty of a ReLU autoencoder. */
  l1: 0.003,
  batchSize: 1024,
  steps: 10_000,
  learningRate: 0.001,
  seed: 0,
  seeds: 4,
};

/** TopK from three initialisations, and the other architectures from the best of them. */
export function saeBigVariants({ k, l1 }: { readonly k: number; readonly l1: number }): readonly SaeVariant[] {
  return [
    { activation: { kind: 'topk', k }, init: 'gaussian' },
    { activation: { kind: 'topk', k }, init: 'activations' },
    { activation: { kind: 'topk', k }, init: 'spread' },
    { activation: { kind: 'batchtopk', k }, init: 'spread' },
    { activation: { kind: 'relu', l1 }, init: 'spread' },
  ];
}

export interface ScoredVariant extends SaeVariant {
  /** ARCHITECTURE-INIT. */
  readonly name: string;
  readonly seed: number;
  readonly file: string;
  readonly before: SaeScore;
  readonly after: SaeScore;
}

export interface SaeBigRun {
  /** True features that are both represented by the toy model and active, a sample, on average: what k stands for. */
  readonly trueL0: number;
  readonly represented: number;
  readonly saes: readonly ScoredVariant[];
}

/**
 * Runs the comparison on the toy model `file`, which `runClusteredToyModel` froze: writes for each variant `NAME.onnx` and
 * `NAME.history.json` of its first seed, `NAME-seed-N` of the others; `results.csv`; and the figures `recovery` (means over seeds),
 * `training-curves` (first seeds) and `cosines`, of the one that recovers most.
 */
export async function runSaeBig(
  settings: SaeBigSettings,
  toyModel: { readonly file: string; readonly weight: HostTensor },
  context: ExperimentContext,
): Promise<SaeBigRun> {
  const { weight, file } = toyModel;
  const truth = await readClusteredTruth(toyModel, settings.seed);
  const { trueL0, trainedOn } = truth;
  const represented = truth.directions.shape[0]!;
  context.log(
    `${represented} of ${weight.shape[0]} features are represented; ${trueL0.toFixed(2)} of them are active in a sample, on average`,
  );
  await mkdir(context.folder, { recursive: true });
  const saes: ScoredVariant[] = [];
  const curves = [];
  const recoveries = [];
  const finalDirections = new Map<ScoredVariant, HostTensor>();
  const seeds = Array.from({ length: settings.seeds }, (_, i) => settings.seed + i);
  for (const variant of settings.variants) {
    const { activation, init } = variant;
    const name = `${activation.kind}-${init}`;
    const training = saeSettings({ ...settings, ...variant, decoder: 'reparametrise' }, truth.data);
    const trained = await trainVariant(name, training, seeds, truth, context);
    const shares: number[][] = [];
    for (const [i, { sae, start, history, engine }] of trained.entries()) {
      const seed = seeds[i]!;
      const { loss, snapshots } = history;
      const label = i === 0 ? name : `${name}-seed-${seed}`;
      const [before, after] = [scoreClustered(start, truth), scoreClustered(sae, truth)];
      const record = {
        seed,
        data: { kind: 'clustered', toy_model: basename(file) },
        steps: settings.steps,
        batch: settings.batchSize,
        optimizer: training.optimizer,
        engine: `${engine.engine} (${engine.provider})`,
        metrics: { step_0: before, end: after },
      };
      const saeFile = join(context.folder, `${label}.onnx`);
      await sae.save(saeFile, { training: record, init, trainedOn });
      await writeJson(join(context.folder, `${label}.history.json`), historyFile(history), false);
      const scored = { ...variant, name, seed, file: saeFile, before, after };
      saes.push(scored);
      finalDirections.set(scored, sae.featureDirections());
      if (i === 0) curves.push(lossCurve(name, loss));
      shares.push(snapshots.map(({ directions }) => recoveryOf(directions, truth).share));
    }
    const steps = trained[0]!.history.snapshots.map(({ step }) => step);
    recoveries.push({ name, steps, fraction: steps.map((_, i) => mean(shares, all => all[i]!) ?? 0) });
  }
  await writeTable(join(context.folder, 'results.csv'), saes.flatMap(tableRows(settings.steps)));
  await writeJson(join(context.folder, 'results.json'), { trueL0, represented, saes });
  const size = `${weight.shape[1]}→${settings.dSae}`;
  const subtitle = `${size} autoencoders; ${represented} true features, ${trueL0.toFixed(2)} active in a sample`;
  await context.draw('recovery', plotRecovery(recoveries, { subtitle, logSteps: true, chance: saes[0]!.after.chance }));
  await context.draw('training-curves', plotTrainingCurves(curves, { subtitle, logSteps: true }));
  const best = saes.reduce((most, next) => (next.after.recovered > most.after.recovered ? next : most));
  const words = `${best.name}, seed ${best.seed}: ${best.after.recovered} of ${best.after.of} true features recovered`;
  await context.draw('cosines', plotCosineHeatMap(finalDirections.get(best)!, truth.directions, { subtitle: words }));
  return { trueL0, represented, saes };
}

/** Activations on which a BatchTopK's threshold is set. */
const CALIBRATION = 10_000;

/** Trains a variant from every seed side by side. BatchTopK's thresholds are set for k on the data's sample. */
async function trainVariant(
  name: string,
  training: ReturnType<typeof saeSettings>,
  seeds: readonly number[],
  { data }: ClusteredTruth,
  context: ExperimentContext,
) {
  const { steps } = training;
  const label = seeds.length > 1 ? `${name}, ${seeds.length} seeds` : name;
  // All seeds start from one sample, so that they differ in what they draw from it alone.
  const sampleSeed = training.seed;
  const trained = await trainSaes(
    { ...training, sampleSeed, vary: seeds.map(seed => ({ seed })) },
    { ...trainingOptions(context, { name, label, steps }), snapshotAt: snapshotSteps(steps, 40) },
  );
  requireFinished(trained[0]!, `the autoencoder ${name}`, context);
  if (training.activation.kind === 'batchtopk') {
    await using opened = await data.open({ seed: sampleSeed, batchSize: training.batchSize });
    const sample = await opened.sample(CALIBRATION);
    for (const { sae } of trained) sae.calibrateThreshold(sample);
  }
  return trained;
}

function tableRows(steps: number) {
  return ({ name, activation, init, seed, before, after }: ScoredVariant): Record<string, string | number>[] =>
    (
      [
        [0, before],
        [steps, after],
      ] as const
    ).map(([step, score]) => ({
      name,
      architecture: activation.kind,
      init,
      seed,
      step,
      ...score,
    }));
}
