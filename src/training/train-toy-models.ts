/** Training toy models on sparse features: one, or several side by side as restarts, or one for each sparsity. */
import { generatedBatches, generatedSamples } from '../data/batch-source.ts';
import { createRandomSource, type RandomSource } from '../data/random-source.ts';
import type { SampleGenerator } from '../data/sample-generator.ts';
import { randomStream } from '../data/streams.ts';
import { SyntheticSparseDataGenerator } from '../data/synthetic-sparse.ts';
import type { Engine } from '../engines/engine.ts';
import { ParallelToyModel } from '../models/parallel-toy-model.ts';
import { ToyModel } from '../models/toy-model.ts';
import { fromNested, type HostTensor, type NestedArray } from '../tensor.ts';
import type { Checkpoint } from './checkpoint.ts';
import { toyModelObjective } from './losses.ts';
import { type AdamOptions, adam } from './optimizers.ts';
import { type CheckpointOptions, type Progress, type Trained, train } from './train.ts';
import { modelState, trainingStep } from './training-step.ts';

export interface ToyModelTraining {
  readonly nFeatures: number;
  readonly nHidden: number;
  /** Models trained side by side, each from its own start on its own data. Default 1. */
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

/** What a run is given beside its settings; shared by all that trains. */
export interface RunOptions {
  readonly engine: Engine;
  readonly checkpoint?: CheckpointOptions | undefined;
  readonly resume?: Checkpoint | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Steps per call of the engine. */
  readonly stepsPerCall?: number;
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

/** Builds the step program and its batches: what `trainToyModels` runs, for benches and for state to resume. */
export function toyModelProgram(settings: ToyModelTraining) {
  const { nFeatures, nHidden, nInstances = 1, batchSize = 1024, seed } = settings;
  const model =
    nInstances === 1
      ? new ToyModel({ nFeatures, nHidden }, randomStream(seed, 0))
      : new ParallelToyModel({ nInstances, nFeatures, nHidden }, randomStream(seed, 0));
  const importance = settings.importance ?? { data: new Float32Array(nFeatures).fill(1), shape: [nFeatures] };
  const program = trainingStep({
    model,
    state: model.state,
    objective: toyModelObjective(importance),
    optimizer: adam(settings.optimizer ?? TOY_MODEL_OPTIMIZER),
    batchShape: [batchSize, ...model.sampleShape],
    nInstances: nInstances === 1 ? undefined : nInstances,
    instanceAxis: 1,
  });
  const sparsity = spread(settings.sparsity, nInstances, nFeatures);
  const random = randomStream(seed, 1);
  const make = settings.data ?? (source => new SyntheticSparseDataGenerator(batchSize, sparsity, source));
  const batches =
    settings.data || nInstances === 1
      ? generatedBatches(model.inputName, random, make)
      : sparseSamples(model.inputName, batchSize, sparsity, random);
  return { model, program, batches };
}

/** Trains toy models. Errors as `train`, and InvalidValueError for settings out of range. */
export async function trainToyModels(settings: ToyModelTraining, options: RunOptions): Promise<TrainedToyModels> {
  const { nFeatures, nHidden, nInstances = 1, steps } = settings;
  const { model, program, batches } = toyModelProgram(settings);
  const run = await train({ program, batches, steps, ...options });
  model.state = modelState(run.state);
  const models = Array.from({ length: nInstances }, (_, i) => {
    if (model instanceof ToyModel) return model;
    const single = new ToyModel({ nFeatures, nHidden }, randomStream(settings.seed, 0));
    single.state = { parameters: model.instance(i), buffers: {} };
    return single;
  });
  const losses = finalLosses(run.metrics['losses'] ?? run.metrics['loss']!, run.step, nInstances);
  return { models, losses, best: losses.indexOf(Math.min(...losses)), run };
}

/** Every instance's features from a source of its own, so that what one draws does not depend on the others. */
function sparseSamples(inputName: string, batchSize: number, sparsity: HostTensor, random: RandomSource) {
  const [nInstances, nFeatures] = sparsity.shape as [number, number];
  const makers = Array.from({ length: nInstances }, (_, i) => {
    const own = { data: sparsity.data.slice(i * nFeatures, (i + 1) * nFeatures), shape: [nFeatures] };
    return (source: RandomSource) => new SyntheticSparseDataGenerator(batchSize, own, source);
  });
  const randoms = makers.map(() => createRandomSource(random.integer(Number.MAX_SAFE_INTEGER)));
  return generatedSamples(inputName, nFeatures, makers, randoms);
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
  if (!single) return { data, shape };
  return { data: Float32Array.from({ length: size }, (_, i) => data[i % data.length]!), shape: sample };
}
