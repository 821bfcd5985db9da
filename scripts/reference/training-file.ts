/** A file of one model's training in PyTorch: its start, batches and optimizer, and what must come out of them. */
import { createRandomSource } from '../../src/data/random-source.ts';
import type { StepDescriptor } from '../../src/engines/engine.ts';
import type { ModelDefinition, ModelState } from '../../src/models/model.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { fromNested, type HostTensor, type HostTensors, hostTensor, type NestedArray } from '../../src/tensor.ts';
import { type Objective, saeObjective, toyModelObjective } from '../../src/training/losses.ts';
import type { AdamOptions } from '../../src/training/optimizers.ts';

export const TRAINING_FILES = [
  'toy-model',
  'parallel-toy-model',
  'sae-relu',
  'sae-topk',
  'sae-batchtopk',
  'sae-auxk',
] as const;

export type TrainingFileName = (typeof TRAINING_FILES)[number];

/** The file as make_reference.py writes it. */
interface TrainingFile {
  readonly inputs: Readonly<Record<string, NestedArray | number>> & {
    readonly batches: NestedArray;
    readonly k?: number;
    readonly l1_coefficient?: number;
  };
  readonly optimizer: {
    readonly name: 'adam' | 'adamw';
    readonly lr: number;
    readonly betas: [number, number];
    readonly eps: number;
    readonly weight_decay?: number;
  };
  readonly expected: Readonly<Record<string, unknown>> & {
    readonly loss: number;
    readonly losses: readonly number[];
    readonly gradients: Readonly<Record<string, NestedArray>>;
    readonly parameters_after: Readonly<Record<string, Readonly<Record<string, NestedArray>>>>;
  };
}

export interface TrainingCase {
  readonly model: ModelDefinition;
  readonly objective: Objective;
  readonly state: ModelState<HostTensors>;
  readonly optimizer: AdamOptions;
  /** Taken in turn, [count, ...batch shape]. */
  readonly batches: HostTensor;
  readonly descriptor: StepDescriptor | undefined;
  readonly expected: {
    /** The model's outputs for the first batch, by our names. */
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

/** sae-auxk.json: one batch, whose losses are divided by its variance. */
interface AuxKFile {
  readonly inputs: Readonly<Record<string, NestedArray | number>> & {
    readonly x: NestedArray;
    readonly k: number;
    readonly k_aux: number;
    readonly dead: readonly boolean[];
  };
  readonly expected: Readonly<Record<'features' | 'reconstruction', NestedArray>> & {
    readonly loss: number;
    readonly gradients: Readonly<Record<string, NestedArray>>;
  };
}

/** The files have ten decimals. */
const ROUNDING = 1e-9;

/** Our names of what the files call otherwise. */
const RENAMED: Readonly<Record<string, string>> = { W: 'weight', b: 'bias', out: 'reconstruction' };

/** Reads `file`, of any sizes. */
export function trainingCase(name: TrainingFileName, file: unknown): TrainingCase {
  if (name === 'sae-auxk') return auxKCase(file as AuxKFile);
  const { inputs, optimizer, expected } = file as TrainingFile;
  const gradients = renamed(expected.gradients);
  const parameters = Object.fromEntries(
    Object.entries(renamed(inputs))
      .filter(([parameter]) => parameter in gradients)
      .map(([parameter, values]) => [parameter, fromNested(values as NestedArray)]),
  );
  const { model, objective } = modelOf(name, inputs, parameters);
  const { weight_decay: weightDecay, lr: learningRate, ...rest } = optimizer;
  const options: AdamOptions = { ...rest, learningRate, ...(weightDecay !== undefined && { weightDecay }) };
  const batches = fromNested(inputs.batches);
  const outputNames = model.kind === 'sparse-autoencoder' ? ['features', 'reconstruction'] : ['out', 'hidden'];
  return {
    model,
    objective,
    state: { parameters, buffers: model.init(createRandomSource(0)).buffers },
    optimizer: options,
    batches,
    descriptor: model instanceof SparseAutoencoder ? describeStep(model, options, batches.shape[1]!) : undefined,
    expected: {
      outputs: renamed(Object.fromEntries(outputNames.map(output => [output, expected[output] as NestedArray]))),
      gradients,
      losses: expected.losses,
      // The toy models' files state the trained model's loss, the autoencoders' that of the start, which is losses[0] again.
      lossAfter: Math.abs(expected.loss - expected.losses[0]!) < ROUNDING ? undefined : expected.loss,
      parametersAfter: new Map(
        Object.entries(expected.parameters_after)
          .map(([step, after]) => [Number(step), renamed(after)] as const)
          .sort(([a], [b]) => a - b),
      ),
    },
  };
}

/** Our loss is not divided by the batch's variance: it and its gradients are the file's times that. */
function auxKCase({ inputs, expected }: AuxKFile): TrainingCase {
  const x = fromNested(inputs.x);
  const parameters = Object.fromEntries(
    Object.keys(expected.gradients).map(name => [name, fromNested(inputs[name] as NestedArray)]),
  );
  const [dSae, dIn] = parameters['W_dec']!.shape as [number, number];
  const activation = { kind: 'topk', k: inputs.k, auxK: { k: inputs.k_aux, deadAfter: 1 } } as const;
  const model = new SparseAutoencoder({ dIn, dSae, activation, decoder: 'free' }, createRandomSource(0));
  const scale = varianceOf(x);
  const { features, reconstruction } = expected;
  return {
    model,
    objective: saeObjective(model),
    state: { parameters, buffers: { silent: hostTensor(inputs.dead.map(Number), [dSae]) } },
    optimizer: {},
    batches: { data: x.data, shape: [1, ...x.shape] },
    descriptor: undefined,
    expected: {
      outputs: { features, reconstruction },
      gradients: Object.fromEntries(
        Object.entries(expected.gradients).map(([name, gradient]) => [name, scaled(gradient, scale)]),
      ),
      losses: [scale * expected.loss],
      lossAfter: undefined,
      parametersAfter: new Map(),
    },
  };
}

/** mean (x − its batch's mean)², of [batch, width]. */
function varianceOf({ data, shape }: HostTensor): number {
  const [rows, columns] = shape as [number, number];
  let sum = 0;
  for (let column = 0; column < columns; column++) {
    const values = Array.from({ length: rows }, (_, row) => data[row * columns + column]!);
    const mean = values.reduce((total, value) => total + value, 0) / rows;
    for (const value of values) sum += (value - mean) ** 2;
  }
  return sum / data.length;
}

function scaled(values: NestedArray, factor: number): NestedArray {
  return values.map(value => (typeof value === 'number' ? factor * value : scaled(value, factor))) as NestedArray;
}

function modelOf(
  name: Exclude<TrainingFileName, 'sae-auxk'>,
  inputs: TrainingFile['inputs'],
  parameters: HostTensors,
): { model: ModelDefinition; objective: Objective } {
  const random = createRandomSource(0);
  if (name === 'toy-model' || name === 'parallel-toy-model') {
    const objective = toyModelObjective(fromNested(inputs['importance']!));
    const shape = parameters['weight']!.shape;
    const [nFeatures, nHidden] = shape.slice(-2) as [number, number];
    if (name === 'toy-model') return { model: new ToyModel({ nFeatures, nHidden }, random), objective };
    return { model: new ParallelToyModel({ nInstances: shape[0]!, nFeatures, nHidden }, random), objective };
  }
  const [dSae, dIn] = parameters['V']!.shape as [number, number];
  const { k = 1, l1_coefficient: l1 = 0 } = inputs;
  const activation = {
    'sae-relu': { kind: 'relu', l1 },
    'sae-topk': { kind: 'topk', k },
    'sae-batchtopk': { kind: 'batchtopk', k },
  } as const;
  const model = new SparseAutoencoder({ dIn, dSae, activation: activation[name] }, random);
  return { model, objective: saeObjective(model) };
}

/** What accelerators are told of the step that trains `sae`. */
export function describeStep(sae: SparseAutoencoder, options: AdamOptions, batchSize: number): StepDescriptor {
  const { dIn, dSae, activation, decoder } = sae.config;
  const { name = 'adam', learningRate = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
  return {
    kind: 'sparse-autoencoder',
    selection: { kind: activation.kind, ...('k' in activation && { k: activation.k }) },
    decoder,
    loss: { l1: sae.activation.l1 },
    optimizer: { name, learningRate, betas, eps, weightDecay },
    dIn,
    dSae,
    batchSize,
  };
}

function renamed<T>(entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [RENAMED[name] ?? name, value]));
}
