/** A file of one training by SAELens's own trainer, in our settings: make_saelens_training.py writes it. */
import { createRandomSource } from '../../src/data/random-source.ts';
import type { StepProgram } from '../../src/engines/engine.ts';
import { InvalidValueError } from '../../src/errors.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { foldActivationScale } from '../../src/models/fold-activation-scale.ts';
import type { FrozenSae } from '../../src/models/frozen-sae.ts';
import type { ModelState } from '../../src/models/model.ts';
import type { ActivationNormalization } from '../../src/models/normalisation.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import {
  filled,
  fromNested,
  type HostTensor,
  type HostTensors,
  hostTensor,
  type NestedArray,
} from '../../src/tensor.ts';
import type { Ramp, Schedules } from '../../src/training/schedules.ts';
import { type StepNumbers, stepNumbers } from '../../src/training/step-numbers.ts';
import { saeStep } from '../../src/training/train-sae.ts';
import { numberOf, type SaelensConfig, saelensArchitecture } from './saelens-architectures.ts';

/** What SAELens notes of one step, before its update. */
export interface SaelensStep {
  readonly learning_rate: number;
  readonly coefficients: Readonly<Record<string, number>>;
  /** Latents that were silent for strictly more than the window. */
  readonly dead: number;
  readonly loss: number;
  /** The norm of the gradient before it is clipped. */
  readonly gradient_norm: number;
  readonly losses: Readonly<Record<string, number>>;
}

/** The file. */
interface SaelensTrainingFile {
  readonly architecture: string;
  readonly config: SaelensConfig;
  readonly dead_feature_window: number;
  readonly gradient_clip_norm: number;
  readonly optimizer: {
    readonly name: 'adam';
    readonly lr: number;
    readonly betas: [number, number];
    readonly eps: number;
    readonly lr_warm_up_steps: number;
    readonly lr_decay_steps: number;
    readonly steps: number;
  };
  /** What the batches are multiplied with before training. */
  readonly normalization: number | null;
  readonly inputs: { readonly start: Readonly<Record<string, NestedArray>>; readonly batches: NestedArray };
  readonly expected: {
    readonly steps: readonly SaelensStep[];
    /** By the number of completed steps; a BatchTopK's `topk_threshold` among them. */
    readonly parameters_after: Readonly<Record<string, Readonly<Record<string, NestedArray | number>>>>;
  };
  /** The trained SAE as SAELens saves it for inference, and what it makes of the first batch as it was before it was multiplied. */
  readonly frozen: {
    readonly config: { readonly architecture: string };
    readonly weights: Readonly<Record<string, NestedArray>>;
    readonly features: NestedArray;
    readonly reconstruction: NestedArray;
  };
}

/** A training by SAELens in our settings, with the numbers that it must give. */
export interface SaelensTraining {
  readonly program: StepProgram;
  readonly numbers: StepNumbers;
  /** [count, batch, d_in], taken in turn, as the step is given them. */
  readonly batches: HostTensor;
  /** The first batch as it was before it was multiplied. */
  readonly firstBatch: HostTensor;
  /** Samples without firing beyond which SAELens calls a latent dead. */
  readonly deadBeyond: number;
  /** Our names of the loss's terms by SAELens's. */
  readonly terms: Readonly<Record<string, string>>;
  /** The frozen form of a trained state, which takes activations as they were before they were multiplied. */
  freeze(state: ModelState<HostTensors>): FrozenSae;
  readonly steps: readonly SaelensStep[];
  /** Parameters and, as `topk_threshold`, the running threshold, by the number of completed steps, ascending. */
  readonly after: ReadonlyMap<number, Readonly<Record<string, NestedArray | number>>>;
  readonly frozen: SaelensTrainingFile['frozen'];
}

/** A running threshold that has started: SAELens's starts at the number 0, which ours takes for "nothing was selected yet". */
const STARTED = 1e-30;

/** Whether these are the figures of a training by SAELens, of whatever architecture. */
export function isSaelensTraining(contents: unknown): contents is SaelensTrainingFile {
  const holds = (value: unknown, ...names: readonly string[]): boolean =>
    typeof value === 'object' && value !== null && names.every(name => name in value);
  if (!holds(contents, 'architecture', 'config', 'dead_feature_window', 'inputs', 'expected', 'frozen')) return false;
  const { inputs, expected } = contents as SaelensTrainingFile;
  return holds(inputs, 'start', 'batches') && holds(expected, 'steps', 'parameters_after');
}

/**
 * The training in our settings, of any sizes.
 * @throws InvalidValueError for an architecture or a setting that is unknown here.
 */
export function saelensTraining(file: SaelensTrainingFile): SaelensTraining {
  const { architecture: name, config, dead_feature_window: window, gradient_clip_norm: clip, expected } = file;
  const known = saelensArchitecture(name, config);
  if (file.optimizer.name !== 'adam') throw new InvalidValueError(`optimizer ${file.optimizer.name} is not known here`);
  const scale = scaleOf(file);
  const unscaled = fromNested(file.inputs.batches);
  const [, batchSize, dIn] = unscaled.shape as [number, number, number];
  const sae = startOf(file, activationOf(known.activation(config, window), config));
  const { lr: learningRate, betas, eps, steps } = file.optimizer;
  const optimizer = { name: 'adam', learningRate, betas, eps } as const;
  const numbers = stepNumbers([
    { steps, batchSize, schedules: schedulesOf(file), learningRate, numbers: sae.architecture.scalars },
  ]);
  const { program } = saeStep({ batchSize, optimizer, start: {}, clip, reportsGradientNorm: true }, [sae], numbers);
  return {
    // Silence is counted here however few latents there are.
    program: { ...program, descriptor: { ...program.descriptor!, countsFiring: true } },
    numbers,
    batches: hostTensor(
      unscaled.data.map(value => scale * value),
      unscaled.shape,
    ),
    firstBatch: hostTensor(unscaled.data.slice(0, batchSize * dIn), [batchSize, dIn]),
    deadBeyond: window * batchSize,
    terms: { mse_loss: 'mse', ...known.terms },
    freeze: state => sae.withState(unscaledState(sae, state, scale)).freeze(),
    steps: expected.steps,
    after: new Map(
      Object.entries(expected.parameters_after)
        .map(([step, after]) => [Number(step), after] as const)
        .sort(([a], [b]) => a - b),
    ),
    frozen: file.frozen,
  };
}

function scaleOf({ config, normalization }: SaelensTrainingFile): number {
  if (rowNormalisationOf(config) !== undefined || config['normalize_activations'] === 'none') return 1;
  if (typeof normalization === 'number' && normalization > 0) return normalization;
  throw new InvalidValueError(`normalization must be a positive number, got ${String(normalization)}`);
}

/**
 * SAELens's AuxK refuses samples that are normalised one by one as soon as a latent is dead, so there is none here.
 * @throws InvalidValueError for a gated one, whose auxiliary loss SAELens takes between a normalised reconstruction and activations as they were.
 */
function activationOf(activation: ActivationConfig, config: SaelensConfig): ActivationConfig {
  if (rowNormalisationOf(config) === undefined) return activation;
  if (activation.kind === 'gated') {
    throw new InvalidValueError(
      'a gated SAE of normalised samples is trained otherwise here: its auxiliary loss undoes the normalisation',
    );
  }
  const { auxK: _, ...rest } = activation as ActivationConfig & { readonly auxK?: unknown };
  return rest as ActivationConfig;
}

/** What happens to each sample; the scale of `expected_average_only_in` is in the batches instead. */
function rowNormalisationOf(config: SaelensConfig): ActivationNormalization | undefined {
  return (['layer_norm', 'constant_norm_rescale'] as const).find(name => name === config['normalize_activations']);
}

function startOf({ config, inputs }: SaelensTrainingFile, activation: SparseAutoencoder['config']['activation']) {
  const dSae = numberOf(config, 'd_sae');
  const parameters = Object.fromEntries(
    Object.entries(inputs.start).map(([name, values]) => [name, fromNested(values)] as const),
  );
  const settings = {
    dIn: numberOf(config, 'd_in'),
    dSae,
    activation,
    decoder: 'free',
    reconstructionLoss: 'sum',
    normalize: rowNormalisationOf(config) ?? 'none',
  } as const;
  const { architecture, shape } = new SparseAutoencoder(settings, createRandomSource(0));
  const buffers = architecture.buffers(shape);
  return new SparseAutoencoder(settings, createRandomSource(0), {
    state: {
      parameters,
      buffers: {
        ...buffers,
        ...(buffers['threshold'] && { threshold: filled([], STARTED) }),
        silent: filled([dSae], 0),
      },
    },
  });
}

/** How the learning rate and the coefficients change: `constant` in SAELens, but for a warm-up from 0 and a fall in a line to 0. */
function schedulesOf({ optimizer, config }: SaelensTrainingFile): Schedules {
  const { lr_warm_up_steps: warmUpSteps, lr_decay_steps: decaySteps } = optimizer;
  const ramps: Record<string, Ramp> = {};
  for (const name of ['l1', 'l0']) {
    const steps = Number(config[`${name}_warm_up_steps`] ?? 0);
    if (steps > 0) ramps[name] = { from: 0, steps };
  }
  return { ...ramps, learningRate: { warmUpSteps, ...(decaySteps > 0 && { decay: 'linear', decaySteps }) } };
}

/** The state that makes of activations as they are what `state` made of them times `scale`. */
function unscaledState(
  { architecture }: SparseAutoencoder,
  { parameters, buffers }: ModelState<HostTensors>,
  scale: number,
): ModelState<HostTensors> {
  if (scale === 1) return { parameters, buffers };
  const running = buffers['threshold'];
  if (!running) return { parameters: foldActivationScale(parameters, scale), buffers };
  const inNorms = architecture.config['rescaleByDecoderNorm'] === true;
  const { threshold, ...folded } = foldActivationScale({ ...parameters, threshold: running }, scale, {
    scalesThreshold: inNorms,
  });
  return { parameters: folded, buffers: { ...buffers, threshold: threshold! } };
}
