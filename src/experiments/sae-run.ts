/** Trains a sparse autoencoder on a toy model's hidden activations, freezes it, scores it against the true directions, and draws it. */
import { basename, join } from 'node:path';
import { FiringDensity } from '../analysis/firing-density.ts';
import { type Recovery, recovery } from '../analysis/recovery.ts';
import { generatedBatches } from '../data/batch-source.ts';
import { hiddenActivations } from '../data/hidden-activations.ts';
import type { RandomSource } from '../data/random-source.ts';
import type { SampleGenerator } from '../data/sample-generator.ts';
import { randomStream } from '../data/streams.ts';
import { SyntheticSparseDataGenerator } from '../data/synthetic-sparse.ts';
import { freezeSae } from '../export/freeze.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import type { ActivationConfig } from '../models/activations/registry.ts';
import type { DecoderForm } from '../models/decoder.ts';
import type { Initialisation } from '../models/initialisation.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { plotDirectionSnapshots } from '../plots/index.ts';
import type { HostTensor } from '../tensor.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';
import type { Trained } from '../training/train.ts';
import { type ActivationData, SAE_OPTIMIZER, type SaeTraining, trainSae } from '../training/train-sae.ts';
import type { ExperimentContext } from './context.ts';
import { historyOf, requireFinished, sha256OfFile, writeJson } from './run-files.ts';
import { runOptions } from './run-options.ts';
import { settingsOf } from './settings-of.ts';

export interface SaeSettings {
  readonly dSae: number;
  readonly activation: ActivationConfig;
  readonly decoder: DecoderForm;
  readonly init: Initialisation;
  readonly sparsity: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
}

export const SAE_DEFAULTS: SaeSettings = {
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

/** Activations seen before training: for the geometric median and the initialisations. */
const SAMPLE_SIZE = 10_000;
/** Random streams of a seed, beside those of the toy model, so that its training data are not seen again. */
const SAMPLE_STREAM = 2;
const HELD_OUT_STREAM = 3;
const BATCHES_STREAM = 8;

/** A few features must be found exactly, many nearly (see recovery). */
export function recoveryThreshold(nFeatures: number): number {
  return nFeatures <= 10 ? 0.98 : 0.9;
}

/** The activations that a toy model of weight [n_features, n_hidden] has for features that `features` draws. */
export function toyModelActivations(
  weight: HostTensor,
  features: (random: RandomSource) => SampleGenerator,
  seed: number,
): ActivationData & { readonly heldOut: HostTensor } {
  const make = (random: RandomSource): SampleGenerator => hiddenActivations(weight, features(random));
  const draw = (stream: number): HostTensor => {
    const data = new Float32Array(SAMPLE_SIZE * weight.shape[1]!);
    make(randomStream(seed, stream)).fill(data);
    return { data, shape: [SAMPLE_SIZE, weight.shape[1]!] };
  };
  return {
    sample: draw(SAMPLE_STREAM),
    heldOut: draw(HELD_OUT_STREAM),
    batches: own => generatedBatches('activations', randomStream(own, BATCHES_STREAM), make),
  };
}

/** Sparse features of a toy model. */
export function sparseFeatures(nFeatures: number, sparsity: number, batchSize: number) {
  return (random: RandomSource): SampleGenerator =>
    new SyntheticSparseDataGenerator(batchSize, Array<number>(nFeatures).fill(sparsity), random);
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

/** The settings of training that an experiment's settings name, for activations of width `dIn`. */
export function saeTraining(settings: Omit<SaeSettings, 'sparsity'>, dIn: number): SaeTraining {
  const { dSae, activation, decoder, init, batchSize, steps, learningRate, seed } = settings;
  const optimizer = { ...SAE_OPTIMIZER, learningRate };
  return { dIn, dSae, activation, decoder, init, batchSize, steps, optimizer, seed };
}

export interface SaeRun {
  readonly sae: SparseAutoencoder;
  readonly file: string;
  readonly before: Recovery;
  readonly after: Recovery;
  readonly run: Trained;
}

/**
 * Runs the experiment on the frozen toy model `toyModelFile`, whose weight is [n_features, n_hidden]: writes `sae.onnx`, `history.json`,
 * `sae.json` and the figure `sae-directions` into the run's folder.
 */
export async function runSae(
  settings: SaeSettings,
  toyModel: { readonly file: string; readonly weight: HostTensor },
  context: ExperimentContext,
): Promise<SaeRun> {
  const { activation, init, sparsity, batchSize, steps, seed } = settings;
  const { file: toyModelFile, weight } = toyModel;
  const [nFeatures, dIn] = weight.shape as [number, number];
  const data = toyModelActivations(weight, sparseFeatures(nFeatures, sparsity, batchSize), seed);
  const training = saeTraining(settings, dIn);
  const panels = [0, 1, 2, 3, 4].map(quarter => Math.round((steps * quarter) / 4));
  const trainedOn = await sha256OfFile(toyModelFile);
  const experiment = { what: 'sae', trainedOn, ...settingsOf(settings, SAE_DEFAULTS) };
  const label = `SAE (${activation.kind}, ${init})`;
  const { sae, start, loss, run, directions } = await trainSae(training, data, {
    ...(await runOptions(context, { name: 'sae', experiment, label, steps })),
    snapshotAt: snapshotSteps(steps, 60, panels),
  });
  requireFinished(run, 'the autoencoder', context);
  const [before, after] = [scoreSae(start, weight, data.heldOut), scoreSae(sae, weight, data.heldOut)];
  const record = {
    seed,
    data: { kind: 'sparse', sparsity, toy_model: basename(toyModelFile) },
    steps,
    batch: batchSize,
    optimizer: training.optimizer,
    engine: `${run.engine.engine} (${run.engine.provider})`,
    metrics: {
      step_0: { loss: loss[0]!, recovered: before.recovered },
      end: { loss: loss.at(-1)!, recovered: after.recovered },
    },
  };
  const file = join(context.folder, 'sae.onnx');
  await writeFileAtomic(file, freezeSae(sae, { training: record, init, trainedOn }));
  await writeJson(join(context.folder, 'history.json'), historyOf(loss, directions), false);
  await writeJson(join(context.folder, 'sae.json'), { ...record, before, after });
  if (dIn === 2) {
    const shown = directions.filter(({ step }) => panels.includes(step));
    const figure = plotDirectionSnapshots(
      weight,
      shown.map(({ step, value }) => ({ label: `SAE@${step}`, directions: value })),
      {
        title: `An SAE finds ${after.recovered} of ${nFeatures} directions`,
        subtitle: `${activation.kind}, initialisation ${init}, seed ${seed}; the toy model's directions dashed`,
      },
    );
    await context.draw('sae-directions', figure);
  }
  return { sae, file, before, after, run };
}
