/** A file of one model's training in PyTorch: its start, batches and optimizer, and what must come out of them. */
import * as tf from '@tensorflow/tfjs';
import { createRandomSource } from '../../src/data/random-source.ts';
import type { StepDescriptor } from '../../src/engines/engine.ts';
import { prefixErrorsOf } from '../../src/models/architectures/matryoshka.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import type { ModelDefinition, ModelState, Tensors, Trainable } from '../../src/models/model.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import { ACTIVATIONS, saeTrainable, TARGET } from '../../src/models/sae-trainable.ts';
import { SparseAutoencoder, type SparseAutoencoderConfig } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import {
  filled,
  fromNested,
  type HostTensor,
  type HostTensors,
  hostTensor,
  type NestedArray,
} from '../../src/tensor.ts';
import { toyModelTrainable } from '../../src/training/losses.ts';
import { type AdamOptions, adam } from '../../src/training/optimizers.ts';
import { descriptorOf } from '../../src/training/train-sae.ts';

/** What a file trains. */
export const TRAINING_KINDS = [
  'toy-model',
  'parallel-toy-model',
  'relu',
  'topk',
  'batchtopk',
  'transcoder',
  'auxk',
  'jumprelu',
  'gated',
  'matryoshka',
] as const;

/** The files of test/reference that hold trainings. */
export const TRAINING_FILES = [
  'toy-model',
  'parallel-toy-model',
  'sae-relu',
  'sae-topk',
  'sae-batchtopk',
  'sae-auxk',
  'sae-jumprelu',
  'sae-gated',
  'sae-matryoshka',
  'transcoder',
  'transcoder-skip',
] as const;

/** The name of a file of test/reference, without its extension. */
export type TrainingFileName = (typeof TRAINING_FILES)[number];

/** What a file may train. */
export type TrainingKind = (typeof TRAINING_KINDS)[number];

type Numbers = NestedArray | number;

/** The file as make_reference.py and make_transcoder.py write it. */
interface TrainingFile {
  readonly inputs: Readonly<Record<string, Numbers>>;
  readonly optimizer?: {
    readonly name: 'adam' | 'adamw';
    readonly lr: number;
    readonly betas: [number, number];
    readonly eps: number;
    readonly weight_decay?: number;
  };
  readonly expected: Readonly<Record<string, unknown>> & {
    readonly loss: number;
    readonly losses?: readonly number[];
    readonly gradients: Readonly<Record<string, NestedArray>>;
    readonly parameters_after?: Readonly<Record<string, Readonly<Record<string, NestedArray>>>>;
  };
}

/** A training to repeat, and the numbers that it must give. */
export interface TrainingCase {
  readonly model: Trainable;
  /** The model's outputs for a batch, by the file's names. */
  readonly outputsOf: (state: ModelState<Tensors>, batch: Tensors) => Tensors;
  readonly state: ModelState<HostTensors>;
  readonly optimizer: AdamOptions;
  /** Each input's batches, taken in turn, [count, ...batch shape]. */
  readonly batches: Readonly<Record<string, HostTensor>>;
  /** Constants of the loss. */
  readonly constants: Readonly<Record<string, number>>;
  readonly descriptor: StepDescriptor | undefined;
  readonly expected: {
    /** The outputs for the first batch. */
    readonly outputs: Readonly<Record<string, NestedArray>>;
    readonly gradients: Readonly<Record<string, NestedArray>>;
    /** The loss before each step. */
    readonly losses: readonly number[];
    /** The first batch's loss after the last step, where the file has it. */
    readonly lossAfter: number | undefined;
    /** Parameters by the number of completed steps. */
    readonly parametersAfter: ReadonlyMap<number, Readonly<Record<string, NestedArray>>>;
  };
}

/** Kinds whose squared error is a sum over d_in; the others' is a mean. */
const SUMMED: readonly TrainingKind[] = ['jumprelu', 'gated', 'matryoshka'];

/** The files have ten decimals. */
const ROUNDING = 1e-9;

/** Our names of what the files call otherwise. */
const RENAMED: Readonly<Record<string, string>> = { W: 'weight', b: 'bias', out: 'reconstruction' };

/** What the file trains, by what it holds; undefined where it is no such file. */
export function trainingKindOf(contents: unknown): TrainingKind | undefined {
  const { inputs, expected } = (contents ?? {}) as Partial<TrainingFile>;
  if (typeof inputs !== 'object' || typeof expected?.gradients !== 'object') return undefined;
  const has = (...names: readonly string[]): boolean => names.every(name => name in inputs);
  if (has('W', 'b', 'importance')) return depthOf(inputs['W']!) === 3 ? 'parallel-toy-model' : 'toy-model';
  if (has('dead', 'k_aux')) return 'auxk';
  if (has('threshold', 'bandwidth')) return 'jumprelu';
  if (has('b_gate', 'r_mag', 'b_mag', 'l1_coefficient')) return 'gated';
  if (has('widths', 'k')) return 'matryoshka';
  if (!has('V', 'W_enc', 'batches', 'k')) return undefined;
  if (has('targets')) return 'transcoder';
  return codeOf(expected['features'] as number[][], Number(inputs['k']));
}

/** Which choice made a code, by how many entries are active: k of each sample, k · batch of the batch, or more. */
function codeOf(features: readonly (readonly number[])[], k: number): 'relu' | 'topk' | 'batchtopk' {
  const active = features.map(row => row.filter(value => value > 0).length);
  if (active.every(count => count <= k)) return 'topk';
  return active.reduce((sum, count) => sum + count, 0) <= k * features.length ? 'batchtopk' : 'relu';
}

function depthOf(values: Numbers): number {
  return typeof values === 'number' ? 0 : 1 + depthOf(values[0] as Numbers);
}

/** Reads a file of kind `kind`, of any sizes. */
export function trainingCase(kind: TrainingKind, contents: unknown): TrainingCase {
  const file = contents as TrainingFile;
  if (kind === 'toy-model' || kind === 'parallel-toy-model') return toyModelCase(kind, file);
  return autoencoderCase(kind, file);
}

function toyModelCase(kind: 'toy-model' | 'parallel-toy-model', file: TrainingFile): TrainingCase {
  const parameters = parametersOf(file);
  const random = createRandomSource(0);
  const { shape } = parameters['weight']!;
  const [nFeatures, nHidden] = shape.slice(-2) as [number, number];
  const model: ModelDefinition =
    kind === 'toy-model'
      ? new ToyModel({ nFeatures, nHidden }, random)
      : new ParallelToyModel({ nInstances: shape[0]!, nFeatures, nHidden }, random);
  return {
    model: toyModelTrainable(model, fromNested(file.inputs['importance']!)),
    outputsOf: (state, batch) => model.apply(state, batch[model.inputName]!, 'train').outputs,
    state: { parameters, buffers: {} },
    optimizer: optimizerOf(file),
    batches: { [model.inputName]: fromNested(file.inputs['batches']!) },
    constants: {},
    descriptor: undefined,
    expected: expectedOf(file, ['out', 'hidden'], 1),
  };
}

function autoencoderCase(
  kind: Exclude<TrainingKind, 'toy-model' | 'parallel-toy-model'>,
  file: TrainingFile,
): TrainingCase {
  const { inputs } = file;
  const parameters = parametersOf(file);
  const [dIn, dSae] = parameters['W_enc']!.shape as [number, number];
  const k = Number(inputs['k']);
  const batches: Record<string, HostTensor> =
    'batches' in inputs ? { [ACTIVATIONS]: fromNested(inputs['batches']!) } : { [ACTIVATIONS]: alone(inputs['x']!) };
  if (inputs['targets'] !== undefined) batches[TARGET] = fromNested(inputs['targets']);
  const activations: Readonly<Record<typeof kind, ActivationConfig>> = {
    relu: { kind: 'relu', l1: Number(inputs['l1_coefficient'] ?? 0) },
    topk: { kind: 'topk', k },
    batchtopk: { kind: 'batchtopk', k },
    transcoder: { kind: 'topk', k },
    auxk: { kind: 'topk', k, auxK: { k: Number(inputs['k_aux']), deadAfter: 1 } },
    jumprelu: {
      kind: 'jumprelu',
      l0: Number(inputs['l0_coefficient']),
      bandwidth: Number(inputs['bandwidth']),
    },
    gated: { kind: 'gated', l1: Number(inputs['l1_coefficient']) },
    matryoshka: { kind: 'matryoshka', k, widths: inputs['widths'] as number[], prefixLosses: 'mean' },
  };
  const config: SparseAutoencoderConfig = {
    dIn,
    dSae,
    activation: activations[kind],
    // The Gated file's L1 has no decoder norms: its rows are those of a decoder that is kept at norm 1.
    ...('W_dec' in parameters && { decoder: kind === 'gated' ? ('renormalise' as const) : ('free' as const) }),
    ...(kind === 'transcoder' && {
      dOut: parameters['b_dec']!.shape[0]!,
      transcoder: true,
      skip: 'W_skip' in parameters,
    }),
    ...(SUMMED.includes(kind) && { reconstructionLoss: 'sum' as const }),
  };
  const sae = new SparseAutoencoder(config, createRandomSource(0));
  const { architecture, shape, countsFiring } = sae;
  const optimizer = optimizerOf(file);
  const batchSize = batches[ACTIVATIONS]!.shape[1]!;
  const constants = Object.fromEntries(
    Object.entries(architecture.scalars).map(([name, { value, perStep }]) => [
      name,
      perStep?.(value, batchSize) ?? value,
    ]),
  );
  const silent = kind === 'auxk' ? deadFor(inputs['dead'] as unknown as boolean[], batchSize) : filled([dSae], 0);
  const buffers = { ...architecture.buffers(shape), ...(countsFiring && { silent }) };
  const scalars = Object.fromEntries(Object.entries(constants).map(([name, value]) => [name, { value }]));
  return {
    model: saeTrainable(sae),
    outputsOf({ parameters: current, buffers: before }, batch) {
      const input = batch[ACTIVATIONS] as tf.Tensor;
      const target = batch[TARGET] ?? input;
      const forward = architecture.forward({
        shape,
        parameters: current,
        buffers: before,
        input,
        target,
        scalars,
      });
      const { features, reconstruction } = forward;
      if (kind !== 'matryoshka') return { features, reconstruction };
      const prefixes = prefixErrorsOf(forward).map(error => tf.add(error, target));
      return { features, prefix_reconstructions: tf.stack(prefixes) };
    },
    state: { parameters, buffers },
    optimizer,
    batches,
    constants,
    // A file without an optimizer holds one batch's figures alone.
    descriptor: file.optimizer && descriptorOf(sae, { batchSize, optimizer: adam(optimizer).options }),
    // AuxK's loss is not divided by the batch's variance here: it and its gradients are the file's times that.
    expected: expectedOf(
      file,
      ['features', kind === 'matryoshka' ? 'prefix_reconstructions' : 'reconstruction'],
      kind === 'auxk' ? varianceOf(batches[ACTIVATIONS]!) : 1,
    ),
  };
}

/** One batch. */
function alone(x: Numbers): HostTensor {
  const { data, shape } = fromNested(x);
  return { data, shape: [1, ...shape] };
}

/** Latents that have been silent for a batch where they are dead. */
function deadFor(dead: readonly boolean[], batchSize: number): HostTensor {
  return hostTensor(
    dead.map(isDead => (isDead ? batchSize : 0)),
    [dead.length],
  );
}

function parametersOf({ inputs, expected }: TrainingFile): Record<string, HostTensor> {
  const gradients = renamed(expected.gradients);
  return Object.fromEntries(
    Object.entries(renamed(inputs))
      .filter(([name]) => name in gradients)
      .map(([name, values]) => [name, fromNested(values)]),
  );
}

function optimizerOf({ optimizer }: TrainingFile): AdamOptions {
  if (!optimizer) return {};
  const { weight_decay: weightDecay, lr: learningRate, ...rest } = optimizer;
  return { ...rest, learningRate, ...(weightDecay !== undefined && { weightDecay }) };
}

function expectedOf({ expected }: TrainingFile, outputs: readonly string[], scale: number): TrainingCase['expected'] {
  const losses = expected.losses ?? [expected.loss];
  return {
    outputs: renamed(Object.fromEntries(outputs.map(output => [output, expected[output] as NestedArray]))),
    gradients: Object.fromEntries(
      Object.entries(renamed(expected.gradients)).map(([name, values]) => [name, scaled(values, scale)]),
    ),
    losses: losses.map(loss => scale * loss),
    // The toy models' files state the trained model's loss, the autoencoders' that of the start, which is losses[0] again.
    lossAfter: Math.abs(expected.loss - losses[0]!) < ROUNDING ? undefined : expected.loss,
    parametersAfter: new Map(
      Object.entries(expected.parameters_after ?? {})
        .map(([step, after]) => [Number(step), renamed(after)] as const)
        .sort(([a], [b]) => a - b),
    ),
  };
}

/** mean (x − its batch's mean)², of [1, batch, width]. */
function varianceOf({ data, shape }: HostTensor): number {
  const [, rows, columns] = shape as [number, number, number];
  let sum = 0;
  for (let column = 0; column < columns; column++) {
    const values = Array.from({ length: rows }, (_, row) => data[row * columns + column]!);
    const mean = values.reduce((total, value) => total + value, 0) / rows;
    for (const value of values) sum += (value - mean) ** 2;
  }
  return sum / data.length;
}

function scaled(values: NestedArray, factor: number): NestedArray {
  if (factor === 1) return values;
  return values.map(value => (typeof value === 'number' ? factor * value : scaled(value, factor))) as NestedArray;
}

function renamed<T>(entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [RENAMED[name] ?? name, value]));
}
