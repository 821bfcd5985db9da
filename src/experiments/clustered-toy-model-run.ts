/** Trains the toy model of many features that occur together in topics, for autoencoders to learn from. */
import { join } from 'node:path';
import { generatedSource } from '../data/generated-source.ts';
import { importanceDecayByMin } from '../data/schedules.ts';
import { randomStream } from '../data/streams.ts';
import { type ClusteredDataState, SyntheticClusteredDataGenerator } from '../data/synthetic-clustered.ts';
import type { ToyModel } from '../models/toy-model.ts';
import { plotFeatureAnalysis, plotTrainingCurves } from '../plots/figure-data.ts';
import type { HostTensor } from '../tensor.ts';
import { trainToyModel } from '../training/node.ts';
import { TOY_MODEL_OPTIMIZER, type ToyModelTrainingResult } from '../training/train-toy-model.ts';
import type { ExperimentContext } from './context.ts';
import { lossCurve } from './loss-curve.ts';
import { requireFinished, writeJson, writeTable } from './run-files.ts';
import { trainingOptions } from './run-options.ts';

/** The settings of the experiment. */
export interface ClusteredToyModelSettings {
  readonly nFeatures: number;
  readonly nHidden: number;
  readonly topics: number;
  /** Concentration of the Dirichlet over topics. */
  readonly alpha: number;
  /** Both parameters of the Beta of P(feature | topic). */
  readonly beta: readonly [number, number];
  /** The importance of the last feature; that of the first is 1. */
  readonly minImportance: number;
  readonly restarts: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly seed: number;
}

/** The settings unless a caller says otherwise. */
export const CLUSTERED_TOY_MODEL_DEFAULTS: ClusteredToyModelSettings = {
  nFeatures: 100,
  nHidden: 25,
  topics: 10,
  alpha: 0.5,
  beta: [0.15, 1],
  minImportance: 0.5,
  restarts: 1,
  batchSize: 1024,
  steps: 10_000,
  seed: 0,
};

/** A feature is represented where its direction is longer than this. */
export const REPRESENTED = 0.5;

/** The results of the experiment. */
export interface ClusteredToyModelRun {
  readonly model: ToyModel;
  readonly file: string;
  readonly loss: number;
  readonly losses: readonly number[];
  readonly represented: number;
  readonly run: ToyModelTrainingResult;
}

/**
 * Runs the experiment: writes `toy-model.onnx`, whose metadata hold the topics (`training.data.clustered`), `toy-model.json`,
 * `results.csv` (a row a feature), and the figures `toy-model-analysis` and `toy-model-loss`.
 */
export async function runClusteredToyModel(
  settings: ClusteredToyModelSettings,
  context: ExperimentContext,
): Promise<ClusteredToyModelRun> {
  const { nFeatures, nHidden, topics, alpha, beta, minImportance, restarts, batchSize, steps, seed } = settings;
  const random = randomStream(seed, 'topics');
  const clustered = new SyntheticClusteredDataGenerator(topics, nFeatures, random, { alpha, beta }).state();
  const importance = importanceDecayByMin(nFeatures, minImportance);
  const run = await trainToyModel(
    { data: clusteredData(clustered), nHidden, restarts, importance, batchSize, steps, seed },
    trainingOptions(context, { name: 'toy-model', label: 'toy model', steps }),
  );
  requireFinished(run, 'the toy model', context);
  const { model, loss, best } = run;
  const losses = run.restarts.map(restart => restart.loss);
  const weight = model.featureDirections();
  const lengths = rowLengths(weight);
  const represented = lengths.filter(length => length > REPRESENTED).length;
  const record = {
    seed,
    data: { kind: 'clustered', clustered, beta, min_importance: minImportance },
    steps,
    batch: batchSize,
    optimizer: TOY_MODEL_OPTIMIZER,
    engine: `${run.engine.engine} (${run.engine.provider})`,
    restarts,
    kept: best,
    metrics: { end: { loss, represented } },
  };
  const file = join(context.folder, 'toy-model.onnx');
  await model.save(file, record);
  await writeJson(join(context.folder, 'toy-model.json'), { ...record, losses });
  await writeTable(
    join(context.folder, 'results.csv'),
    lengths.map((length, feature) => ({
      feature,
      importance: importance.data[feature]!,
      probability: meanProbability(clustered, feature),
      length,
      represented: Number(length > REPRESENTED),
    })),
  );
  const subtitle = `${nFeatures}→${nHidden}→${nFeatures} on ${topics} topics; ${represented} features represented`;
  const bias = model.state.parameters['bias']!;
  await context.draw(
    'toy-model-analysis',
    plotFeatureAnalysis(weight, bias, { title: 'A toy model of clustered features', subtitle }),
  );
  const curve = lossCurve('toy model', run.history.loss);
  await context.draw('toy-model-loss', plotTrainingCurves([curve], { subtitle, logSteps: true }));
  return { model, file, loss, losses, represented, run };
}

/** Features that occur together in the topics of `clustered`. */
export function clusteredData(clustered: ClusteredDataState) {
  return generatedSource({
    description: { kind: 'clustered-features', clustered },
    width: clustered.nFeatures,
    generator: random => SyntheticClusteredDataGenerator.fromState(clustered, random),
  });
}

/** ‖W_i‖ of each row of [n, m]. */
export function rowLengths({ data, shape }: HostTensor): number[] {
  const width = shape[1]!;
  return Array.from({ length: shape[0]! }, (_, row) => Math.hypot(...data.subarray(row * width, (row + 1) * width)));
}

/** P(feature) over topics, which are equally likely. */
function meanProbability({ nTopics, nFeatures, featureProbabilities }: ClusteredDataState, feature: number): number {
  let sum = 0;
  for (let topic = 0; topic < nTopics; topic++) sum += featureProbabilities[topic * nFeatures + feature]!;
  return sum / nTopics;
}
