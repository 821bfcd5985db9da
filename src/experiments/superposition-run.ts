/**
 * Toy models side by side at sparsities from dense to sparse, the lowest loss of several restarts kept at each: how superposition sets in
 * ("Toy Models of Superposition", Elhage et al. 2022).
 */
import { join } from 'node:path';
import { featureDimensionality } from '../analysis/feature-dimensionality.ts';
import { createSparsityRange, importanceDecayByRatio } from '../data/schedules.ts';
import { sparseFeatures } from '../data/sparse-features.ts';
import { randomStream } from '../data/streams.ts';
import { freezeToyModel } from '../export/freeze.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { ParallelToyModel } from '../models/parallel-toy-model.ts';
import type { ToyModel } from '../models/toy-model.ts';
import { plotFeatureAnalysis, plotFeatureDirections, plotTrainingCurves } from '../plots/figure-data.ts';
import { type HostTensor, type HostTensors, toNested } from '../tensor.ts';
import { trainToyModels } from '../training/node.ts';
import { TOY_MODEL_OPTIMIZER } from '../training/train-toy-model.ts';
import type { ExperimentContext } from './context.ts';
import { lossCurve } from './loss-curve.ts';
import { type Arrangement, arrangementOf, expectedArrangement } from './planar-arrangement.ts';
import { requireFinished, writeJson, writeTable } from './run-files.ts';
import { trainingOptions } from './run-options.ts';

/** The settings of the experiment. */
export interface SuperpositionSettings {
  readonly nFeatures: number;
  readonly nHidden: number;
  /** The number of sparsities. */
  readonly models: number;
  /** The lowest sparsity. */
  readonly minSparsity: number;
  /** The highest sparsity; the densities 1 − S between are evenly spaced on a log scale. */
  readonly maxSparsity: number;
  /** The number of models of each sparsity, of which the one with the lowest loss is kept. */
  readonly restarts: number;
  readonly importanceRatio: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** The settings of the small experiment: five features in two dimensions. */
export const SUPERPOSITION_DEFAULTS: SuperpositionSettings = {
  nFeatures: 5,
  nHidden: 2,
  models: 10,
  minSparsity: 0,
  maxSparsity: 0.95,
  restarts: 1,
  importanceRatio: 0.9,
  batchSize: 1024,
  steps: 10_000,
  learningRate: 1e-3,
  seed: 0,
};

/** The settings of the large experiment: 80 features in 20 dimensions. */
export const SUPERPOSITION_BIG_DEFAULTS: SuperpositionSettings = {
  ...SUPERPOSITION_DEFAULTS,
  nFeatures: 80,
  nHidden: 20,
  maxSparsity: 0.999,
};

/** The model kept at one sparsity. */
export interface Solution {
  readonly sparsity: number;
  readonly model: ToyModel;
  readonly loss: number;
  /** The loss of each restart. */
  readonly losses: readonly number[];
  /** The number of features whose direction is longer than ½. */
  readonly represented: number;
  /** D_i of each feature; their sum is at most n_hidden. */
  readonly dimensionalities: readonly number[];
  /** The arrangement of the directions; only in two dimensions. */
  readonly arrangement?: Arrangement;
  /** The arrangement of the lowest loss, in two dimensions where it is known. */
  readonly expected?: Arrangement;
}

/** One model of one sparsity. */
interface Candidate {
  readonly model: ToyModel;
  /** The loss on data that training never saw. */
  readonly loss: number;
  readonly trainingLoss: number;
  readonly curve: Float32Array;
  readonly restart: number;
}

/**
 * The number of features of all models that train at once: a step's tensors then fit the cache, and more make each
 * model slower.
 */
const FEATURES_AT_ONCE = 100;

/**
 * Runs the experiment: writes `toy-models.onnx` (the kept models side by side), `results.csv` (a row a restart), `solutions.json`, and the
 * figures `feature-analysis`, `training-curves` and, in two dimensions, `feature-directions`.
 */
export async function runSuperposition(
  settings: SuperpositionSettings,
  context: ExperimentContext,
): Promise<readonly Solution[]> {
  const { nFeatures, nHidden, models, minSparsity, maxSparsity, restarts, importanceRatio, batchSize, steps, seed } =
    settings;
  const optimizer = { ...TOY_MODEL_OPTIMIZER, learningRate: settings.learningRate };
  const range = createSparsityRange(minSparsity, maxSparsity, models, nFeatures);
  const importance = importanceDecayByRatio(nFeatures, importanceRatio);
  const together = Math.max(1, Math.min(restarts, Math.floor(FEATURES_AT_ONCE / (models * nFeatures))));
  const sources = Array.from({ length: models }, (_, i) => {
    const sparsity = range.data.slice(i * nFeatures, (i + 1) * nFeatures);
    return sparseFeatures({ nFeatures, sparsity: { data: sparsity, shape: [nFeatures] } });
  });
  const candidates: Candidate[][] = Array.from({ length: models }, () => []);
  for (let first = 0; first < restarts; first += together) {
    const count = Math.min(together, restarts - first);
    const instances = models * count;
    const label = restarts === 1 ? 'toy models' : `restarts ${first + 1}–${first + count} of ${restarts}`;
    const trained = await trainToyModels(
      {
        data: sources[0]!,
        nHidden,
        importance,
        batchSize,
        steps,
        optimizer,
        seed: seed + first,
        vary: Array.from({ length: instances }, (_, i) => ({
          data: sources[i % models]!,
          ...(instances > 1 && { restart: i }),
        })),
      },
      trainingOptions(context, { name: `toy-models-${first}`, label, steps }),
    );
    requireFinished(trained[0]!, 'the toy models', context);
    for (const [i, { restarts: own, history }] of trained.entries()) {
      const restart = first + Math.floor(i / models);
      const { model, loss, trainingLoss } = own[0]!;
      candidates[i % models]!.push({ model, loss, trainingLoss, curve: history.loss, restart });
    }
  }

  const kept = candidates.map(of => of.reduce((best, next) => (next.trainingLoss < best.trainingLoss ? next : best)));
  const solutions = kept.map(({ model, loss }, i): Solution => {
    const sparsity = Math.round(range.data[i * nFeatures]! * 1e6) / 1e6;
    const losses = candidates[i]!.map(candidate => candidate.loss);
    return { ...describe(sparsity, model), loss, losses, model };
  });
  const labels = solutions.map(({ sparsity }) => `S = ${sparsity.toFixed(3)}`);
  const weight = stack(kept.map(({ model }) => model.featureDirections()));
  const bias = stack(kept.map(({ model }) => model.state.parameters['bias']!));
  await writeTable(
    join(context.folder, 'results.csv'),
    candidates.flatMap((of, i) =>
      of.map(candidate => tableRow(solutions[i]!.sparsity, candidate, candidate === kept[i])),
    ),
  );
  const written = solutions.map(({ model, ...rest }) => ({ ...rest, weight: toNested(model.featureDirections()) }));
  await writeJson(join(context.folder, 'solutions.json'), written);
  const record = {
    seed,
    data: { kind: 'sparse', sparsities: solutions.map(({ sparsity }) => sparsity), importance_ratio: importanceRatio },
    steps,
    batch: batchSize,
    optimizer,
    restarts,
    metrics: { end: { losses: solutions.map(({ loss }) => loss) } },
  };
  const frozen = freezeToyModel(sideBySide(settings, { weight, bias }), record);
  await writeFileAtomic(join(context.folder, 'toy-models.onnx'), frozen);

  const best = restarts > 1 ? `, the lowest loss of ${restarts} restarts at each sparsity` : '';
  const subtitle = `${nFeatures}→${nHidden}→${nFeatures}, ${steps.toLocaleString('en')} steps${best}`;
  if (nHidden === 2) {
    await context.draw(
      'feature-directions',
      plotFeatureDirections(weight, {
        title: 'Superposition sets in as features grow sparse',
        subtitle,
        labels,
        importance: Array.from(importance.data),
      }),
    );
  }
  await context.draw('feature-analysis', plotFeatureAnalysis(weight, bias, { subtitle, labels }));
  const curves = kept.map(({ curve }, i) => lossCurve(labels[i]!, curve));
  await context.draw('training-curves', plotTrainingCurves(curves, { subtitle, logSteps: true }));
  return solutions;
}

/** Where a solution of five features in two dimensions is not the one that many restarts are known to end in. */
export function unexpectedSolutions(solutions: readonly Solution[]): readonly string[] {
  return solutions
    .filter(({ arrangement, expected }) => expected !== undefined && arrangement !== expected)
    .map(({ sparsity, arrangement, expected }) => `at sparsity ${sparsity}: ${arrangement}, expected ${expected}`);
}

function describe(sparsity: number, model: ToyModel): Omit<Solution, 'model' | 'loss' | 'losses'> {
  const weight = model.featureDirections();
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const isKnown = nFeatures === 5 && nHidden === 2;
  const expected = isKnown ? expectedArrangement(sparsity) : undefined;
  return {
    sparsity,
    represented: norms(weight).filter(norm => norm > 0.5).length,
    dimensionalities: Array.from(featureDimensionality(weight).data),
    ...(nHidden === 2 && { arrangement: arrangementOf(weight) }),
    ...(expected && { expected }),
  };
}

function tableRow(
  sparsity: number,
  { model, loss, restart }: { readonly model: ToyModel; readonly loss: number; readonly restart: number },
  kept: boolean,
): Record<string, string | number> {
  const { represented, dimensionalities, arrangement } = describe(sparsity, model);
  const total = dimensionalities.reduce((sum, value) => sum + value, 0);
  return {
    sparsity,
    restart,
    loss,
    kept: Number(kept),
    represented,
    sum_of_dimensionalities: total,
    ...(arrangement && { arrangement }),
  };
}

function norms({ data, shape }: HostTensor): number[] {
  const width = shape[1]!;
  return Array.from({ length: shape[0]! }, (_, row) => Math.hypot(...data.subarray(row * width, (row + 1) * width)));
}

function sideBySide({ nFeatures, nHidden, models, seed }: SuperpositionSettings, parameters: HostTensors) {
  const model = new ParallelToyModel({ nInstances: models, nFeatures, nHidden }, randomStream(seed, 0));
  model.state = { parameters, buffers: {} };
  return model;
}

function stack(tensors: readonly HostTensor[]): HostTensor {
  const [{ data, shape }] = tensors as [HostTensor];
  const all = new Float32Array(tensors.length * data.length);
  for (const [i, tensor] of tensors.entries()) all.set(tensor.data, i * data.length);
  return { data: all, shape: [tensors.length, ...shape] };
}
