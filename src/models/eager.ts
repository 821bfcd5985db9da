/** Runs a function of tensors at once, on TensorFlow.js's current backend, for the models' own verbs. */
import * as tf from '@tensorflow/tfjs';
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import type { Tensors } from './model.ts';

/** Host tensors as TensorFlow.js tensors. */
export function toTensors(tensors: HostTensors): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape], 'float32')]),
  );
}

/** Backends whose results cannot be read at once. */
const ASYNCHRONOUS_BACKENDS = ['webgpu'];

/**
 * Applies `fn` on TensorFlow.js's current backend (on `cpu` where that one cannot be read synchronously) and copies its results back;
 * everything in between is disposed.
 */
export function runEagerly(fn: (inputs: Tensors) => Tensors, inputs: HostTensors): Record<string, HostTensor> {
  const current = tf.getBackend();
  const isAsynchronous = ASYNCHRONOUS_BACKENDS.includes(current);
  if (isAsynchronous) tf.setBackend('cpu');
  try {
    return quietly(() => readBack(tf.tidy(() => fn(toTensors(inputs)))));
  } finally {
    if (isAsynchronous) tf.setBackend(current);
  }
}

function readBack(results: Tensors): Record<string, HostTensor> {
  const host = Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => [
      name,
      { data: Float32Array.from(tensor.dataSync()), shape: [...tensor.shape] },
    ]),
  );
  tf.dispose(results);
  return host;
}

/** TensorFlow.js's cpu backend prints a banner at its first use in Node, unless it believes to be in production. */
export function quietly<T>(fn: () => T): T {
  const production = tf.env().getBool('PROD');
  tf.env().set('PROD', true);
  try {
    return fn();
  } finally {
    tf.env().set('PROD', production);
  }
}

/**
 * Checks the shape of samples.
 * @throws InvalidShapeError where `input` is not [..., ...sample]
 */
export function requireSamples(input: HostTensor, sample: Shape, name: string): void {
  const trailing = input.shape.slice(input.shape.length - sample.length);
  if (input.shape.length < sample.length || trailing.some((dimension, i) => dimension !== sample[i])) {
    throw new InvalidShapeError(`${name} must have shape [..., ${sample.join(', ')}], got [${input.shape.join(', ')}]`);
  }
}
