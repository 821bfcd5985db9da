/** Trains toy models from several starts, keeps the one of lowest loss, freezes and draws it. */
import { join } from 'node:path';
import { isRegularPolygon } from '../analysis/regular-polygon.ts';
import { importanceDecayByRatio } from '../data/schedules.ts';
import { freezeToyModel } from '../export/freeze.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import type { ToyModel } from '../models/toy-model.ts';
import { plotFeatureDirections } from '../plots/index.ts';
import type { Trained } from '../training/train.ts';
import { TOY_MODEL_OPTIMIZER, type ToyModelTraining, trainToyModels } from '../training/train-toy-models.ts';
import type { ExperimentContext } from './context.ts';
import { requireFinished, writeJson } from './run-files.ts';
import { runOptions } from './run-options.ts';
import { settingsOf } from './settings-of.ts';

export interface ToyModelSettings {
  readonly nFeatures: number;
  readonly nHidden: number;
  readonly restarts: number;
  readonly sparsity: number;
  /** Importance of feature i is this to the power of i. */
  readonly importanceRatio: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly seed: number;
}

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

export interface ToyModelRun {
  readonly model: ToyModel;
  /** The frozen file. */
  readonly file: string;
  readonly loss: number;
  /** Each restart's final loss. */
  readonly losses: readonly number[];
  /** How many restarts ended in a regular polygon; undefined where there are not two dimensions. */
  readonly stars: number | undefined;
  readonly run: Trained;
}

/** Runs the experiment: writes `toy-model.onnx`, `toy-model.json` and the figure `toy-model-directions` into the run's folder. */
export async function runToyModel(settings: ToyModelSettings, context: ExperimentContext): Promise<ToyModelRun> {
  const { nFeatures, nHidden, restarts, sparsity, importanceRatio, batchSize, steps, seed } = settings;
  const importance = importanceDecayByRatio(nFeatures, importanceRatio);
  const training: ToyModelTraining = {
    nFeatures,
    nHidden,
    nInstances: restarts,
    sparsity,
    importance,
    batchSize,
    steps,
    seed,
  };
  const experiment = { what: 'toy-model', ...settingsOf(settings, TOY_MODEL_DEFAULTS) };
  const label = restarts > 1 ? `toy models (${restarts} restarts)` : 'toy model';
  const options = await runOptions(context, { name: 'toy-model', experiment, label, steps });
  const { models, losses, best, run } = await trainToyModels(training, options);
  requireFinished(run, 'the toy model', context);
  const model = models[best]!;
  const stars =
    nHidden === 2 ? models.filter(candidate => isRegularPolygon(candidate.featureDirections())).length : undefined;
  const file = join(context.folder, 'toy-model.onnx');
  const record = {
    seed,
    data: { kind: 'sparse', sparsity, importance_ratio: importanceRatio },
    steps,
    batch: batchSize,
    optimizer: TOY_MODEL_OPTIMIZER,
    engine: `${run.engine.engine} (${run.engine.provider})`,
    restarts,
    kept: best,
    metrics: { step_0: { loss: firstLoss(run, restarts, best) }, end: { loss: losses[best]! } },
  };
  await writeFileAtomic(file, freezeToyModel(model, record));
  await writeJson(join(context.folder, 'toy-model.json'), { ...record, losses, ...(stars !== undefined && { stars }) });
  if (nHidden === 2) {
    const figure = plotFeatureDirections(model.featureDirections(), {
      importance: Array.from(importance.data),
      title: `A ${nFeatures}→${nHidden}→${nFeatures} toy model`,
      subtitle: `feature directions after ${steps.toLocaleString('en')} steps; sparsity ${sparsity}`,
    });
    await context.draw('toy-model-directions', figure);
  }
  return { model, file, loss: losses[best]!, losses, stars, run };
}

function firstLoss(run: Trained, restarts: number, best: number): number {
  return restarts > 1 ? run.metrics['losses']![best]! : run.metrics['loss']![0]!;
}
