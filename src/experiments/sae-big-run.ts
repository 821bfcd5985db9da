/**
 * Autoencoders of several architectures and initialisations on the activations of one toy model of clustered features, scored by what they
 * recover of its directions and detect of its features.
 */
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { mean } from 'd3-array';
import { DetectionF1 } from '../analysis/detection-f1.ts';
import { duplicates } from '../analysis/duplicates.ts';
import { ExplainedVariance } from '../analysis/explained-variance.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { L0 } from '../analysis/l0.ts';
import { recovery } from '../analysis/recovery.ts';
import { hiddenActivations } from '../data/hidden-activations.ts';
import { randomStream } from '../data/streams.ts';
import { type ClusteredDataState, SyntheticClusteredDataGenerator } from '../data/synthetic-clustered.ts';
import { FileFormatError } from '../errors.ts';
import { freezeSae } from '../export/freeze.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { inspectModel } from '../inference/node.ts';
import type { ActivationConfig } from '../models/activations/registry.ts';
import type { Initialisation } from '../models/initialisation.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { plotCosineHeatMap, plotRecovery, plotTrainingCurves } from '../plots/index.ts';
import type { HostTensor } from '../tensor.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';
import { type ActivationData, type SaeTraining, trainSaes } from '../training/train-sae.ts';
import { REPRESENTED, rowLengths } from './clustered-toy-model-run.ts';
import type { ExperimentContext } from './context.ts';
import { lossCurve } from './loss-curve.ts';
import { historyOf, requireFinished, sha256OfFile, writeJson, writeTable } from './run-files.ts';
import { runOptions } from './run-options.ts';
import { recoveryThreshold, saeTraining, toyModelActivations } from './sae-run.ts';

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

/** What an autoencoder has at one moment, on held-out activations; features count that the toy model represents. */
export interface SaeScore {
  readonly recovered: number;
  readonly of: number;
  /** Share recovered that chance gives (see recovery). */
  readonly chance: number;
  readonly meanCosine: number;
  readonly explainedVariance: number;
  readonly l0: number;
  readonly dead: number;
  readonly duplicates: number;
  /** Mean F1 of detecting each feature by its matched latent. */
  readonly f1: number;
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

/** Held-out data: true features and their activations. */
interface HeldOut {
  readonly features: HostTensor;
  readonly activations: HostTensor;
}

/** What is to be found: the directions that the toy model represents, and where they show. */
interface Truth {
  readonly directions: HostTensor;
  readonly heldOut: HeldOut;
  readonly isRepresented: readonly boolean[];
}

const HELD_OUT = 10_000;
const HELD_OUT_STREAM = 6;

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
  const clustered = await clusteredDataOf(file);
  const heldOut = drawHeldOut(clustered, weight, settings.seed);
  const isRepresented = rowLengths(weight).map(length => length > REPRESENTED);
  const represented = isRepresented.filter(Boolean).length;
  const trueL0 = meanActive(heldOut.features, isRepresented);
  context.log(
    `${represented} of ${weight.shape[0]} features are represented; ${trueL0.toFixed(2)} of them are active in a sample, on average`,
  );
  const truth: Truth = { directions: rowsWhere(weight, isRepresented), heldOut, isRepresented };

  const data = toyModelActivations(
    weight,
    own => SyntheticClusteredDataGenerator.fromState(clustered, own),
    settings.seed,
  );
  const trainedOn = await sha256OfFile(file);
  await mkdir(context.folder, { recursive: true });
  const saes: ScoredVariant[] = [];
  const curves = [];
  const recoveries = [];
  const finalDirections = new Map<ScoredVariant, HostTensor>();
  const seeds = Array.from({ length: settings.seeds }, (_, i) => settings.seed + i);
  for (const variant of settings.variants) {
    const { activation, init } = variant;
    const name = `${activation.kind}-${init}`;
    const training = saeTraining({ ...settings, ...variant, decoder: 'reparametrise' }, weight.shape[1]!);
    const trained = await trainVariant(name, training, seeds, data, trainedOn, context);
    const shares: number[][] = [];
    for (const [i, { sae, start, loss, run, directions }] of trained.entries()) {
      const seed = seeds[i]!;
      const label = i === 0 ? name : `${name}-seed-${seed}`;
      const [before, after] = [scoreBig(start, truth), scoreBig(sae, truth)];
      const record = {
        seed,
        data: { kind: 'clustered', toy_model: basename(file) },
        steps: settings.steps,
        batch: settings.batchSize,
        optimizer: training.optimizer,
        engine: `${run.engine.engine} (${run.engine.provider})`,
        metrics: { step_0: before, end: after },
      };
      const saeFile = join(context.folder, `${label}.onnx`);
      await writeFileAtomic(saeFile, freezeSae(sae, { training: record, init, trainedOn }));
      await writeJson(join(context.folder, `${label}.history.json`), historyOf(loss, directions), false);
      const scored = { ...variant, name, seed, file: saeFile, before, after };
      saes.push(scored);
      finalDirections.set(scored, sae.featureDirections());
      if (i === 0) curves.push(lossCurve(name, loss));
      shares.push(directions.map(({ value }) => recoveryOf(value, truth).share));
    }
    const steps = trained[0]!.directions.map(({ step }) => step);
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

/** Trains a variant from every seed side by side. BatchTopK's thresholds are set for k on the data's sample. */
async function trainVariant(
  name: string,
  training: SaeTraining,
  seeds: readonly number[],
  data: ActivationData,
  trainedOn: string,
  context: ExperimentContext,
) {
  const { steps } = training;
  const experiment = { what: 'sae-big', trainedOn, ...training, seeds };
  const label = seeds.length > 1 ? `${name}, ${seeds.length} seeds` : name;
  const runs = seeds.map(seed => ({ ...training, seed }));
  const trained = await trainSaes(runs, data, {
    ...(await runOptions(context, { name, experiment, label, steps })),
    snapshotAt: snapshotSteps(steps, 40),
  });
  requireFinished(trained[0]!.run, `the autoencoder ${name}`, context);
  if (training.activation.kind === 'batchtopk') for (const { sae } of trained) sae.calibrateThreshold(data.sample);
  return trained;
}

/** The topics that a toy model was trained on; FileFormatError where its metadata hold none. */
async function clusteredDataOf(file: string): Promise<ClusteredDataState> {
  const { metadata } = await inspectModel(file);
  const training = metadata.config?.['training'] as { data?: { clustered?: ClusteredDataState } } | undefined;
  const clustered = training?.data?.clustered;
  if (clustered) return clustered;
  throw new FileFormatError('expected a toy model that train-toy-model-for-sae-big froze, with its topics', { file });
}

function drawHeldOut(clustered: ClusteredDataState, weight: HostTensor, seed: number): HeldOut {
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const generator = SyntheticClusteredDataGenerator.fromState(clustered, randomStream(seed, HELD_OUT_STREAM));
  const features = generator.generateBatch(HELD_OUT);
  const activations = { data: new Float32Array(HELD_OUT * nHidden), shape: [HELD_OUT, nHidden] };
  hiddenActivations(weight, { fill: into => into.set(features.data) }).fill(activations.data);
  return { features: { data: features.data, shape: [HELD_OUT, nFeatures] }, activations };
}

/** Features active (> 0) in a sample, of those that `counts` says, on average. */
function meanActive({ data, shape }: HostTensor, counts: readonly boolean[]): number {
  const width = shape[1]!;
  let active = 0;
  for (let i = 0; i < data.length; i++) if (data[i]! > 0 && counts[i % width]) active++;
  return active / shape[0]!;
}

function recoveryOf(directions: HostTensor, truth: Truth, alive?: readonly boolean[]) {
  const threshold = recoveryThreshold(truth.directions.shape[0]!);
  return recovery({ directions, trueDirections: truth.directions, threshold, ...(alive && { alive }) });
}

function scoreBig(sae: SparseAutoencoder, truth: Truth): SaeScore {
  const { features: trueFeatures, activations } = truth.heldOut;
  const { features, reconstruction } = sae.forward(activations);
  const [variance, density, l0, detection] = [
    new ExplainedVariance(),
    new FiringDensity(),
    new L0(),
    new DetectionF1(),
  ];
  variance.add(activations, reconstruction);
  density.add(features);
  l0.add(features);
  detection.add(features, columnsWhere(trueFeatures, truth.isRepresented));
  const { alive, dead } = density.compute();
  const directions = sae.featureDirections();
  const found = recoveryOf(directions, truth, alive);
  const { f1 } = detection.compute(found.features.map(({ latent }) => latent ?? -1));
  return {
    recovered: found.recovered,
    of: found.features.length,
    chance: found.chance,
    meanCosine: found.meanCosine,
    explainedVariance: variance.compute(),
    l0: l0.compute(),
    dead: dead.length,
    duplicates: duplicates(directions, { alive }).length,
    f1: f1.reduce((sum, value) => sum + value, 0) / f1.length,
  };
}

function rowsWhere({ data, shape }: HostTensor, keep: readonly boolean[]): HostTensor {
  const width = shape[1]!;
  const rows = keep.flatMap((kept, row) => (kept ? [row] : []));
  const out = new Float32Array(rows.length * width);
  for (const [to, from] of rows.entries()) out.set(data.subarray(from * width, (from + 1) * width), to * width);
  return { data: out, shape: [rows.length, width] };
}

function columnsWhere({ data, shape }: HostTensor, keep: readonly boolean[]): HostTensor {
  const width = shape[1]!;
  return {
    data: data.filter((_, i) => keep[i % width]!),
    shape: [shape[0]!, keep.filter(Boolean).length],
  };
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
