/** Training toy models on sparse features: one, or several side by side that differ in seed, sparsity or data. */
import { type BatchSource, generatedBatches, generatedSamples } from '../data/batch-source.ts';
import { createRandomSource, type RandomSource } from '../data/random-source.ts';
import type { SampleGenerator } from '../data/sample-generator.ts';
import { randomStream } from '../data/streams.ts';
import { SyntheticSparseDataGenerator } from '../data/synthetic-sparse.ts';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { ParallelToyModel } from '../models/parallel-toy-model.ts';
import { ToyModel } from '../models/toy-model.ts';
import { fromNested, type HostTensor, type NestedArray } from '../tensor.ts';
import { toyModelObjective } from './losses.ts';
import { type AdamOptions, adam } from './optimizers.ts';
import { entryOf, requireAlike, stackStates } from './side-by-side.ts';
import { type RunOptions, type Trained, train } from './train.ts';
import { modelState, trainingStep } from './training-step.ts';

export interface ToyModelTraining {
  readonly nFeatures: number;
  readonly nHidden: number;
  /** Restarts: models trained side by side whose starts and data all come from `seed`. Default 1. */
  readonly nInstances?: number;
  /** Probability of zero: one for all, [n_features], or [n_instances, n_features]. */
  readonly sparsity: number | NestedArray;
  /** [n_features]. Default all 1. */
  readonly importance?: HostTensor;
  /** Default 1024. */
  readonly batchSize?: number;
  readonly steps: number;
  /** Default AdamW, learning rate 1e-3, betas (.9, .999), eps 1e-8, weight decay .01. */
  readonly optimizer?: AdamOptions;
  readonly seed: number;
  /** Other data than sparse features: builds a generator of samples [n_instances · n_features] from a random source. */
  readonly data?: (random: RandomSource) => SampleGenerator;
}

export interface TrainedToyModels {
  /** One for each instance. */
  readonly models: readonly ToyModel[];
  /** Each instance's loss, a mean over the last twentieth of training. */
  readonly losses: readonly number[];
  /** The index of the lowest loss. */
  readonly best: number;
  readonly run: Trained;
}

export const TOY_MODEL_OPTIMIZER: AdamOptions = {
  name: 'adamw',
  learningRate: 1e-3,
  betas: [0.9, 0.999],
  weightDecay: 0.01,
};

type Maker = (random: RandomSource) => SampleGenerator;

/** The model to train, and what each of its instances learns from. */
interface Parts {
  readonly model: ToyModel | ParallelToyModel;
  readonly batches: BatchSource;
}

/**
 * Builds the step program and its batches: what `trainToyModels` runs, for benches and for those who train step by step. Errors as
 * `trainToyModels`.
 */
export function toyModelProgram(settings: ToyModelTraining | readonly ToyModelTraining[]) {
  const runs: readonly ToyModelTraining[] = Array.isArray(settings) ? settings : [settings];
  requireAlike(runs, ['seed', 'sparsity', 'data']);
  const [first] = runs as [ToyModelTraining];
  const { nFeatures, batchSize = 1024 } = first;
  const { model, batches } = runs.length > 1 ? apart(runs, batchSize) : restarts(first, batchSize);
  const importance = first.importance ?? { data: new Float32Array(nFeatures).fill(1), shape: [nFeatures] };
  const program = trainingStep({
    model,
    state: model.state,
    objective: toyModelObjective(importance),
    optimizer: adam(first.optimizer ?? TOY_MODEL_OPTIMIZER),
    batchShape: [batchSize, ...model.sampleShape],
    nInstances: model instanceof ToyModel ? undefined : model.config.nInstances,
    instanceAxis: 1,
  });
  return { model, program, batches, steps: first.steps };
}

/** One model, or several that start and draw from one seed. */
function restarts(settings: ToyModelTraining, batchSize: number): Parts {
  const { nFeatures, nHidden, nInstances = 1, seed, data } = settings;
  const [start, random] = [randomStream(seed, 0), randomStream(seed, 1)];
  const model =
    nInstances === 1
      ? new ToyModel({ nFeatures, nHidden }, start)
      : new ParallelToyModel({ nInstances, nFeatures, nHidden }, start);
  const sparsity = spread(settings.sparsity, nInstances, nFeatures);
  if (data || nInstances === 1) {
    return { model, batches: generatedBatches(model.inputName, random, data ?? sparseFeatures(sparsity, batchSize)) };
  }
  // A source for each instance, so that what one draws does not depend on the others.
  const makers = Array.from({ length: nInstances }, (_, i) => sparseFeatures(entryOf(sparsity, i), batchSize));
  const randoms = makers.map(() => createRandomSource(random.integer(Number.MAX_SAFE_INTEGER)));
  return { model, batches: generatedSamples(model.inputName, nFeatures, makers, randoms) };
}

/** Models that each start and draw as they would alone. */
function apart(runs: readonly ToyModelTraining[], batchSize: number): Parts {
  const [{ nFeatures, nHidden, nInstances = 1 }] = runs as [ToyModelTraining];
  if (nInstances !== 1)
    throw new InvalidValueError(`runs side by side have no nInstances of their own, got ${nInstances}`);
  const alone = runs.map(({ seed }) => new ToyModel({ nFeatures, nHidden }, randomStream(seed, 0)));
  const model = new ParallelToyModel({ nInstances: runs.length, nFeatures, nHidden }, createRandomSource(0));
  model.state = stackStates(alone.map(({ state }) => state));
  const makers = runs.map(({ data, sparsity }) => data ?? sparseFeatures(spread(sparsity, 1, nFeatures), batchSize));
  const randoms = runs.map(({ seed }) => randomStream(seed, 1));
  return { model, batches: generatedSamples(model.inputName, nFeatures, makers, randoms) };
}

function sparseFeatures(sparsity: HostTensor, batchSize: number): Maker {
  return random => new SyntheticSparseDataGenerator(batchSize, sparsity, random);
}

/**
 * Trains toy models: as many restarts as `settings` ask for; or, given several settings, one model for each, the same as each trained alone.
 * Those may differ in `seed`, `sparsity` and `data`, and have no restarts. Errors as `train`, InvalidValueError for settings out of range
 * and for several that differ in something else, InvalidShapeError for sparsities of another shape.
 */
export async function trainToyModels(
  settings: ToyModelTraining | readonly ToyModelTraining[],
  options: RunOptions,
): Promise<TrainedToyModels> {
  const { model, program, batches, steps } = toyModelProgram(settings);
  const run = await train({ program, batches, steps, ...options });
  model.state = modelState(run.state);
  const models = modelsOf(model);
  const losses = finalLosses(run.metrics['losses'] ?? run.metrics['loss']!, run.step, models.length);
  return { models, losses, best: losses.indexOf(Math.min(...losses)), run };
}

/** Each instance as a model of its own. */
export function modelsOf(model: ToyModel | ParallelToyModel): ToyModel[] {
  if (model instanceof ToyModel) return [model];
  const { nInstances, nFeatures, nHidden } = model.config;
  return Array.from({ length: nInstances }, (_, i) => {
    const single = new ToyModel({ nFeatures, nHidden }, createRandomSource(0));
    single.state = { parameters: model.instance(i), buffers: {} };
    return single;
  });
}

/** Means over the last twentieth: one batch's loss is too noisy to choose by. */
function finalLosses(losses: Float32Array, steps: number, nInstances: number): number[] {
  const window = Math.max(1, Math.floor(steps / 20));
  return Array.from({ length: nInstances }, (_, instance) => {
    let sum = 0;
    for (let step = steps - window; step < steps; step++) sum += losses[step * nInstances + instance]!;
    return sum / window;
  });
}

/** One sparsity for all, or one a feature, spread over the instances. */
function spread(sparsity: number | NestedArray, nInstances: number, nFeatures: number): HostTensor {
  const { data, shape } = fromNested(typeof sparsity === 'number' ? [sparsity] : sparsity);
  const sample = nInstances === 1 ? [nFeatures] : [nInstances, nFeatures];
  const size = nInstances * nFeatures;
  if (data.length === size) return { data, shape: sample };
  const single = data.length === 1 || (shape.length === 1 && data.length === nFeatures);
  if (!single) {
    throw new InvalidShapeError(
      `sparsity must be one number or have shape [${nFeatures}] or [${nInstances}, ${nFeatures}], got [${shape.join(', ')}]`,
    );
  }
  return { data: Float32Array.from({ length: size }, (_, i) => data[i % data.length]!), shape: sample };
}
