/** Trains toy models from several starts, keeps the one of lowest loss, freezes and draws it. */
import { join } from 'node:path';
import { isRegularPolygon } from '../analysis/regular-polygon.ts';
import { importanceDecayByRatio } from '../data/schedules.ts';
import { sparseFeatures } from '../data/sparse-features.ts';
import type { ToyModel } from '../models/toy-model.ts';
import { plotFeatureDirections } from '../plots/figure-data.ts';
import { trainToyModel } from '../training/node.ts';
import { TOY_MODEL_OPTIMIZER, type ToyModelTrainingResult } from '../training/train-toy-model.ts';
import type { ExperimentContext } from './context.ts';
import { requireFinished, writeJson } from './run-files.ts';
import { trainingOptions } from './run-options.ts';

/** The settings of a toy model's training. */
export interface ToyModelSettings {
  readonly nFeatures: number;
  readonly nHidden: number;
  readonly restarts: number;
  readonly sparsity: number;
  /** The importance of feature i is this number to the power of i. */
  readonly importanceRatio: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly seed: number;
}

/** The settings where nothing else is asked for: five features in two dimensions. */
export const TOY_MODEL_DEFAULTS: ToyModelSettings = {
  nFeatures: 5,
  nHidden: 2,
  restarts: 1,
  sparsity: 0.9,
  importanceRatio: 0.9,
  batchSize: 1024,
  steps: 10_000,
  seed: 0,
};

/** A toy model that was trained, and its run. */
export interface ToyModelRun {
  readonly model: ToyModel;
  /** The path of the frozen file. */
  readonly file: string;
  /** The loss on data that training never saw. */
  readonly loss: number;
  /** The loss of each restart on the same data. */
  readonly losses: readonly number[];
  /** How many restarts ended in a regular polygon; undefined where there are not two dimensions. */
  readonly stars: number | undefined;
  readonly run: ToyModelTrainingResult;
}

/** The settings of training that an experiment's settings name. */
export function toyModelTraining({ nFeatures, sparsity, importanceRatio, ...settings }: ToyModelSettings) {
  const { nHidden, restarts, batchSize, steps, seed } = settings;
  const importance = importanceDecayByRatio(nFeatures, importanceRatio);
  return { data: sparseFeatures({ nFeatures, sparsity }), nHidden, restarts, importance, batchSize, steps, seed };
}

/** How the restarts ended, and the record that the model's file holds. */
export function toyModelOutcome(settings: ToyModelSettings, run: ToyModelTrainingResult) {
  const { nHidden, restarts, sparsity, importanceRatio, batchSize, steps, seed } = settings;
  const losses = run.restarts.map(restart => restart.loss);
  const stars =
    nHidden === 2
      ? run.restarts.filter(restart => isRegularPolygon(restart.model.featureDirections())).length
      : undefined;
  const record = {
    seed,
    data: { kind: 'sparse', sparsity, importance_ratio: importanceRatio },
    steps,
    batch: batchSize,
    optimizer: TOY_MODEL_OPTIMIZER,
    engine: `${run.engine.engine} (${run.engine.provider})`,
    restarts,
    kept: run.best,
    metrics: { step_0: { loss: run.history.loss[0]! }, end: { loss: run.loss } },
  };
  return { losses, stars, record };
}

/** Runs the experiment: writes `toy-model.onnx`, `toy-model.json` and the figure `toy-model-directions` into the run's folder. */
export async function runToyModel(settings: ToyModelSettings, context: ExperimentContext): Promise<ToyModelRun> {
  const { nFeatures, nHidden, restarts, sparsity, steps } = settings;
  const label = restarts > 1 ? `toy models (${restarts} restarts)` : 'toy model';
  const training = toyModelTraining(settings);
  const stretch = { name: 'toy-model', label, steps, alone: true };
  const run = await trainToyModel(training, trainingOptions(context, stretch));
  requireFinished(run, 'the toy model', context);
  const { model, loss } = run;
  const { losses, stars, record } = toyModelOutcome(settings, run);
  const file = join(context.folder, 'toy-model.onnx');
  await model.save(file, record);
  await writeJson(join(context.folder, 'toy-model.json'), { ...record, losses, ...(stars !== undefined && { stars }) });
  if (nHidden === 2) {
    const figure = plotFeatureDirections(model.featureDirections(), {
      importance: Array.from(training.importance.data),
      title: `A ${nFeatures}→${nHidden}→${nFeatures} toy model`,
      subtitle: `feature directions after ${steps.toLocaleString('en')} steps; sparsity ${sparsity}`,
    });
    await context.draw('toy-model-directions', figure);
  }
  return { model, file, loss, losses, stars, run };
}
