/**
 * Training runs that PyTorch made (test/reference), as steps that any engine can run: the same start and batches, and the losses
 * and parameters that must come out of it. Free of Node, so that a page can run them too.
 */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import type { Engine, StepProgram } from '../../src/engines/engine.ts';
import type { ModelDefinition } from '../../src/models/model.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { fromNested, type HostTensors, type NestedArray, type Shape } from '../../src/tensor.ts';
import { type Objective, saeObjective, toyModelObjective } from '../../src/training/losses.ts';
import { type AdamOptions, adam } from '../../src/training/optimizers.ts';
import { modelState, trainingStep } from '../../src/training/training-step.ts';
import parallelToyModel from '../reference/parallel-toy-model.json' with { type: 'json' };
import saeBatchTopK from '../reference/sae-batchtopk.json' with { type: 'json' };
import saeRelu from '../reference/sae-relu.json' with { type: 'json' };
import saeTopK from '../reference/sae-topk.json' with { type: 'json' };
import toyModel from '../reference/toy-model.json' with { type: 'json' };

const FILES = {
  'toy-model': toyModel,
  'parallel-toy-model': parallelToyModel,
  'sae-relu': saeRelu,
  'sae-topk': saeTopK,
  'sae-batchtopk': saeBatchTopK,
};

export type ReferenceName = keyof typeof FILES;

export const REFERENCE_NAMES = Object.keys(FILES) as readonly ReferenceName[];

export interface ReferenceRun {
  readonly program: StepProgram;
  readonly steps: number;
  /** Every step's batch, [steps, ...shape]. */
  readonly batches: Readonly<Record<string, Float32Array>>;
  /** PyTorch's loss before each step. */
  readonly losses: readonly number[];
  /** PyTorch's parameters after all steps, by our names. */
  readonly parametersAfter: HostTensors;
}

interface ReferenceFile {
  readonly inputs: Readonly<Record<string, NestedArray>> & { readonly k?: number; readonly l1_coefficient?: number };
  readonly optimizer: {
    readonly name: 'adam' | 'adamw';
    readonly lr: number;
    readonly betas: [number, number];
    readonly eps: number;
    readonly weight_decay?: number;
  };
  readonly expected: {
    readonly losses: readonly number[];
    readonly parameters_after: Readonly<Record<string, Readonly<Record<string, NestedArray>>>>;
  };
}

/** Float32 arithmetic in another order: what engines differ by after some tens of steps on these small models. */
const LOSS_TOLERANCE = 2e-6;
const PARAMETER_TOLERANCE = 2e-5;

/** PyTorch's names for what is called otherwise here. */
const RENAMED: Readonly<Record<string, string>> = { W: 'weight', b: 'bias' };

/** Builds the step of one reference run. */
export function referenceRun(name: ReferenceName): ReferenceRun {
  const { inputs, optimizer, expected } = FILES[name] as unknown as ReferenceFile;
  const steps = expected.losses.length;
  const after = renamed(expected.parameters_after[steps]!);
  const parameters = Object.fromEntries(
    Object.entries(renamed(inputs)).filter(([parameter]) => parameter in after),
  ) as HostTensors;
  const { model, objective } = modelOf(name, inputs, parameters);
  const batches = fromNested(inputs['batches']!);
  const batchShape = batches.shape.slice(1);
  const program = trainingStep({
    model,
    objective,
    state: { parameters, buffers: model.init(createRandomSource(0)).buffers },
    optimizer: adam(adamOptions(optimizer)),
    batchShape,
    ...(model instanceof SparseAutoencoder && { decoder: model.config.decoder }),
  });
  const inTurn = Array.from(
    { length: steps },
    (_, step) => inputs['batches']![step % batches.shape[0]!] as NestedArray,
  );
  return {
    program,
    steps,
    batches: { [model.inputName]: fromNested(inTurn).data },
    losses: expected.losses,
    parametersAfter: after,
  };
}

/** Trains one reference run on `engine`, in two calls, and compares losses and parameters with PyTorch's. */
export async function expectReferenceRun(engine: Engine, name: ReferenceName): Promise<void> {
  const { program, steps, batches, losses, parametersAfter } = referenceRun(name);
  const runner = await engine.prepare(program, { maxSteps: steps });
  try {
    const half = Math.floor(steps / 2);
    const first = await runner.run(half, part(batches, steps, 0, half));
    const second = await runner.run(steps - half, part(batches, steps, half, steps));
    const measured = [...first['loss']!, ...second['loss']!];
    expect(largestDifference(measured, losses), 'losses').to.be.below(LOSS_TOLERANCE);
    const { parameters } = modelState(await runner.read());
    expect(parameters).to.have.all.keys(Object.keys(parametersAfter));
    for (const [parameter, { data, shape }] of Object.entries(parametersAfter)) {
      expect(parameters[parameter]!.shape).to.deep.equal(shape);
      expect(largestDifference(parameters[parameter]!.data, data), parameter).to.be.below(PARAMETER_TOLERANCE);
    }
  } finally {
    await runner.dispose();
  }
}

function modelOf(
  name: ReferenceName,
  inputs: ReferenceFile['inputs'],
  parameters: HostTensors,
): { model: ModelDefinition; objective: Objective } {
  const random = createRandomSource(0);
  const shapeOf = (parameter: string): Shape => parameters[parameter]!.shape;
  if (name === 'toy-model') {
    const [nFeatures, nHidden] = shapeOf('weight') as [number, number];
    const objective = toyModelObjective(fromNested(inputs['importance']!));
    return { model: new ToyModel({ nFeatures, nHidden }, random), objective };
  }
  if (name === 'parallel-toy-model') {
    const [nInstances, nFeatures, nHidden] = shapeOf('weight') as [number, number, number];
    const objective = toyModelObjective(fromNested(inputs['importance']!));
    return { model: new ParallelToyModel({ nInstances, nFeatures, nHidden }, random), objective };
  }
  const [dSae, dIn] = shapeOf('V') as [number, number];
  const k = inputs.k!;
  const activation = {
    'sae-relu': { kind: 'relu', l1: inputs.l1_coefficient! },
    'sae-topk': { kind: 'topk', k },
    'sae-batchtopk': { kind: 'batchtopk', k },
  } as const;
  const model = new SparseAutoencoder({ dIn, dSae, activation: activation[name] }, random);
  return { model, objective: saeObjective(model) };
}

function renamed(entries: Readonly<Record<string, unknown>>): HostTensors {
  return Object.fromEntries(
    Object.entries(entries)
      .filter(([, values]) => Array.isArray(values))
      .map(([name, values]) => [RENAMED[name] ?? name, fromNested(values as NestedArray)]),
  );
}

function adamOptions({ name, lr, betas, eps, weight_decay }: ReferenceFile['optimizer']): AdamOptions {
  return { name, learningRate: lr, betas, eps, ...(weight_decay !== undefined && { weightDecay: weight_decay }) };
}

function part(
  batches: Readonly<Record<string, Float32Array>>,
  steps: number,
  from: number,
  to: number,
): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(batches).map(([name, values]) => {
      const size = values.length / steps;
      return [name, values.slice(from * size, to * size)];
    }),
  );
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).to.equal(b.length);
  return Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((largest, value) => Math.max(largest, value), 0);
}
