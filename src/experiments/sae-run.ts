/** Trains a sparse autoencoder on a toy model's hidden activations, freezes it, scores it against the true directions, and draws it. */

import { basename, join } from 'node:path';
import { FiringDensity } from '../analysis/firing-density.ts';
import { type Recovery, recovery } from '../analysis/recovery.ts';
import type { ActivationSource } from '../data/activation-source.ts';
import { hiddenActivations } from '../data/hidden-activations.ts';
import { sparseFeatures } from '../data/sparse-features.ts';
import { randomStream } from '../data/streams.ts';
import { SyntheticSparseDataGenerator } from '../data/synthetic-sparse.ts';
import { toyModelActivations } from '../data/toy-model-activations.ts';
import { sha256OfFile } from '../files/file-hash.ts';
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
import { scoreBesideTruth, type TruthScore } from './truth-score.ts';

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

/** Activations that an autoencoder is scored on. */
const HELD_OUT = 10_000;

/** A few features must be found exactly, many nearly (see recovery). */
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

/** How many true directions an autoencoder found; latents that never fire on `heldOut` do not count. */
export function scoreSae(sae: SparseAutoencoder, trueDirections: HostTensor, heldOut: HostTensor): Recovery {
  const density = new FiringDensity();
  density.add(sae.encode(heldOut));
  return recovery({
    directions: sae.featureDirections(),
    trueDirections,
    alive: density.compute().alive,
    threshold: recoveryThreshold(trueDirections.shape[0]!),
  });
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

/** Fresh features, which no training sees. */
const TRUTH_STREAM = 11;

/** Beside the features that the toy model hides, on `HELD_OUT` fresh samples. */
function scoreOnFeatures(
  sae: SparseAutoencoder,
  weight: HostTensor,
  { sparsity, seed }: Pick<SaeRunSettings, 'sparsity' | 'seed'>,
): TruthScore {
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const random = randomStream(seed, TRUTH_STREAM);
  const trueFeatures = new SyntheticSparseDataGenerator(
    HELD_OUT,
    Array<number>(nFeatures).fill(sparsity),
    random,
  ).generateBatch();
  const activations = { data: new Float32Array(HELD_OUT * nHidden), shape: [HELD_OUT, nHidden] };
  const fill = (into: Float32Array): void => into.set(trueFeatures.data);
  hiddenActivations(weight, { batchSize: HELD_OUT, fill }).fill(activations.data);
  const { features, reconstruction } = sae.forward(activations);
  const directions = sae.featureDirections();
  return scoreBesideTruth({
    directions,
    trueDirections: weight,
    features,
    trueFeatures,
    activations,
    reconstruction,
  });
}

/** The hidden activations of a toy model of weight [n_features, n_hidden] on sparse features. */
export function toyModelData({ sparsity }: Pick<SaeRunSettings, 'sparsity'>, weight: HostTensor): ActivationSource {
  return toyModelActivations(weight, sparseFeatures({ nFeatures: weight.shape[0]!, sparsity }));
}

/** What a trained autoencoder found of the toy model's directions at step 0 and at the end, and the record that its file holds. */
export function saeOutcome(
  settings: SaeRunSettings,
  { file, weight }: { readonly file: string; readonly weight: HostTensor },
  { sae, start, history, engine }: SaeTrainingResult,
  heldOut: HostTensor,
  optimizer: SaeSettings['optimizer'],
) {
  const { sparsity, batchSize, steps, seed } = settings;
  const { loss } = history;
  const [before, after] = [scoreSae(start, weight, heldOut), scoreSae(sae, weight, heldOut)];
  const truth = scoreOnFeatures(sae, weight, settings);
  const record = {
    seed,
    data: { kind: 'sparse', sparsity, toy_model: basename(file) },
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

export interface SaeRun {
  readonly sae: SparseAutoencoder;
  readonly file: string;
  readonly before: Recovery;
  readonly after: Recovery;
  /** On fresh features of the toy model's data. */
  readonly truth: TruthScore;
  readonly run: SaeTrainingResult;
}

/**
 * Runs the experiment on the frozen toy model `toyModelFile`, whose weight is [n_features, n_hidden]: writes `sae.onnx`, `history.json`,
 * `sae.json` and the figure `sae-directions` into the run's folder.
 */
export async function runSae(
  settings: SaeRunSettings,
  toyModel: { readonly file: string; readonly weight: HostTensor },
  context: ExperimentContext,
): Promise<SaeRun> {
  const { activation, init, steps, seed } = settings;
  const { file: toyModelFile, weight } = toyModel;
  const [nFeatures, dIn] = weight.shape as [number, number];
  const data = toyModelData(settings, weight);
  const training = saeSettings(settings, data);
  const panels = [0, 1, 2, 3, 4].map(quarter => Math.round((steps * quarter) / 4));
  const trainedOn = await sha256OfFile(toyModelFile);
  const label = `SAE (${activation.kind}, ${init})`;
  const run = await trainSae(training, {
    ...trainingOptions(context, { name: 'sae', label, steps, alone: true }),
    snapshotAt: snapshotSteps(steps, 60, panels),
  });
  requireFinished(run, 'the autoencoder', context);
  const { sae, history } = run;
  const heldOut = await heldOutActivations(data, settings);
  const { before, after, truth, record } = saeOutcome(settings, toyModel, run, heldOut, training.optimizer);
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
