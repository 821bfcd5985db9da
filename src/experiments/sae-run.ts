/** Trains a sparse autoencoder on a toy model's hidden activations, freezes it, scores it against the true directions, and draws it. */

import { basename, join } from 'node:path';
import { DetectionF1 } from '../analysis/detection-f1.ts';
import { duplicates } from '../analysis/duplicates.ts';
import { ExplainedVariance } from '../analysis/explained-variance.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { L0 } from '../analysis/l0.ts';
import { type Recovery, recovery } from '../analysis/recovery.ts';
import type { ActivationSource } from '../data/activation-source.ts';
import { hiddenActivations } from '../data/hidden-activations.ts';
import { applyPlainSae } from '../export/plain-sae.ts';
import type { ActivationConfig } from '../models/architectures/registry.ts';
import type { DecoderForm } from '../models/decoder.ts';
import type { Initialisation } from '../models/initialisation.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { plotDirectionSnapshots } from '../plots/figure-data.ts';
import type { HostTensor } from '../tensor.ts';
import { trainSae } from '../training/node.ts';
import { SAE_OPTIMIZER, type SaeSettings } from '../training/sae-settings.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';
import type { SaeTrainingResult } from '../training/train-sae.ts';
import type { ExperimentContext } from './context.ts';
import { historyFile, requireFinished, writeJson } from './run-files.ts';
import { trainingOptions } from './run-options.ts';
import { activationsOf, drawFeatures, soughtFeatures, type ToyModelTruth } from './toy-model-truth.ts';
import { scoreBesideTruth, type TruthScore } from './truth-score.ts';

/** The settings of the experiment. */
export interface SaeRunSettings {
  readonly dSae: number;
  readonly activation: ActivationConfig;
  readonly decoder: DecoderForm;
  readonly init: Initialisation;
  readonly sparsity: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
  /** Whether a transcoder has a skip connection. Default false. */
  readonly skip?: boolean;
  /** Further settings of training. Default none. */
  readonly practice?: Partial<SaeSettings>;
}

/** The settings unless a caller says otherwise. */
export const SAE_DEFAULTS: SaeRunSettings = {
  dSae: 5,
  activation: { kind: 'topk', k: 1 },
  decoder: 'reparametrise',
  init: 'spread',
  sparsity: 0.9,
  batchSize: 2048,
  steps: 20_000,
  learningRate: 0.005,
  seed: 0,
};

/** The number of activations on which an autoencoder is scored. */
const HELD_OUT = 10_000;

/** The cosine above which a direction counts as found: .98 where there are few features, .9 where there are many. */
export function recoveryThreshold(nFeatures: number): number {
  return nFeatures <= 10 ? 0.98 : 0.9;
}

/** Activations that no training of `seed` sees, [HELD_OUT, d_in]. */
export async function heldOutActivations(
  source: ActivationSource,
  { seed, batchSize }: { readonly seed: number; readonly batchSize: number },
): Promise<HostTensor> {
  await using opened = await source.open({ seed, batchSize });
  for await (const { input } of opened.heldOut(HELD_OUT, HELD_OUT)) return input;
  return { data: new Float32Array(0), shape: [0, opened.width] };
}

/** How many of the true directions an autoencoder has found. */
export interface DirectionScore extends Recovery {
  /** The number of latents that fire on no held-out activation. */
  readonly neverFired: number;
  /** The number of latents that duplicate another one. */
  readonly duplicates: number;
}

/** How many true directions an autoencoder found; latents that never fire on `heldOut` do not count. */
export function scoreSae(sae: SparseAutoencoder, trueDirections: HostTensor, heldOut: HostTensor): DirectionScore {
  return scoreDirections(sae, trueDirections, plainForward(sae, heldOut).features);
}

/**
 * The features and the reconstruction of `activations` [n, d_in]; for small autoencoders this takes a tenth of
 * TensorFlow.js's time.
 */
function plainForward(
  sae: SparseAutoencoder,
  activations: HostTensor,
): { readonly features: HostTensor; readonly reconstruction: HostTensor } {
  const { features, reconstruction } = applyPlainSae(sae.freeze(), activations, { wantsMargins: false });
  const { dSae, dOut } = sae.config;
  const rows = activations.shape[0]!;
  return {
    features: { data: new Float32Array(features), shape: [rows, dSae] },
    reconstruction: { data: new Float32Array(reconstruction), shape: [rows, dOut] },
  };
}

/**
 * Scores directions.
 * @param features the features of held-out activations, [n, d_sae]
 */
function scoreDirections(sae: SparseAutoencoder, trueDirections: HostTensor, features: HostTensor): DirectionScore {
  const density = new FiringDensity();
  density.add(features);
  const { alive, dead } = density.compute();
  const directions = sae.featureDirections();
  const threshold = recoveryThreshold(trueDirections.shape[0]!);
  const found = recovery({ directions, trueDirections, alive, threshold });
  return { ...found, neverFired: dead.length, duplicates: duplicates(directions, { alive }).length };
}

/** The settings of training that an experiment's settings name, on `data`. */
export function saeSettings(
  settings: Omit<SaeRunSettings, 'sparsity' | 'init'> & { readonly init?: Initialisation | undefined },
  data: ActivationSource,
) {
  const { dSae, activation, decoder, init, batchSize, steps, learningRate, seed, skip = false, practice } = settings;
  const optimizer = { ...SAE_OPTIMIZER, learningRate };
  const start = init === undefined ? {} : { directions: init };
  const own = { data, dSae, activation, decoder, start, batchSize, steps, optimizer, seed, skip };
  return { ...own, ...practice } satisfies SaeSettings;
}

/** The stream of fresh features, which no training sees. */
const TRUTH_STREAM = 11;

/** Scores of an autoencoder against the features that a toy model hides. */
export interface HiddenFeatureScore extends TruthScore {
  /** The mean over the features of the F1 with which each is detected by its matched latent. */
  readonly feature_f1: number;
  /** The explained variance; null where the activations do not vary. */
  readonly explained_variance: number | null;
  readonly l0: number;
}

/**
 * Measures an autoencoder at step 0 and at the end on `HELD_OUT` fresh samples of the toy model's features.
 * @returns the directions found before and after, and the scores against the features at the end
 */
function scoreOnFeatures(
  { sae, start }: Pick<SaeTrainingResult, 'sae' | 'start'>,
  toyModel: ToyModelTruth,
  { sparsity, seed }: Pick<SaeRunSettings, 'sparsity' | 'seed'>,
) {
  const all = drawFeatures(toyModel, { sparsity, seed, rows: HELD_OUT, stream: TRUTH_STREAM });
  const { weight, directions: trueDirections } = toyModel;
  const nHidden = weight.shape[1]!;
  const activations = { data: new Float32Array(HELD_OUT * nHidden), shape: [HELD_OUT, nHidden] };
  const fill = (into: Float32Array): void => into.set(all.data);
  hiddenActivations(weight, { batchSize: HELD_OUT, fill }).fill(activations.data);
  const before = scoreSae(start, trueDirections, activations);
  const { features, reconstruction } = plainForward(sae, activations);
  const after = scoreDirections(sae, trueDirections, features);
  const trueFeatures = soughtFeatures(toyModel, all);
  const [detection, variance, l0] = [new DetectionF1(), new ExplainedVariance(), new L0()];
  detection.add(features, trueFeatures);
  variance.add(activations, reconstruction);
  l0.add(features);
  const { f1 } = detection.compute(after.features.map(({ latent }) => latent ?? -1));
  const directions = sae.featureDirections();
  const truth: HiddenFeatureScore = {
    ...scoreBesideTruth({ directions, trueDirections, features, trueFeatures, activations, reconstruction }),
    feature_f1: f1.reduce((sum, value) => sum + value, 0) / f1.length,
    explained_variance: variance.compute() ?? null,
    l0: l0.compute(),
  };
  return { before, after, truth };
}

/** The directions that a trained autoencoder found at step 0 and at the end, and the record for its file. */
export function saeOutcome(
  settings: SaeRunSettings,
  toyModel: ToyModelTruth,
  trained: SaeTrainingResult,
  optimizer: SaeSettings['optimizer'],
) {
  const { sparsity, batchSize, steps, seed } = settings;
  const { history, engine } = trained;
  const { loss } = history;
  const { file, clustered } = toyModel;
  const { before, after, truth } = scoreOnFeatures(trained, toyModel, settings);
  const record = {
    seed,
    data: { ...(clustered ? { kind: 'clustered' } : { kind: 'sparse', sparsity }), toy_model: basename(file) },
    steps,
    batch: batchSize,
    optimizer,
    engine: `${engine.engine} (${engine.provider})`,
    metrics: {
      step_0: { loss: loss[0]!, recovered: before.recovered },
      end: { loss: loss.at(-1)!, recovered: after.recovered, ...truth },
    },
  };
  return { before, after, truth, record };
}

/** The results of the experiment. */
export interface SaeRun {
  readonly sae: SparseAutoencoder;
  readonly file: string;
  readonly before: DirectionScore;
  readonly after: DirectionScore;
  /** The scores on fresh features of the toy model's data. */
  readonly truth: HiddenFeatureScore;
  readonly run: SaeTrainingResult;
}

/**
 * Runs the experiment on a frozen toy model: writes `sae.onnx`, `history.json`, `sae.json` and, in two dimensions, the figure `sae-directions` into
 * the run's folder.
 */
export async function runSae(
  settings: SaeRunSettings,
  toyModel: ToyModelTruth,
  context: ExperimentContext,
): Promise<SaeRun> {
  const { activation, init, steps, seed } = settings;
  const { weight, directions, sha256: trainedOn } = toyModel;
  const [nFeatures, dIn] = directions.shape as [number, number];
  const data = activationsOf(toyModel, settings);
  const training = saeSettings(settings, data);
  const panels = [0, 1, 2, 3, 4].map(quarter => Math.round((steps * quarter) / 4));
  const label = `SAE (${activation.kind}, ${init})`;
  const run = await trainSae(training, {
    ...trainingOptions(context, { name: 'sae', label, steps, alone: true }),
    snapshotAt: snapshotSteps(steps, 60, panels),
  });
  requireFinished(run, 'the autoencoder', context);
  for (const warning of run.warnings) context.log(`warning: ${warning}`);
  const { sae, history } = run;
  const { before, after, truth, record } = saeOutcome(settings, toyModel, run, training.optimizer);
  const file = join(context.folder, 'sae.onnx');
  await sae.save(file, { training: record, init, trainedOn });
  await writeJson(join(context.folder, 'history.json'), historyFile(history), false);
  await writeJson(join(context.folder, 'sae.json'), { ...record, before, after });
  if (dIn === 2) {
    const shown = history.snapshots.filter(({ step }) => panels.includes(step));
    const figure = plotDirectionSnapshots(
      weight,
      shown.map(({ step, directions }) => ({ label: `SAE@${step}`, directions })),
      {
        title: `An SAE finds ${after.recovered} of ${nFeatures} directions`,
        subtitle: `${activation.kind}, initialisation ${init}, seed ${seed}; the toy model's directions dashed`,
      },
    );
    await context.draw('sae-directions', figure);
  }
  return { sae, file, before, after, truth, run };
}
