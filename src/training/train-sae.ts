/** Training sparse autoencoders on a stream of activations: one, or many side by side that differ in seed, start or sparsity. */
import { type BatchSource, sideBySide, withLearningRate } from '../data/batch-source.ts';
import { randomStream } from '../data/streams.ts';
import type { StepDescriptor } from '../engines/engine.ts';
import { InvalidShapeError } from '../errors.ts';
import { KEPT, L1 } from '../models/activations/activation.ts';
import type { ActivationConfig } from '../models/activations/registry.ts';
import type { DecoderForm } from '../models/decoder.ts';
import { geometricMedian } from '../models/geometric-median.ts';
import { type Initialisation, initialDirections } from '../models/initialisation.ts';
import type { ModelState } from '../models/model.ts';
import { SparseAutoencoder, unitRows } from '../models/sparse-autoencoder.ts';
import { type HostTensor, type HostTensors, hostTensor } from '../tensor.ts';
import { type LearningRateSchedule, learningRateAt } from './learning-rate.ts';
import { saeObjective } from './losses.ts';
import { type AdamOptions, adam } from './optimizers.ts';
import { entryOf, lossesOf, requireAlike, stackStates, stateOf } from './side-by-side.ts';
import { type RunOptions, type Trained, train } from './train.ts';
import { LEARNING_RATE, modelState, trainingStep } from './training-step.ts';

export interface SaeTraining {
  readonly dIn: number;
  readonly dSae: number;
  readonly activation: ActivationConfig;
  /** Default `reparametrise`. */
  readonly decoder?: DecoderForm;
  /** Where decoder directions start. Default `spread`. */
  readonly init?: Initialisation;
  /** Default 2048. */
  readonly batchSize?: number;
  readonly steps: number;
  /** Default Adam, learning rate .005, betas (0, .999). */
  readonly optimizer?: AdamOptions;
  /** Whether b_dec stays the activations' geometric median, where it starts. Default false: it is trained, which the sparse update always does. */
  readonly holdBias?: boolean;
  /** How the learning rate changes. Default not at all. */
  readonly schedule?: LearningRateSchedule;
  readonly seed: number;
}

export const SAE_OPTIMIZER: AdamOptions = { name: 'adam', learningRate: 0.005, betas: [0, 0.999] };

/** What an SAE learns from. */
export interface ActivationData {
  /** Activations [n, d_in] seen beforehand: their geometric median is where b_dec starts, and initialisations draw from them. */
  readonly sample: HostTensor;
  /** The stream of training batches, input `activations`; `seed` makes runs that differ in seed see different batches. */
  readonly batches: (seed: number) => BatchSource;
}

export interface TrainedSae {
  readonly sae: SparseAutoencoder;
  /** As it was before the first step. */
  readonly start: SparseAutoencoder;
  /** Its own loss at each step. */
  readonly loss: Float32Array;
  /** The training that it was part of. */
  readonly run: Trained;
  /** Decoder directions [d_sae, d_in] at each of `snapshotAt`. */
  readonly directions: readonly { readonly step: number; readonly value: HostTensor }[];
}

export interface SaeRunOptions extends RunOptions {
  /** Steps at which to keep the decoder's directions. Default none. */
  readonly snapshotAt?: readonly number[];
}

/**
 * The random stream of a seed from which an autoencoder starts. Not the toy model's: of the same seed and shape, an autoencoder would start
 * with the very draws that the model's directions grew from, and seem to have recovered many before its first step.
 */
const INITIAL_STREAM = 7;

/** The autoencoder that training starts from. `median` spares its computation where it is known. */
export function initialSae(settings: SaeTraining, sample: HostTensor, median?: HostTensor): SparseAutoencoder {
  const { dIn, dSae, init = 'spread', seed } = settings;
  if (sample.shape.length !== 2 || sample.shape[1] !== dIn) {
    throw new InvalidShapeError(
      `the sample of activations must have shape [n, ${dIn}], got [${sample.shape.join(', ')}]`,
    );
  }
  const random = randomStream(seed, INITIAL_STREAM);
  const bias = (median ?? geometricMedian(sample)).data;
  const directions = initialDirections(init, { dIn, dSae, activations: sample, center: bias, random });
  const activation = withThresholdRestart(settings.activation, settings.steps);
  const { decoder = 'reparametrise' } = settings;
  return new SparseAutoencoder({ dIn, dSae, activation, decoder }, random, { bias, directions });
}

/**
 * Builds the step program of one autoencoder, or of several of one shape side by side, which may differ in k or l1. Autoencoders of one
 * kind of activation; `settings` are the first one's.
 */
export function saeProgram(settings: SaeTraining, saes: readonly SparseAutoencoder[]) {
  const { dIn, dSae, batchSize = 2048 } = settings;
  // Runs the others too: what it leaves room for is enough for all.
  const sae = saes.reduce((largest, next) => (sparsityOf(next) > sparsityOf(largest) ? next : largest));
  const optimizer = adam(settings.optimizer ?? SAE_OPTIMIZER);
  const parallel = saes.length > 1;
  const { decoder } = sae.config;
  const { activation } = sae;
  const held = settings.holdBias ? ['b_dec'] : [];
  const descriptor: StepDescriptor = {
    kind: 'sparse-autoencoder',
    selection: sae.config.activation,
    decoder,
    loss: { l1: activation.l1 },
    held,
    optimizer: optimizer.options,
    dIn,
    dSae,
    batchSize,
  };
  return trainingStep({
    model: sae,
    state: parallel ? sideBySideState(saes, batchSize) : sae.state,
    objective: saeObjective(sae),
    optimizer,
    batchShape: parallel ? [saes.length, batchSize, dIn] : [batchSize, dIn],
    decoder,
    nInstances: parallel ? saes.length : undefined,
    scheduled: settings.schedule !== undefined,
    held,
    descriptor: parallel ? undefined : descriptor,
  });
}

/** What the kind of activation has that may differ among instances. */
function sparsityOf({ activation }: SparseAutoencoder): number {
  return activation.k ?? activation.l1;
}

/** The states stacked; where k or l1 differ, each instance's own is a buffer, and so goes wherever its instance goes. */
function sideBySideState(saes: readonly SparseAutoencoder[], batchSize: number): ModelState<HostTensors> {
  const { parameters, buffers } = stackStates(saes.map(({ state }) => state));
  const own = (name: string, values: readonly number[]): HostTensors =>
    new Set(values).size > 1 ? { [name]: hostTensor(values, [values.length]) } : {};
  return {
    parameters,
    buffers: {
      ...buffers,
      ...own(
        KEPT,
        saes.map(({ activation }) => activation.kept?.(batchSize) ?? 0),
      ),
      ...own(
        L1,
        saes.map(({ activation }) => activation.l1),
      ),
    },
  };
}

/** Trains one sparse autoencoder. Errors as `train`. */
export async function trainSae(
  settings: SaeTraining,
  data: ActivationData,
  options: SaeRunOptions,
): Promise<TrainedSae> {
  const [trained] = await trainSaes([settings], data, options);
  return trained!;
}

/**
 * Trains several autoencoders as one batched step, each on its own batches: the same as training them one by one, faster for small ones.
 * They may differ in `seed`, `init`, and their activation's `k` or `l1`. Errors as `train`, and InvalidValueError where they differ in
 * something else.
 */
export async function trainSaes(
  runs: readonly SaeTraining[],
  data: ActivationData,
  options: SaeRunOptions,
): Promise<readonly TrainedSae[]> {
  requireAlike(runs, ['seed', 'init', 'activation']);
  requireAlike(
    runs.map(({ activation }) => activation),
    ['k', 'l1'],
  );
  const { snapshotAt, ...runOptions } = options;
  const [settings] = runs as [SaeTraining];
  const median = geometricMedian(data.sample);
  const starts = runs.map(run => initialSae(run, data.sample, median));
  const { decoder } = starts[0]!.config;
  // Runs of one seed see the same batches, which are then drawn once.
  const seeds = [...new Set(runs.map(({ seed }) => seed))];
  const sources = seeds.map(seed => data.batches(seed));
  const readers = runs.map(({ seed }) => seeds.indexOf(seed));
  const batches = runs.length === 1 ? sources[0]! : sideBySide('activations', sources, readers);
  const { schedule, optimizer = SAE_OPTIMIZER, steps } = settings;
  const run = await train({
    program: saeProgram(settings, starts),
    batches: schedule
      ? withLearningRate(LEARNING_RATE, batches, learningRateAt(schedule, adam(optimizer).options.learningRate, steps))
      : batches,
    steps,
    ...runOptions,
    ...(snapshotAt && { snapshots: { steps: snapshotAt, take: state => allDirections(state, decoder) } }),
  });
  const state = modelState(run.state);
  const isAlone = runs.length === 1;
  return starts.map((start, i) => ({
    sae: start.withState(isAlone ? state : stateOf(state, i, start.state)),
    start,
    loss: lossesOf(run, i),
    run,
    directions: run.snapshots.map(({ step, value }) => ({ step, value: isAlone ? value : entryOf(value, i) })),
  }));
}

/** θ starts again after the first tenth of training, when the first wild steps are over. */
function withThresholdRestart(activation: ActivationConfig, steps: number): ActivationConfig {
  if (activation.kind !== 'batchtopk') return activation;
  return { restartThresholdAt: Math.floor(steps / 10), ...activation };
}

function allDirections(state: HostTensors, decoder: DecoderForm): HostTensor {
  const rows = decoder === 'reparametrise' ? state['parameters.V']! : state['parameters.W_dec']!;
  if (decoder !== 'reparametrise') return rows;
  const width = rows.shape.at(-1)!;
  return { data: unitRows(rows.data, rows.data.length / width, width).data, shape: rows.shape };
}
