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

export interface Applied {
  readonly outputs: Tensors;
  /** The buffers after this batch; the given ones in mode `frozen`. */
  readonly buffers: Tensors;
}

/** A model's definition; it holds no numbers but its configuration. */
export interface ModelDefinition {
  readonly kind: 'toy-model' | 'parallel-toy-model' | 'sparse-autoencoder';
  /** Name of the graph input: `features` or `activations`. */
  readonly inputName: string;
  /** Shape of one sample. */
  readonly sampleShape: Shape;
  init(random: RandomSource): ModelState<HostTensors>;
  apply(state: ModelState<Tensors>, input: tf.Tensor, mode: Mode): Applied;
}
