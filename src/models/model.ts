/** What a model is: pure functions of named tensors, written once in TensorFlow.js ops and run or recorded anywhere. */
import type * as tf from '@tensorflow/tfjs';
import type { RandomSource } from '../data/random-source.ts';
import type { HostTensors, Shape } from '../tensor.ts';

/** TensorFlow.js tensors by name. */
export type Tensors = Record<string, tf.Tensor>;

/** `train`: the form that is differentiated; `frozen`: the form that is exported. */
export type Mode = 'train' | 'frozen';

/** Parameters are trained; buffers are state that is not (a running threshold, when a latent last fired). */
export interface ModelState<T> {
  readonly parameters: T;
  readonly buffers: T;
}

/** What a model gives for a batch. */
export interface Applied {
  readonly outputs: Tensors;
  /** The buffers after this batch; the given ones in mode `frozen`. */
  readonly buffers: Tensors;
}

/** The definition of a toy model, without numbers but its configuration. */
export interface ModelDefinition {
  readonly kind: 'toy-model' | 'parallel-toy-model';
  /** Name of the graph input. */
  readonly inputName: string;
  /** Shape of one sample. */
  readonly sampleShape: Shape;
  init(random: RandomSource): ModelState<HostTensors>;
  apply(state: ModelState<Tensors>, input: tf.Tensor, mode: Mode): Applied;
}

/**
 * A number of a training step, such as a coefficient or k: a constant of the recorded step, or an input of it where the
 * number changes from step to step or differs among instances.
 */
export interface Scalar {
  /** The constant; where there is a tensor, the largest number that it ever holds. */
  readonly value: number;
  /** [] or [n_instances]. */
  readonly tensor?: tf.Tensor;
}

/** Numbers of a training step by name. */
export type Scalars = Readonly<Record<string, Scalar>>;

/** The parts of a training step other than its optimizer. */
export interface Trainable {
  /** Names of the loss's terms, in the order in which they are added. */
  readonly terms: readonly string[];
  /**
   * The terms of the loss of one batch, by name, each [] or, for instances side by side, [n_instances]; training minimises their sum.
   * Also the buffers after the batch, and what is reported beside the loss.
   */
  losses(given: StepInputs): { readonly losses: Tensors; readonly buffers: Tensors; readonly reports?: Tensors };
  /**
   * Names of the numbers that each step reports besides the loss, each [] or, for instances side by side,
   * [n_instances]. Default: none.
   */
  readonly reports?: readonly string[];
  /** Maps the parameters to those that a step takes: a JumpReLU threshold becomes at least 0. Default: the same. */
  project?(parameters: Tensors): Tensors;
  /** Maps the gradients to those that the optimizer takes. Default: the same. */
  projectGradients?(parameters: Tensors, gradients: Tensors): Tensors;
  /**
   * Maps the parameters to those that a step leaves: decoder rows get unit norm. `buffers` are those after the batch.
   * Default: the same.
   */
  constrain?(parameters: Tensors, buffers: Tensors): Tensors;
}

/** The values from which a step's loss is computed. */
export interface StepInputs extends ModelState<Tensors> {
  /** The batch's inputs by name. */
  readonly batch: Tensors;
  readonly scalars: Scalars;
}
