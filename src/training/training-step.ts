/** A whole training step as one pure function of tensors: forward, loss, gradients, optimizer. */
import * as tf from '@tensorflow/tfjs';
import type { StepDescriptor, StepProgram } from '../engines/engine.ts';
import { constrainParameters, type DecoderForm, projectGradients } from '../models/decoder.ts';
import type { ModelDefinition, ModelState, Tensors } from '../models/model.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import type { Objective } from './losses.ts';
import type { Optimizer } from './optimizers.ts';

/** The name of the scalar input that carries a scheduled learning rate. */
export const LEARNING_RATE = 'learning_rate';

export interface TrainingStepOptions {
  readonly model: ModelDefinition;
  /** Parameters and buffers to start from. Default the model's own; with a leading dimension for instances side by side. */
  readonly state: ModelState<HostTensors>;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  /** The shape of one batch of the model's input. */
  readonly batchShape: Shape;
  /** Parameters that stay as they are, without gradient or moments. Default none. */
  readonly held?: readonly string[] | undefined;
  /** Where the decoder is constrained, how. */
  readonly decoder?: DecoderForm | undefined;
  /** Whether each step takes its learning rate as an input. Default false: the optimizer's own. */
  readonly scheduled?: boolean;
  /** How many instances report a loss of their own as metric `losses`. Default none. */
  readonly nInstances?: number | undefined;
  /** Which dimension of the batch counts them. Default 0. */
  readonly instanceAxis?: 0 | 1;
  readonly descriptor?: StepDescriptor | undefined;
}

/** Prefixes of the state's entries. */
const PARAMETERS = 'parameters.';
const BUFFERS = 'buffers.';
const OPTIMIZER = 'optimizer.';

/** Joins all of a model's training state under prefixed names. */
export function joinState(state: ModelState<HostTensors>, optimizerState: HostTensors): HostTensors {
  return {
    ...prefixed(PARAMETERS, state.parameters),
    ...prefixed(BUFFERS, state.buffers),
    ...prefixed(OPTIMIZER, optimizerState),
  };
}

/** The parameters and buffers in a joined state. */
export function modelState(state: HostTensors): ModelState<HostTensors> {
  return { parameters: stripped(PARAMETERS, state), buffers: stripped(BUFFERS, state) };
}

/** Builds the step that engines run. */
export function trainingStep(options: TrainingStepOptions): StepProgram {
  const {
    model,
    objective,
    optimizer,
    decoder = 'free',
    scheduled = false,
    descriptor,
    nInstances,
    held = [],
  } = options;
  const parameterNames = Object.keys(options.state.parameters).filter(name => !held.includes(name));
  const trained = <T>(entries: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(parameterNames.map(name => [name, entries[name]!]));

  const step = (inputs: Tensors): Tensors => {
    const parameters = stripped(PARAMETERS, inputs);
    const buffers = stripped(BUFFERS, inputs);
    const input = inputs[model.inputName]!;
    // The gradient closure gives the loss alone; what else it computes leaves through these.
    let nextBuffers: Tensors = buffers;
    let perInstance: tf.Tensor | undefined;
    const lossOf = (...values: tf.Tensor[]): tf.Scalar => {
      const current = { ...parameters, ...Object.fromEntries(parameterNames.map((name, i) => [name, values[i]!])) };
      const applied = model.apply({ parameters: current, buffers }, input, 'train');
      const losses = objective(applied, input, current);
      nextBuffers = applied.buffers;
      perInstance = losses.perInstance;
      for (const tensor of [...Object.values(nextBuffers), perInstance]) if (tensor) tf.keep(tensor);
      return losses.loss;
    };
    const values = parameterNames.map(name => parameters[name]!);
    const { value: loss, grads } = tf.valueAndGrads(lossOf)(values);
    const gradients = projectGradients(
      decoder,
      parameters,
      Object.fromEntries(parameterNames.map((name, i) => [name, grads[i]!])),
    );
    const updated = optimizer.update(
      trained(parameters),
      gradients,
      stripped(OPTIMIZER, inputs),
      inputs[LEARNING_RATE],
    );
    return {
      loss,
      ...(perInstance && { losses: perInstance }),
      ...prefixed(PARAMETERS, constrainParameters(decoder, { ...parameters, ...updated.parameters })),
      ...prefixed(BUFFERS, nextBuffers),
      ...prefixed(OPTIMIZER, updated.state),
    };
  };

  return {
    step,
    state: joinState(options.state, optimizer.init(trained(options.state.parameters))),
    batch: { [model.inputName]: options.batchShape, ...(scheduled && { [LEARNING_RATE]: [] }) },
    metrics: nInstances === undefined ? ['loss'] : ['loss', 'losses'],
    ...(nInstances !== undefined && { instances: { count: nInstances, batchAxis: options.instanceAxis ?? 0 } }),
    ...(descriptor && { descriptor }),
  };
}

function prefixed<T>(prefix: string, entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [prefix + name, value]));
}

function stripped<T extends tf.Tensor | HostTensor>(
  prefix: string,
  entries: Readonly<Record<string, T>>,
): Record<string, T> {
  return Object.fromEntries(
    Object.entries(entries)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
