/** Trains sparse autoencoders: one, or many that differ in any setting. Those that can train side by side do. */

import { activationSource } from '../data/activation-data.ts';
import type { OpenSource } from '../data/activation-source.ts';
import { type BatchSource, sideBySide } from '../data/batch-source.ts';
import { contentHash } from '../data/content-hash.ts';
import { isGenerated } from '../data/generated-source.ts';
import { restoreRandomSource } from '../data/random-source.ts';
import { averageNormScale, scaledBatches, scaledRows } from '../data/scaled-source.ts';
import { randomStream } from '../data/streams.ts';
import type { StepDescriptor } from '../engines/engine.ts';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { TrainingRecord } from '../export/freeze.ts';
import { createArchitecture } from '../models/architectures/registry.ts';
import { decoderRows } from '../models/decoder.ts';
import { runEagerly } from '../models/eager.ts';
import type { Initialisation } from '../models/initialisation.ts';
import { normalizeRows } from '../models/normalisation.ts';
import { ACTIVATIONS, type SaeReports, saeTrainable, TARGET } from '../models/sae-trainable.ts';
import { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { type HostTensor, hostTensor, zeros } from '../tensor.ts';
import { biasWarnings } from './bias-walk.ts';
import { historyOf, type TrainingHistory } from './history.ts';
import type { MeasuredLoss } from './metrics/metrics-record.ts';
import { rowVariance } from './metrics/row-variance.ts';
import { adam } from './optimizers.ts';
import type { TrainingPlatform } from './platform.ts';
import { type ResampledRun, resampled } from './resample.ts';
import {
  isWatched,
  type ReadyRun,
  type RunReport,
  reportOf,
  runTraining,
  type TrainingOptions,
} from './run-settings.ts';
import {
  FEW_LATENTS,
  type ManySaeSettings,
  type NormalizeActivations,
  type ResolvedSaeSettings,
  resolveSaeSettings,
  type SaeSettings,
} from './sae-settings.ts';
import { instanceOf, stackStates, stateOf, withInstance } from './side-by-side.ts';
import type { DirectionsRequest, DrawnDirections, StartWork } from './start/start-work.ts';
import { stepNumbers } from './step-numbers.ts';
import type { StateRevision, Trained } from './train.ts';
import { TrainedSparseAutoencoder } from './trained-sae.ts';
import { modelState, type TrainingStepOptions, trainingStep } from './training-step.ts';

/** A trained autoencoder and how it came about. */
export interface SaeTrainingResult extends RunReport {
  /** The autoencoder after the last completed step; `save()` and `toOnnx()` freeze it. */
  readonly sae: TrainedSparseAutoencoder;
  /** The autoencoder before the first step. */
  readonly start: SparseAutoencoder;
  readonly history: TrainingHistory;
  /** What a person should know of the run, one sentence each: that b_dec has moved far, for example (docs/study.md). */
  readonly warnings: readonly string[];
  /**
   * How many latents fired in none of the last `window` samples of training. Absent where steps do not count silent
   * latents.
   */
  readonly dead?: { readonly count: number; readonly window: number };
}

/** The trainers of autoencoders on one platform; node.ts describes them. */
export interface SaeTrainers {
  /** Trains one sparse autoencoder. */
  trainSae(settings: SaeSettings, options?: TrainingOptions): Promise<SaeTrainingResult>;
  /** Trains one autoencoder for each entry of `vary`, in that order. */
  trainSaes(settings: ManySaeSettings, options?: TrainingOptions): Promise<SaeTrainingResult[]>;
  /**
   * What must be the same for autoencoders to train side by side (see trainSaes).
   * @returns a text that is the same for all that do; `undefined` for one that trains alone
   * @throws InvalidValueError or InvalidShapeError as `trainSae` for settings out of range
   */
  saeForm(settings: SaeSettings): string | undefined;
}

/** Makes the trainers of a platform. */
export function saeTraining(platform: TrainingPlatform): SaeTrainers {
  const trainSaes: SaeTrainers['trainSaes'] = async ({ vary, ...base }, options = {}) => {
    if (vary.length === 0) throw new InvalidValueError('vary must name at least one autoencoder, got none');
    const runs = vary.map(own => new SaeRun(resolveSaeSettings({ ...base, ...own })));
    const groups = grouped(runs, platform);
    const results = new Map<SaeRun, SaeTrainingResult>();
    for (const [i, group] of groups.entries()) {
      const suffix = groups.length > 1 ? `-${i + 1}` : '';
      const indices = group.map(run => runs.indexOf(run));
      const trained = await trainGroup(platform, group, indices, {
        ...options,
        checkpointName: `${options.checkpointName ?? 'sae'}${suffix}`,
        metricsFile: options.metricsFile?.replace(/(\.[^./\\]*)?$/, extension => suffix + extension),
        tensorboard: options.tensorboard && options.tensorboard + suffix,
      });
      for (const [j, run] of group.entries()) results.set(run, trained[j]!);
    }
    return runs.map(run => results.get(run)!);
  };
  return {
    trainSaes,
    async trainSae(settings, options) {
      const [result] = await trainSaes({ ...settings, vary: [{}] }, options);
      return result!;
    },
    saeForm: settings => sideBySideKey(new SaeRun(resolveSaeSettings(settings)), platform.sideBySideBelow),
  };
}

/** One autoencoder that is to be trained. */
class SaeRun {
  readonly settings: ResolvedSaeSettings;
  readonly source: ReturnType<typeof activationSource>;

  constructor(settings: ResolvedSaeSettings) {
    const { activation, dSae, steps, data } = settings;
    const defaults = createArchitecture(activation, dSae).trainingDefaults?.(steps);
    this.settings = { ...settings, activation: { ...defaults, ...activation } };
    this.source = activationSource(data);
  }

  /** What must be the same for all runs that train side by side, as JSON. */
  get form(): string {
    const { data, preset, start, seed, sampleSeed, sampleSize, learningRate, optimizer, activation, ...rest } =
      this.settings;
    const { scalars, config } = createArchitecture(activation, rest.dSae);
    const shared = structuredClone(config) as Record<string, unknown>;
    for (const { setting } of Object.values(scalars)) remove(shared, setting.split('.'));
    const { learningRate: _, ...optimizerForm } = optimizer;
    const { holdBias = false, holdDecoder = false, holdEncoder = false, biases = true } = start;
    const changing = Object.keys(rest.schedules).sort();
    const held = [holdBias, holdDecoder, holdEncoder, biases];
    return JSON.stringify([{ ...rest, schedules: changing }, shared, optimizerForm, ...held]);
  }
}

function remove(object: Record<string, unknown>, [name, ...rest]: readonly string[]): void {
  if (rest.length === 0) delete object[name!];
  else if (object[name!]) remove(object[name!] as Record<string, unknown>, rest);
}

/**
 * Groups runs that train side by side. Each group is in the order of the runs; groups are in the order of their first
 * run.
 */
function grouped(runs: readonly SaeRun[], { sideBySideBelow }: TrainingPlatform): SaeRun[][] {
  const groups = new Map<string, SaeRun[]>();
  for (const run of runs) {
    const key = sideBySideKey(run, sideBySideBelow) ?? `alone ${groups.size}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

/**
 * A text that is the same for all runs that train side by side; `undefined` for one that trains alone. Given data are
 * not laid side by side, because their width is only known once they are open.
 */
function sideBySideKey({ source, settings, form }: SaeRun, below: number): string | undefined {
  if (!isGenerated(source)) return undefined;
  const isSmall = settings.batchSize * source.width * settings.dSae < below;
  return isSmall ? `${source.width} ${form}` : undefined;
}

async function trainGroup(
  platform: TrainingPlatform,
  runs: readonly SaeRun[],
  indices: readonly number[],
  options: TrainingOptions,
): Promise<SaeTrainingResult[]> {
  await using sources = new OpenSources(platform.startWork(options.signal), options);
  const opened: OpenSource[] = [];
  const starts: SparseAutoencoder[] = [];
  for (const run of runs) {
    const source = await sources.open(run, run.settings.seed);
    opened.push(source);
    starts.push(await sources.start(run, source));
  }
  const revision = await resampling(runs, starts, opened, sources, options);
  const ready = { ...readyRun(runs, starts, opened, indices, isWatched(options)), ...(revision && { revision }) };
  const measured = isWatched(options) ? await measuredLoss(runs, starts, opened, sources) : undefined;
  const trained = await runTraining(platform, { ...ready, measured }, options);
  const state = modelState(trained.state);
  return runs.map((run, index): SaeTrainingResult => {
    const start = starts[index]!;
    const own = runs.length === 1 ? state : stateOf(state, index);
    const history = historyOf(trained, { index, count: runs.length });
    const dead = deadLatents(own.buffers['silent'], run.settings, trained.step);
    const record = trainingRecord(run, opened[index]!, history, trained, dead);
    const { start: settings } = run.settings;
    const directions = settings.directions ?? defaultDirections(opened[index]!, start.config.dSae);
    const init = typeof directions === 'string' ? directions : 'given';
    const sae = new TrainedSparseAutoencoder(start.config, own, record, init, platform);
    const rows = sources.sampled(run);
    const isFew = start.config.dSae <= FEW_LATENTS;
    const warnings = rows && isFew ? biasWarnings(start.state, own, rows) : [];
    return { sae, start, history, warnings, ...(dead && { dead }), ...reportOf(trained) };
  });
}

/** The sources that a group reads, each opened once for its data and seed, and their samples. */
class OpenSources implements AsyncDisposable {
  readonly #work: StartWork;
  readonly #options: Pick<TrainingOptions, 'signal' | 'onStart'>;
  readonly #open: { readonly key: readonly unknown[]; readonly source: OpenSource }[] = [];
  readonly #samples = new Map<string, Map<OpenSource, Sample>>();

  constructor(work: StartWork, options: Pick<TrainingOptions, 'signal' | 'onStart'>) {
    this.#work = work;
    this.#options = options;
  }

  /** The run's data, opened with `seed`: batches, sample and held-out rows. */
  async open({ settings, source }: SaeRun, seed: number): Promise<OpenSource> {
    const known = this.#known(settings, seed);
    if (known) return known;
    const { batchSize, holdOut } = settings;
    const opened = await source.open({ seed, batchSize, holdOut, signal: this.#options.signal });
    this.#open.push({ key: keyOf(settings, seed), source: opened });
    return opened;
  }

  #known(settings: ResolvedSaeSettings, seed: number): OpenSource | undefined {
    const key = keyOf(settings, seed);
    return this.#open.find(entry => entry.key.every((part, i) => part === key[i]))?.source;
  }

  /** The autoencoder that training starts from. */
  async start(run: SaeRun, source: OpenSource): Promise<SparseAutoencoder> {
    const { settings } = run;
    const { dSae, activation, decoder, reconstructionLoss, skip, seed, sampleSeed } = settings;
    const { biases = true, decoderNorm, encoderNorm, holdDecoder, ...start } = settings.start;
    const { normalize, resample } = settings;
    const dIn = source.width;
    const { targetWidth } = source;
    if (skip && targetWidth === undefined) {
      throw new InvalidValueError('a skip connection is for transcoders: these data have no target');
    }
    if (resample && targetWidth !== undefined) {
      throw new InvalidValueError('resample is not for transcoders: what is sampled has no target to begin anew from');
    }
    const { bias: wanted = targetWidth === undefined ? 'geometric-median' : 'zero' } = start;
    const { directions: kind = defaultDirections(source, dSae) } = start;
    const scales = normalize === 'expected_average_only_in';
    const needsRows = wanted === 'geometric-median' || wanted === 'mean' || needsActivations(kind) || scales;
    const sampled = needsRows
      ? await this.#sample(run, sampleSeed === seed ? source : await this.open(run, sampleSeed))
      : undefined;
    const bias = biases ? await this.#bias(wanted, targetWidth ?? dIn, sampled) : zeros([targetWidth ?? dIn]);
    const { directions, random } = await this.#directions(kind, {
      dIn: targetWidth ?? dIn,
      dSae,
      center: bias.data,
      random: randomStream(seed, 'autoencoder').state(),
      ...(sampled && { activations: sampled.rows }),
    });
    const config = {
      dIn,
      dSae,
      activation,
      decoder,
      reconstructionLoss,
      skip,
      ...(normalize === 'expected_average_only_in' ? { inputScale: sampled!.scale } : { normalize }),
      ...(targetWidth !== undefined && { dOut: targetWidth, transcoder: true }),
      ...(typeof holdDecoder === 'number' && { leastDecoderCosine: holdDecoder }),
      ...(resample && { countsFiring: true }),
    };
    return new SparseAutoencoder(config, restoreRandomSource(random), {
      bias: bias.data,
      directions,
      ...(decoderNorm !== undefined && { decoderNorm }),
      ...(encoderNorm !== undefined && { encoderNorm }),
    });
  }

  /** Given directions, or drawn ones. */
  async #directions(
    kind: Initialisation | HostTensor,
    request: Omit<DirectionsRequest, 'kind'>,
  ): Promise<DrawnDirections> {
    if (typeof kind !== 'string') return { directions: kind, random: request.random };
    return this.#work.directions({ kind, ...request }, share => this.#options.onStart?.('directions', share));
  }

  /**
   * E‖y‖² − ‖E y‖² of the tensor that a run's loss compares with: from the sample, or from held-out rows for a
   * transcoder. `undefined` where there are none.
   */
  async variance(run: SaeRun, source: OpenSource): Promise<number | undefined> {
    if (source.targetWidth === undefined) return rowVariance((await this.#sample(run, source)).compared);
    if (!source.heldOutRows) return undefined;
    const { sampleSize } = run.settings;
    for await (const { target } of source.heldOut(sampleSize, sampleSize)) return target && rowVariance(target);
    return undefined;
  }

  /** The rows of the sample, as training sees them; `undefined` where no sample was needed. */
  sampled({ settings }: SaeRun): HostTensor | undefined {
    const source = this.#known(settings, settings.sampleSeed);
    return source && this.#samples.get(settings.normalize)?.get(source)?.rows;
  }

  /** Rows of the run's own seed, from which latents begin anew. */
  async rows(run: SaeRun, source: OpenSource): Promise<ResampledRun['rows']> {
    const { rows, compared } = await this.#sample(run, source);
    return { fed: compared, encoded: rows };
  }

  async #sample({ settings }: SaeRun, source: OpenSource) {
    const { normalize, sampleSize } = settings;
    const samples = this.#samples.get(normalize) ?? new Map<OpenSource, Sample>();
    this.#samples.set(normalize, samples);
    const known = samples.get(source);
    if (known) return known;
    const rows = await source.sample(sampleSize);
    const sample = { ...normalizedSample(rows, normalize), bias: new Map<string, HostTensor>() };
    samples.set(source, sample);
    return sample;
  }

  async #bias(
    wanted: 'geometric-median' | 'mean' | 'zero' | ArrayLike<number>,
    width: number,
    sample: { readonly rows: HostTensor; readonly bias: Map<string, HostTensor> } | undefined,
  ): Promise<HostTensor> {
    if (wanted === 'zero') return zeros([width]);
    if (typeof wanted !== 'string') {
      if (wanted.length !== width) {
        throw new InvalidShapeError(`the initial bias must have shape [${width}], got [${wanted.length}]`);
      }
      return hostTensor(Float32Array.from(wanted), [width]);
    }
    const known = sample!.bias.get(wanted);
    if (known) return known;
    const tell = (share: number): void => this.#options.onStart?.('geometric median', share);
    const bias = wanted === 'mean' ? meanOf(sample!.rows) : await this.#work.geometricMedian(sample!.rows, tell);
    sample!.bias.set(wanted, bias);
    return bias;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { source } of this.#open) await source[Symbol.asyncDispose]();
  }
}

/** What must be the same for two runs to read one open source. */
function keyOf({ data, batchSize, holdOut }: ResolvedSaeSettings, seed: number): readonly unknown[] {
  return [data, seed, batchSize, holdOut];
}

/** Rows of the sample as training sees them, and the factor that they were multiplied with. */
interface Sample {
  readonly rows: HostTensor;
  /** These rows as the loss compares them with reconstructions: a normalisation of each row is undone. */
  readonly compared: HostTensor;
  readonly scale: number;
  readonly bias: Map<string, HostTensor>;
}

function normalizedSample(rows: HostTensor, normalize: NormalizeActivations): Omit<Sample, 'bias'> {
  if (normalize === 'none') return { rows, compared: rows, scale: 1 };
  if (normalize === 'expected_average_only_in') {
    const scale = averageNormScale(rows);
    const scaled = scaledRows(rows, scale);
    return { rows: scaled, compared: scaled, scale };
  }
  const normalised = runEagerly(({ input }) => ({ x: normalizeRows(normalize, input!).x }), { input: rows });
  return { rows: normalised['x']!, compared: rows, scale: 1 };
}

/**
 * The default start of directions. With few latents, rows spread over the activations find everything where Gaussian
 * ones often do not; in dictionaries of hundreds, the same start leaves twice as many latents dead. A transcoder's
 * directions lie in another space than the activations in the sample.
 */
function defaultDirections({ targetWidth }: OpenSource, dSae: number): Initialisation {
  return targetWidth === undefined && dSae <= FEW_LATENTS ? 'spread' : 'gaussian';
}

function needsActivations(directions: Initialisation | HostTensor): boolean {
  return typeof directions === 'string' && directions !== 'gaussian';
}

function meanOf({ data, shape }: HostTensor): HostTensor {
  const [rows, width] = shape as [number, number];
  const sums = new Float64Array(width);
  for (let i = 0; i < data.length; i++) sums[i % width]! += data[i]!;
  return hostTensor(
    Float32Array.from(sums, sum => sum / rows),
    [width],
  );
}

/** The step of a group, and the batches that it reads. */
function readyRun(
  runs: readonly SaeRun[],
  saes: readonly SparseAutoencoder[],
  opened: readonly OpenSource[],
  indices: readonly number[],
  watched: boolean,
): ReadyRun {
  const [{ settings }] = runs as readonly [SaeRun];
  const { batchSize, steps } = settings;
  const isAlone = runs.length === 1;
  const numbers = stepNumbers(runs.map((run, i) => ({ ...run.settings, numbers: saes[i]!.architecture.scalars })));
  const reports = watched ? reportsOf(settings, saes) : undefined;
  const { program, decoder } = saeStep({ ...settings, reports }, saes, numbers);
  // Runs that read one source may scale it differently, because each measures its own sample of it.
  const wanted = opened.map((source, i) => ({ source, scale: saes[i]!.config.inputScale }));
  const read = wanted.filter(
    ({ source, scale }, i) => wanted.findIndex(other => other.source === source && other.scale === scale) === i,
  );
  const readers = wanted.map(({ source, scale }) =>
    read.findIndex(other => other.source === source && other.scale === scale),
  );
  const members = read.map(({ source, scale }) =>
    scale === 1 ? source.batches : scaledBatches(source.batches, scale),
  );
  const batches: BatchSource = isAlone ? members[0]! : sideBySide(ACTIVATIONS, members, readers);
  return {
    program,
    batches,
    steps,
    scalars: numbers.at,
    name: 'sae',
    experiment: experimentOf(runs, opened, batchSize),
    look: state => {
      const { parameters } = modelState(state);
      return { directions: decoderRows(decoder, parameters), bias: parameters['b_dec']! };
    },
    indices,
  };
}

/** The resampling of a group's dead latents where settings ask for it: for each autoencoder by itself. */
async function resampling(
  runs: readonly SaeRun[],
  saes: readonly SparseAutoencoder[],
  opened: readonly OpenSource[],
  sources: OpenSources,
  { onResample }: TrainingOptions,
): Promise<StateRevision | undefined> {
  const { resample } = runs[0]!.settings;
  if (!resample) return undefined;
  const members: ResampledRun[] = [];
  for (const [i, run] of runs.entries()) {
    const { seed, batchSize } = run.settings;
    members.push({ sae: saes[i]!, seed, batchSize, rows: await sources.rows(run, opened[i]!) });
  }
  return {
    every: resample.every,
    async apply(state, step, engine) {
      let count = 0;
      let next = state;
      for (const [i, member] of members.entries()) {
        const own = members.length === 1 ? next : instanceOf(next, i);
        const begun = await resampled(member, own, step, resample, engine);
        count += begun.count;
        if (begun.count > 0) next = members.length === 1 ? begun.state : withInstance(next, i, begun.state);
      }
      if (count === 0) return undefined;
      onResample?.(step, count);
      return next;
    },
  };
}

/** What records report of the loss besides its terms. */
async function measuredLoss(
  runs: readonly SaeRun[],
  saes: readonly SparseAutoencoder[],
  opened: readonly OpenSource[],
  sources: OpenSources,
): Promise<MeasuredLoss> {
  const { config, architecture, countsFiring } = saes[0]!;
  const { settings } = runs[0]!;
  const variances: (number | undefined)[] = [];
  for (const [i, run] of runs.entries()) variances.push(await sources.variance(run, opened[i]!));
  const perSample = config.reconstructionLoss === 'sum' ? 1 : config.dOut;
  return {
    squaredError: perSample / (architecture.mseWeight ?? 1),
    variances,
    deadWindow: countsFiring ? REPORTED_DEAD_STEPS * settings.batchSize : undefined,
  };
}

/** How many steps a latent is silent before it is reported as dead during training: SAELens's `dead_feature_window`. */
const REPORTED_DEAD_STEPS = 1000;

/**
 * What each step of a training reports besides its loss. Many small autoencoders side by side do not report their L0:
 * nobody asks for its mean, and counting it takes a twentieth of their step.
 */
function reportsOf({ batchSize }: ResolvedSaeSettings, saes: readonly SparseAutoencoder[]): SaeReports {
  const { countsFiring } = saes[0]!;
  return {
    l0: saes.length === 1 || countsFiring,
    ...(countsFiring && { deadAfter: REPORTED_DEAD_STEPS * batchSize }),
  };
}

/** The step program of one autoencoder, or of several of one form side by side, and its numbers. */
export function saeStep(
  settings: Pick<ResolvedSaeSettings, 'batchSize' | 'optimizer' | 'start' | 'clip'> &
    Pick<TrainingStepOptions, 'reportsGradientNorm'> & { readonly reports?: SaeReports | undefined },
  saes: readonly SparseAutoencoder[],
  { constants, scalars }: Pick<ReturnType<typeof stepNumbers>, 'constants' | 'scalars'>,
) {
  const { batchSize } = settings;
  // The largest one stands for all: memory that suffices for it suffices for every one.
  const sae = saes.reduce((largest, next) => (numbersOf(next) > numbersOf(largest) ? next : largest));
  const { dIn, dOut, decoder, transcoder } = sae.config;
  const isAlone = saes.length === 1;
  const lead = isAlone ? [] : [saes.length];
  const { holdBias = false, holdDecoder = false, holdEncoder = false, biases = true } = settings.start;
  const held = [
    ...(holdDecoder === true ? [sae.decoderParameter] : []),
    ...(holdEncoder ? ['W_enc'] : []),
    ...(holdBias || !biases ? ['b_dec'] : []),
    ...(biases ? [] : (sae.architecture.biases ?? ['b_enc'])),
  ];
  const optimizer = adam(settings.optimizer);
  const clip = settings.clip > 0 ? settings.clip : undefined;
  const program = trainingStep({
    model: saeTrainable(sae, settings.reports),
    state: isAlone ? sae.state : stackStates(saes.map(({ state }) => state)),
    optimizer,
    batch: {
      [ACTIVATIONS]: [...lead, batchSize, dIn],
      ...(transcoder && { [TARGET]: [...lead, batchSize, dOut] }),
    },
    constants,
    scalars,
    nInstances: isAlone ? undefined : saes.length,
    held,
    clip,
    reportsGradientNorm: settings.reportsGradientNorm,
    descriptor: isAlone
      ? descriptorOf(sae, { batchSize, optimizer: optimizer.options, held, scalars, clip, reports: settings.reports })
      : undefined,
  });
  return { program, decoder };
}

/** The description of a step for accelerators. */
export function descriptorOf(
  sae: SparseAutoencoder,
  step: {
    readonly batchSize: number;
    readonly optimizer: StepDescriptor['optimizer'];
    readonly held?: readonly string[];
    readonly scalars?: Readonly<Record<string, unknown>>;
    readonly clip?: number | undefined;
    readonly reports?: SaeReports | undefined;
  },
): StepDescriptor {
  const { dIn, dSae, dOut, decoder, transcoder, skip, reconstructionLoss, normalize } = sae.config;
  return {
    kind: 'sparse-autoencoder',
    activation: sae.architecture.config,
    decoder,
    transcoder,
    skip,
    reconstructionLoss,
    ...(normalize !== 'none' && { normalize }),
    optimizer: step.optimizer,
    held: step.held ?? [],
    ...(step.clip !== undefined && { clip: step.clip }),
    scalars: Object.keys(step.scalars ?? {}),
    ...(sae.config.leastDecoderCosine > 0 && { leastDecoderCosine: sae.config.leastDecoderCosine }),
    countsFiring: sae.countsFiring,
    ...(step.reports && { reports: step.reports }),
    dIn,
    dSae,
    dOut,
    batchSize: step.batchSize,
  };
}

function numbersOf({ architecture }: SparseAutoencoder): number {
  return Object.values(architecture.scalars).reduce((sum, { value }) => sum + value, 0);
}

/** What is trained and how. A checkpoint goes on only with the same, except for the number of steps. */
function experimentOf(
  runs: readonly SaeRun[],
  opened: readonly OpenSource[],
  dIn: number,
): Readonly<Record<string, unknown>> {
  const [{ settings }] = runs as readonly [SaeRun];
  const { data, preset, start, seed, sampleSeed, steps, activation, learningRate, optimizer, ...shared } = settings;
  const decays =
    settings.schedules.learningRate?.decay !== undefined && settings.schedules.learningRate.decay !== 'constant';
  return {
    what: 'sae',
    dIn,
    ...shared,
    optimizer,
    ...(decays && { steps }),
    runs: runs.map((run, i) => ({
      seed: run.settings.seed,
      sampleSeed: run.settings.sampleSeed,
      learningRate: run.settings.learningRate,
      activation: withoutTrainingDefaults(run),
      start: describedStart(run.settings.start),
      data: opened[i]!.identity,
    })),
  };
}

/** A run's settings without those that follow from the number of steps. */
function withoutTrainingDefaults({ settings }: SaeRun): Readonly<Record<string, unknown>> {
  const { activation, dSae, steps } = settings;
  const { config, trainingDefaults } = createArchitecture(activation, dSae);
  const derived = trainingDefaults?.(steps) ?? {};
  return Object.fromEntries(Object.entries(config).filter(([name, value]) => derived[name] !== value));
}

/** A start as JSON; given numbers are replaced by their hash. */
function describedStart(start: ResolvedSaeSettings['start']): Readonly<Record<string, unknown>> {
  const { directions, bias, ...rest } = start;
  return {
    ...rest,
    ...(directions !== undefined && {
      directions: typeof directions === 'string' ? directions : contentHash(directions.data),
    }),
    ...(bias !== undefined && { bias: typeof bias === 'string' ? bias : contentHash(Float32Array.from(bias)) }),
  };
}

/** The largest window of samples for which a silent latent is called dead, as in Gao et al. 2024. */
const DEAD_WINDOW = 10_000_000;

/** How many latents fired in none of the last samples: of half the training, or of the last ten million. */
function deadLatents(silent: HostTensor | undefined, { batchSize }: ResolvedSaeSettings, steps: number) {
  const window = Math.min(DEAD_WINDOW, Math.floor(steps / 2) * batchSize);
  if (!silent || window === 0) return undefined;
  return { count: silent.data.filter(samples => samples >= window).length, window };
}

function trainingRecord(
  { settings, source }: SaeRun,
  opened: OpenSource,
  { loss, losses }: TrainingHistory,
  { step, engine }: Trained,
  dead: { readonly count: number; readonly window: number } | undefined,
): TrainingRecord {
  const { seed, batchSize, optimizer, schedules, reconstructionLoss, start, normalize, preset, resample } = settings;
  const last = Object.fromEntries(Object.entries(losses).map(([name, values]) => [name, values.at(-1) ?? null]));
  return {
    seed,
    data: source.description,
    ...(opened.rows !== undefined && { rows: opened.rows, held_out_rows: opened.heldOutRows ?? 0 }),
    ...(opened.normLimit !== undefined && { norm_limit: opened.normLimit, dropped_by_norm: opened.droppedByNorm ?? 0 }),
    steps: step,
    batch: batchSize,
    optimizer,
    ...(Object.keys(schedules).length > 0 && { schedules }),
    ...(preset !== undefined && { preset }),
    ...(normalize !== 'none' && { normalize }),
    ...(resample && { resample: { every: resample.every, dead_after: resample.deadAfter } }),
    reconstruction_loss: reconstructionLoss,
    start: describedStart(start),
    engine: `${engine.engine} (${engine.provider})`,
    engine_reason: engine.reason,
    ...('aux_k' in losses && { aux_k_steps: losses['aux_k']!.filter(value => value > 0).length }),
    ...(dead && { dead_latents: dead.count, dead_window_samples: dead.window }),
    metrics: {
      step_0: { loss: loss[0] ?? null },
      end: { loss: loss.at(-1) ?? null, ...(Object.keys(last).length > 1 && { losses: last }) },
    },
  };
}
