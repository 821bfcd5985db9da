/** Trains toy models of superposition: one, restarts of one, or many that differ in any setting. */
import { type ActivationData, activationSource } from '../data/activation-data.ts';
import type { OpenSource } from '../data/activation-source.ts';
import { renamed, samplesSideBySide } from '../data/batch-source.ts';
import { contentHash } from '../data/content-hash.ts';
import { isGenerated } from '../data/generated-source.ts';
import { createRandomSource } from '../data/random-source.ts';
import { randomStream } from '../data/streams.ts';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { freezeToyModel, type TrainingRecord } from '../export/freeze.ts';
import type { ModelState } from '../models/model.ts';
import { ParallelToyModel } from '../models/parallel-toy-model.ts';
import { ToyModel, type ToyModelConfig } from '../models/toy-model.ts';
import { filled, type HostTensor, type HostTensors, hostTensor } from '../tensor.ts';
import { finalLoss, historyOf, type TrainingHistory } from './history.ts';
import { toyModelTrainable } from './losses.ts';
import { type AdamOptions, adam } from './optimizers.ts';
import type { TrainingPlatform } from './platform.ts';
import { type ReadyRun, type RunReport, reportOf, runTraining, type TrainingOptions } from './run-settings.ts';
import type { Schedules } from './schedules.ts';
import { stackStates, stateOf } from './side-by-side.ts';
import { stepNumbers } from './step-numbers.ts';
import type { Trained } from './train.ts';
import { modelState, trainingStep } from './training-step.ts';

/**
 * The settings of one training. Everything has a default but the data, the hidden dimensions and the number of steps.
 */
export interface ToyModelSettings {
  /** Features [n, n_features]: a source such as sparseFeatures(…), rows, a tensor, or an iterable of rows. */
  readonly data: ActivationData;
  /** The number of hidden dimensions, at least 1. */
  readonly nHidden: number;
  /** Training steps, at least 0. */
  readonly steps: number;
  /** How many models train side by side, each with its own start and batches, all from `seed`. Default 1. */
  readonly restarts?: number;
  /** Which restart of the seed a single model is, from 0. Default: none, the seed's own start and batches. */
  readonly restart?: number;
  /** The weight of each feature in the loss, [n_features]. Default: all 1. */
  readonly importance?: HostTensor | readonly number[];
  /** Samples of one step, at least 1. Default 1024. */
  readonly batchSize?: number;
  /** The optimizer. Default: AdamW, betas (.9, .999), eps 1e-8, weight decay .01. */
  readonly optimizer?: AdamOptions;
  /** The learning rate, above 0. Default: the optimizer's, or .001. */
  readonly learningRate?: number;
  /** How the learning rate changes. Default: it does not. */
  readonly schedules?: Pick<Schedules, 'learningRate'>;
  /** The seed of everything random, any safe integer. Default 0. */
  readonly seed?: number;
}

/** Many trainings that share all settings but those that vary. */
export interface ManyToyModelSettings extends ToyModelSettings {
  /** The settings in which each training differs; any setting may. */
  readonly vary: readonly Partial<ToyModelSettings>[];
}

/** A trained toy model: it knows how it was trained, and can be written to a file. */
export class TrainedToyModel extends ToyModel {
  /** How it was trained: data, steps, optimizer, engine, losses. The file's metadata hold this. */
  readonly training: TrainingRecord;
  readonly #platform: Pick<TrainingPlatform, 'writeFile'>;

  constructor(
    config: ToyModelConfig,
    state: ModelState<HostTensors>,
    training: TrainingRecord,
    platform: Pick<TrainingPlatform, 'writeFile'>,
  ) {
    super(config, createRandomSource(0));
    this.state = state;
    this.training = training;
    this.#platform = platform;
  }

  /**
   * The frozen model as the bytes of an .onnx file.
   * @param training replaces the record of the training in the file's metadata
   */
  toOnnx(training: TrainingRecord = this.training): Uint8Array {
    return freezeToyModel(this, training);
  }

  /**
   * Writes the frozen model to `path`, whole or not at all.
   * @param training replaces the record of the training in the file's metadata
   * @throws FileWriteError where `path` cannot be written
   */
  async save(path: string, training: TrainingRecord = this.training): Promise<void> {
    await this.#platform.writeFile(path, this.toOnnx(training));
  }
}

/** One model of a training. */
export interface ToyModelRestart {
  readonly model: TrainedToyModel;
  readonly history: TrainingHistory;
  /** The mean loss of the last twentieth of its batches, by which the best restart is chosen. */
  readonly trainingLoss: number;
  /** Its loss on data that training never saw. */
  readonly loss: number;
}

/** A trained toy model, its restarts, and how it came about. */
export interface ToyModelTrainingResult extends RunReport {
  /** The restart of the lowest training loss. */
  readonly model: TrainedToyModel;
  /** Its loss on data that training never saw. */
  readonly loss: number;
  readonly history: TrainingHistory;
  readonly restarts: readonly ToyModelRestart[];
  /** The index of this restart among `restarts`. */
  readonly best: number;
}

/** The trainers of toy models on one platform; node.ts describes them. */
export interface ToyModelTrainers {
  /** Trains a toy model, the best of `restarts`. */
  trainToyModel(settings: ToyModelSettings, options?: TrainingOptions): Promise<ToyModelTrainingResult>;
  /** Trains one toy model for each entry of `vary`, in that order. */
  trainToyModels(settings: ManyToyModelSettings, options?: TrainingOptions): Promise<ToyModelTrainingResult[]>;
}

/** The optimizer where a training names none. */
export const TOY_MODEL_OPTIMIZER = {
  name: 'adamw',
  learningRate: 1e-3,
  betas: [0.9, 0.999],
  weightDecay: 0.01,
} as const satisfies AdamOptions;

/** How many fresh samples each restart's loss is measured on, and how many at a time. */
const FRESH = 16_384;
const FRESH_AT_ONCE = 4096;

/** Makes the trainers of a platform. */
export function toyModelTraining(platform: TrainingPlatform): ToyModelTrainers {
  const trainToyModels: ToyModelTrainers['trainToyModels'] = async ({ vary, ...base }, options = {}) => {
    if (vary.length === 0) throw new InvalidValueError('vary must name at least one toy model, got none');
    const runs = vary.flatMap((own, index) => instancesOf({ ...base, ...own }, index));
    const trained = new Map<ToyRun, ToyModelRestart & RunReport>();
    const groups = grouped(runs);
    for (const [i, group] of groups.entries()) {
      const suffix = groups.length > 1 ? `-${i + 1}` : '';
      const results = await trainGroup(
        platform,
        group,
        group.map(run => runs.indexOf(run)),
        {
          ...options,
          checkpointName: `${options.checkpointName ?? 'toy-model'}${suffix}`,
        },
      );
      for (const [j, run] of group.entries()) trained.set(run, results[j]!);
    }
    return vary.map((_, index) => {
      const restarts = runs.filter(run => run.index === index).map(run => trained.get(run)!);
      const losses = restarts.map(({ trainingLoss }) => trainingLoss);
      const best = Math.max(0, losses.indexOf(Math.min(...losses)));
      const { model, loss, history, stopped, engine, time } = restarts[best]!;
      return { model, loss, history, restarts, best, stopped, engine, time };
    });
  };
  return {
    trainToyModels,
    async trainToyModel(settings, options) {
      const [result] = await trainToyModels({ ...settings, vary: [{}] }, options);
      return result!;
    },
  };
}

type Resolved = Required<Omit<ToyModelSettings, 'restarts' | 'restart' | 'importance' | 'optimizer'>> & {
  readonly importance: HostTensor | undefined;
  readonly optimizer: AdamOptions;
};

/** One instance: a model, or one of its restarts. */
interface ToyRun {
  /** The index in `vary` of the training that it belongs to. */
  readonly index: number;
  readonly settings: Resolved;
  readonly restart: number | undefined;
  readonly source: ReturnType<typeof activationSource>;
}

function instancesOf(settings: ToyModelSettings, index: number): ToyRun[] {
  const { restarts = 1, restart, data, nHidden, steps, batchSize = 1024, schedules = {}, seed = 0 } = settings;
  for (const [name, value] of Object.entries({ restarts, nHidden, batchSize })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidValueError(`${name} must be positive and an integer, got ${value}`);
    }
  }
  if (!Number.isSafeInteger(steps) || steps < 0) throw new InvalidValueError(`steps must be a count, got ${steps}`);
  if (restart !== undefined && restarts > 1) {
    throw new InvalidValueError(`restart ${restart} is one model; it has no ${restarts} restarts of its own`);
  }
  const given = settings.optimizer ?? {};
  const learningRate = settings.learningRate ?? given.learningRate ?? TOY_MODEL_OPTIMIZER.learningRate;
  const decays = (given.name ?? TOY_MODEL_OPTIMIZER.name) === 'adamw';
  const optimizer: AdamOptions = {
    ...TOY_MODEL_OPTIMIZER,
    ...(!decays && { weightDecay: 0 }),
    ...given,
    learningRate,
  };
  const importance = settings.importance && asTensor(settings.importance);
  const source = activationSource(data);
  const resolved = { data, nHidden, steps, batchSize, schedules, seed, learningRate, importance, optimizer };
  const numbers = restarts === 1 ? [restart] : Array.from({ length: restarts }, (_, i) => i);
  return numbers.map(number => ({ index, settings: resolved, restart: number, source }));
}

function asTensor(importance: HostTensor | readonly number[]): HostTensor {
  return 'shape' in importance ? importance : hostTensor(importance, [importance.length]);
}

/** Groups instances that train side by side: those of one form. */
function grouped(runs: readonly ToyRun[]): ToyRun[][] {
  const groups = new Map<string, ToyRun[]>();
  for (const run of runs) {
    const key = sideBySideKey(run) ?? `alone ${groups.size}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

/**
 * A text that is the same for all that train side by side; `undefined` for one that trains alone. Data that are not
 * generated are not laid side by side, because their width is only known once they are open.
 */
function sideBySideKey({ source, settings }: ToyRun): string | undefined {
  if (!isGenerated(source)) return undefined;
  const { data, seed, learningRate, optimizer, importance, ...shared } = settings;
  const { learningRate: _, ...form } = optimizer;
  return JSON.stringify([source.width, shared, form, importance && Array.from(importance.data)]);
}

/**
 * What must be the same for toy models to train side by side (see trainToyModels).
 * @returns a text that is the same for all that do; `undefined` for one that trains alone
 * @throws InvalidValueError for settings out of range
 */
export function toyModelForm(settings: ToyModelSettings): string | undefined {
  return sideBySideKey(instancesOf(settings, 0)[0]!);
}

async function trainGroup(
  platform: TrainingPlatform,
  runs: readonly ToyRun[],
  indices: readonly number[],
  options: TrainingOptions,
): Promise<(ToyModelRestart & RunReport)[]> {
  const opened: OpenSource[] = [];
  try {
    for (const { source, settings, restart } of runs) {
      const { seed, batchSize } = settings;
      opened.push(await source.open({ seed, batchSize, restart, signal: options.signal }));
    }
    const { ready, starts, importance } = readyRun(runs, opened, indices);
    const trained = await runTraining(platform, ready, options);
    const state = modelState(trained.state);
    const results: (ToyModelRestart & RunReport)[] = [];
    for (const [i, run] of runs.entries()) {
      const history = historyOf(trained, { index: i, count: runs.length });
      const own = runs.length === 1 ? state : stateOf(state, i);
      const { config } = starts[i]!;
      const plain = new TrainedToyModel(config, own, {}, platform);
      const trainingLoss = finalLoss(history.loss);
      const loss = (await freshLoss(plain, opened[i]!, importance)) ?? trainingLoss;
      const model = new TrainedToyModel(config, own, trainingRecord(run, history, trained, loss), platform);
      results.push({ model, history, trainingLoss, loss, ...reportOf(trained) });
    }
    return results;
  } finally {
    for (const source of opened) await source[Symbol.asyncDispose]();
  }
}

/**
 * The step program and the batches of a toy model and its restarts, ready for `train`: for benches, and for training
 * step by step. The data must be generated.
 */
export async function toyModelStep(settings: ToyModelSettings): Promise<ReadyRun> {
  const runs = instancesOf(settings, 0);
  const opened = await Promise.all(
    runs.map(({ source, settings: { seed, batchSize }, restart }) => source.open({ seed, batchSize, restart })),
  );
  return readyRun(
    runs,
    opened,
    runs.map((_, i) => i),
  ).ready;
}

function readyRun(runs: readonly ToyRun[], opened: readonly OpenSource[], indices: readonly number[]) {
  const [{ settings }] = runs as readonly [ToyRun];
  const { nHidden, batchSize, steps } = settings;
  const nFeatures = opened[0]!.width;
  const importance = settings.importance ?? filled([nFeatures], 1);
  if (importance.data.length !== nFeatures) {
    throw new InvalidShapeError(`importance must have shape [${nFeatures}], got [${importance.shape.join(', ')}]`);
  }
  const starts = startsOf(runs, { nFeatures, nHidden });
  const isAlone = runs.length === 1;
  const model = isAlone
    ? starts[0]!
    : new ParallelToyModel({ nInstances: runs.length, nFeatures, nHidden }, createRandomSource(0));
  const numbers = stepNumbers(runs.map(run => ({ ...run.settings, numbers: {} })));
  const program = trainingStep({
    model: toyModelTrainable(model, importance),
    state: isAlone ? model.state : stackStates(starts.map(({ state }) => state)),
    optimizer: adam(settings.optimizer),
    batch: { [model.inputName]: [batchSize, ...model.sampleShape] },
    scalars: numbers.scalars,
    nInstances: isAlone ? undefined : runs.length,
    instanceAxis: 1,
  });
  const sources = opened.map(({ batches }) => renamed(batches, model.inputName));
  const ready: ReadyRun = {
    program,
    batches: isAlone ? sources[0]! : samplesSideBySide(model.inputName, nFeatures, sources),
    steps,
    scalars: numbers.at,
    name: 'toy-model',
    experiment: experimentOf(runs, opened),
    look: state => {
      const { weight, bias } = modelState(state).parameters;
      return { directions: weight!, bias: bias! };
    },
    indices,
  };
  return { ready, starts, importance };
}

/** Each instance before its first step: restart i of a seed takes the i-th draw from the seed's stream of starts. */
function startsOf(runs: readonly ToyRun[], config: ToyModelConfig): ToyModel[] {
  return runs.map(({ settings, restart = 0 }) => {
    const random = randomStream(settings.seed, 'toyModel');
    let model = new ToyModel(config, random);
    for (let i = 0; i < restart; i++) model = new ToyModel(config, random);
    return model;
  });
}

/**
 * The mean of importance · (x − out)² over samples and features of held-out data; `undefined` where nothing is held
 * out.
 */
async function freshLoss(model: ToyModel, source: OpenSource, importance: HostTensor): Promise<number | undefined> {
  let sum = 0;
  let count = 0;
  for await (const { input } of source.heldOut(FRESH, FRESH_AT_ONCE)) {
    const { reconstruction } = model.forward(input);
    const width = importance.data.length;
    for (let i = 0; i < input.data.length; i++) {
      sum += importance.data[i % width]! * (input.data[i]! - reconstruction.data[i]!) ** 2;
    }
    count += input.data.length;
  }
  return count === 0 ? undefined : sum / count;
}

function experimentOf(runs: readonly ToyRun[], opened: readonly OpenSource[]): Readonly<Record<string, unknown>> {
  const [{ settings }] = runs as readonly [ToyRun];
  const { nHidden, batchSize, optimizer, schedules, importance, steps } = settings;
  const decays = schedules.learningRate?.decay !== undefined && schedules.learningRate.decay !== 'constant';
  return {
    what: 'toy-model',
    nHidden,
    batchSize,
    optimizer,
    schedules,
    ...(decays && { steps }),
    ...(importance && { importance: contentHash(importance.data) }),
    runs: runs.map(({ settings: { seed, learningRate }, restart }, i) => ({
      seed,
      learningRate,
      ...(restart !== undefined && { restart }),
      data: opened[i]!.identity,
    })),
  };
}

function trainingRecord(
  { settings, restart, source }: ToyRun,
  history: TrainingHistory,
  { step, engine }: Trained,
  loss: number,
): TrainingRecord {
  const { seed, batchSize, optimizer } = settings;
  return {
    seed,
    ...(restart !== undefined && { restart }),
    data: source.description,
    steps: step,
    batch: batchSize,
    optimizer,
    engine: `${engine.engine} (${engine.provider})`,
    metrics: { step_0: { loss: history.loss[0] ?? null }, end: { loss } },
  };
}
