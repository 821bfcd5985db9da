/** A whole training step as one pure function of tensors: forward, loss, gradients, optimizer. */
import * as tf from '@tensorflow/tfjs';
import type { StepDescriptor, StepProgram } from '../engines/engine.ts';
import type { ModelState, Scalars, Tensors, Trainable } from '../models/model.ts';
import type { HostTensors, Shape } from '../tensor.ts';
import type { Optimizer } from './optimizers.ts';

/** The name of the scalar input for a learning rate that changes over training or differs between instances. */
export const LEARNING_RATE = 'learning_rate';

/** The parts of one training step. */
export interface TrainingStepOptions {
  readonly model: Trainable;
  /** Parameters and buffers to start from; instances side by side are the leading dimension. */
  readonly state: ModelState<HostTensors>;
  readonly optimizer: Optimizer;
  /** The shape of each input of one batch. */
  readonly batch: Readonly<Record<string, Shape>>;
  /** The numbers of the loss. Of a number that is an input of the step, the largest value that it takes. */
  readonly constants?: Readonly<Record<string, number>>;
  /** The numbers, and the learning rate, that are inputs of the step: [] or [n_instances]. Default: none. */
  readonly scalars?: Readonly<Record<string, Shape>>;
  /** Names of parameters that are not trained; they have no gradient and no moments. Default: none. */
  readonly held?: readonly string[] | undefined;
  /** How many instances there are; each then reports its loss in the metric `losses`. Default: a single model. */
  readonly nInstances?: number | undefined;
  /** The dimension of the batch that counts the instances. Default 0. */
  readonly instanceAxis?: 0 | 1;
  /**
   * The norm, above 0, to which the gradient of all parameters together is clipped, for each instance by itself.
   * Default: no clipping.
   */
  readonly clip?: number | undefined;
  /** Whether each step reports the norm of the gradient of all parameters together, before clipping. Default false. */
  readonly reportsGradientNorm?: boolean | undefined;
  readonly descriptor?: StepDescriptor | undefined;
}

/** Prefixes of the state's entries. */
const PARAMETERS = 'parameters.';
const BUFFERS = 'buffers.';
const OPTIMIZER = 'optimizer.';
/** Prefix of the metrics that are terms of the loss. */
const TERM = 'losses.';
/** The name of the metric that holds the norm of the gradient. */
export const GRADIENT_NORM = 'gradient_norm';

/** Joins all of a model's training state under prefixed names. */
export function joinState(state: ModelState<HostTensors>, optimizerState: HostTensors): HostTensors {
  return {
    ...prefixed(PARAMETERS, state.parameters),
    ...prefixed(BUFFERS, state.buffers),
    ...prefixed(OPTIMIZER, optimizerState),
  };
}

/** The name in a joined state of a parameter, a buffer, or an entry of the optimizer's state. */
export function joinedName(kind: 'parameters' | 'buffers' | 'optimizer', name: string): string {
  return { parameters: PARAMETERS, buffers: BUFFERS, optimizer: OPTIMIZER }[kind] + name;
}

/** The parameters and buffers in a joined state. */
export function modelState<T>(state: Readonly<Record<string, T>>): ModelState<Record<string, T>> {
  return { parameters: stripped(PARAMETERS, state), buffers: stripped(BUFFERS, state) };
}

/**
 * Builds the step that engines run. Its metrics are `loss`, the sum of all terms over all instances; `losses`
 * [n_instances] where there are several instances; where the loss has several terms, each as `losses.NAME`, [] or
 * [n_instances]; `gradient_norm`, [] or [n_instances], where it is asked for; and what the model reports besides its
 * loss.
 */
export function trainingStep(options: TrainingStepOptions): StepProgram {
  const { model, optimizer, batch, constants = {}, scalars = {}, descriptor, nInstances, held = [] } = options;
  const { clip, reportsGradientNorm = false } = options;
  const parameterNames = Object.keys(options.state.parameters).filter(name => !held.includes(name));
  const trained = <T>(entries: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(parameterNames.map(name => [name, entries[name]!]));

  // A single term equals the loss and is not reported again.
  const reported = model.terms.length > 1 ? model.terms : [];

  const step = (inputs: Tensors): Tensors => {
    const all = stripped(PARAMETERS, inputs);
    const parameters = model.project?.(all) ?? all;
    const buffers = stripped(BUFFERS, inputs);
    const given = {
      batch: Object.fromEntries(Object.keys(batch).map(name => [name, inputs[name]!])),
      scalars: numbersOf(constants, scalars, inputs),
    };
    // The closure whose gradient is taken returns only the loss; its other results leave through these variables.
    let nextBuffers: Tensors = buffers;
    let terms: Tensors = {};
    let perInstance: tf.Tensor | undefined;
    let reports: Tensors = {};
    const lossOf = (...values: tf.Tensor[]): tf.Scalar => {
      const current = { ...parameters, ...Object.fromEntries(parameterNames.map((name, i) => [name, values[i]!])) };
      const { losses, buffers: after, reports: beside = {} } = model.losses({ parameters: current, buffers, ...given });
      const sum = model.terms.map(name => losses[name]!).reduce((total, term) => tf.add(total, term));
      nextBuffers = after;
      terms = Object.fromEntries(reported.map(name => [name, losses[name]!]));
      reports = beside;
      if (nInstances !== undefined) perInstance = sum;
      const leaving = [nextBuffers, terms, reports].flatMap(tensors => Object.values(tensors));
      for (const tensor of [...leaving, perInstance]) {
        if (tensor) tf.keep(tensor);
      }
      return (sum.rank === 0 ? sum : tf.sum(sum)).asScalar();
    };
    const values = parameterNames.map(name => parameters[name]!);
    const { value: loss, grads } = tf.valueAndGrads(lossOf)(values);
    const raw = Object.fromEntries(parameterNames.map((name, i) => [name, grads[i]!]));
    const projected = model.projectGradients?.(parameters, raw) ?? raw;
    const hasInstances = nInstances !== undefined;
    const norm = clip !== undefined || reportsGradientNorm ? normOf(projected, hasInstances) : undefined;
    const gradients = clip === undefined ? projected : clipped(projected, norm!, clip, hasInstances);
    const updated = optimizer.update(
      trained(parameters),
      gradients,
      stripped(OPTIMIZER, inputs),
      inputs[LEARNING_RATE],
    );
    const next = { ...parameters, ...updated.parameters };
    return {
      loss,
      ...(perInstance && { losses: perInstance }),
      ...prefixed(TERM, terms),
      ...(reportsGradientNorm && { [GRADIENT_NORM]: norm! }),
      ...reports,
      ...prefixed(PARAMETERS, model.constrain?.(next, nextBuffers) ?? next),
      ...prefixed(BUFFERS, nextBuffers),
      ...prefixed(OPTIMIZER, updated.state),
    };
  };

  return {
    step,
    state: joinState(options.state, optimizer.init(trained(options.state.parameters))),
    batch: { ...batch, ...scalars },
    scalars: Object.keys(scalars),
    metrics: [
      'loss',
      ...(nInstances === undefined ? [] : ['losses']),
      ...reported.map(name => TERM + name),
      ...(reportsGradientNorm ? [GRADIENT_NORM] : []),
      ...(model.reports ?? []),
    ],
    ...(nInstances !== undefined && { instances: { count: nInstances, batchAxis: options.instanceAxis ?? 0 } }),
    ...(descriptor && { descriptor }),
  };
}

/** Added to the gradient's norm, as PyTorch's clip_grad_norm_ does. */
const CLIP_EPSILON = 1e-6;

/** ‖g‖ over all parameters, for each instance by itself: [] or [n_instances]. */
function normOf(gradients: Tensors, hasInstances: boolean): tf.Tensor {
  const lead = hasInstances ? 1 : 0;
  const squares = Object.values(gradients).map(gradient =>
    tf.sum(
      tf.square(gradient),
      Array.from({ length: gradient.rank - lead }, (_, i) => i + lead),
    ),
  );
  return tf.sqrt(squares.reduce((sum, own) => tf.add(sum, own)));
}

/** Gradients times min(1, clip / (‖g‖ + 1e-6)). */
function clipped(gradients: Tensors, norm: tf.Tensor, clip: number, hasInstances: boolean): Tensors {
  const factor = tf.minimum(tf.div(clip, tf.add(norm, CLIP_EPSILON)), 1);
  return Object.fromEntries(
    Object.entries(gradients).map(([name, gradient]) => [
      name,
      tf.mul(gradient, hasInstances ? tf.reshape(factor, [-1, ...Array<number>(gradient.rank - 1).fill(1)]) : factor),
    ]),
  );
}

/** The numbers of the loss: constants, or tensors where they are inputs of the step. */
function numbersOf(
  constants: Readonly<Record<string, number>>,
  scalars: Readonly<Record<string, Shape>>,
  inputs: Tensors,
): Scalars {
  return Object.fromEntries(
    Object.entries(constants).map(([name, value]) => [
      name,
      name in scalars ? { value, tensor: inputs[name]! } : { value },
    ]),
  );
}

/** The terms of the loss by name, from a run's metrics. */
export function lossTerms<T>(metrics: Readonly<Record<string, T>>): Record<string, T> {
  return stripped(TERM, metrics);
}

function prefixed<T>(prefix: string, entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [prefix + name, value]));
}

function stripped<T>(prefix: string, entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(entries)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
