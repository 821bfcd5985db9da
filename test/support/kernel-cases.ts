/**
 * Every TensorFlow.js kernel that toy models and autoencoders call, forward and in gradients, as one function each: what a
 * backend must compute as TensorFlow.js's own cpu backend does. Sizes are no multiples of a GPU's workgroup.
 */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { quietly } from '../../src/models/eager.ts';
import { keepTopK } from '../../src/models/keep-top-k.ts';
import { gatherLast, scatterUnique } from '../../src/models/scatter-unique.ts';

const ROWS = 37;
const COLUMNS = 50;
const TOLERANCE = 1e-5;

type Kernel = (x: tf.Tensor2D, y: tf.Tensor2D) => tf.Tensor;

/** x and y are [ROWS, COLUMNS], x of both signs, y positive. */
export const KERNEL_CASES: Readonly<Record<string, Kernel>> = {
  'Add, broadcast over rows': (x, y) => tf.add(x, tf.slice(y, [3, 0], [1, -1])),
  'Sub, broadcast over columns': (x, y) => tf.sub(x, tf.slice(y, [0, 7], [-1, 1])),
  Multiply: (x, y) => tf.mul(x, y),
  RealDiv: (x, y) => tf.div(x, y),
  'Neg, Abs': x => tf.add(tf.neg(x), tf.mul(2, tf.abs(x))),
  Pow: (_, y) => tf.pow(y, tf.scalar(1.5)),
  'Square, Sqrt': (x, y) => tf.add(tf.square(x), tf.sqrt(y)),
  Exp: x => tf.exp(x),
  Relu: x => tf.relu(x),
  'Step, with a slope below zero': x => tf.step(x, -1),
  'Greater, Cast': (x, y) => tf.cast(tf.greater(x, tf.sub(y, 1)), 'float32'),
  'GreaterEqual, Select': (x, y) => tf.where(tf.greaterEqual(x, tf.scalar(0)), x, y),
  'Reshape, ExpandDims, Transpose': x => tf.transpose(tf.expandDims(tf.reshape(x, [COLUMNS, ROWS]), 1), [2, 0, 1]),
  'Tile, Pack': (x, y) => tf.tile(tf.stack([x, y]), [1, 1, 2]),
  'MatMul, transposed': (x, y) => tf.matMul(x, y, false, true),
  'MatMul, its other side transposed': (x, y) => tf.matMul(x, y, true, false),
  BatchMatMul: (x, y) => tf.matMul(tf.reshape(x, [1, ROWS, COLUMNS]), tf.stack([tf.transpose(y), tf.transpose(x)])),
  'Sum over rows': x => tf.sum(x, 0),
  'Mean over columns': x => tf.mean(x, 1),
  'Max, Min': x => tf.sub(tf.max(x, 1), tf.min(x, 1)),
  'Sum of everything': x => tf.sum(x),
  'TopK values': x => tf.topk(x, 7).values,
  'TopK indices, summed': x => tf.sum(tf.cast(tf.topk(x, 7).indices, 'float32'), -1),
  GatherV2: x => tf.gather(x, tf.tensor1d([3, 0, 3, 36], 'int32')),
  UnsortedSegmentSum: x =>
    tf.unsortedSegmentSum(
      x,
      tf.tensor1d(
        Array.from({ length: ROWS }, (_, i) => i % 5),
        'int32',
      ),
      5,
    ),
  ScatterNd: x =>
    tf.scatterND(tf.tensor2d([[4], [0], [9]], [3, 1], 'int32'), tf.slice(x, [0, 0], [3, -1]), [10, COLUMNS]),
  ScatterUnique: x => {
    const { values, indices } = tf.topk(x, 7);
    return scatterUnique(values, indices, COLUMNS);
  },
  'ZerosLike, Range': x => tf.add(tf.zerosLike(x), tf.range(0, COLUMNS)),
  'gradient of a gather': (x, y) =>
    tf.grad((z: tf.Tensor) => tf.sum(tf.mul(tf.gather(z, tf.tensor1d([3, 0, 3], 'int32')), tf.slice(y, 0, 3))))(x),
  'gradient of a norm': x => tf.grad((z: tf.Tensor) => tf.sum(tf.div(z, tf.sqrt(tf.sum(tf.square(z), 1, true)))))(x),
  'gradient of an absolute value': x => tf.grad((z: tf.Tensor) => tf.sum(tf.abs(z)))(x),
  'gradient of a top-k': (x, y) => tf.grad((z: tf.Tensor) => tf.sum(tf.mul(keepTopK(z, 7), y)))(x),
  GatherLast: (x, y) => gatherLast(y, tf.topk(x, 7).indices),
  'Equal, LogicalOr, Fill': (x, y) => {
    const either = tf.logicalOr(tf.equal(x, tf.max(x)), tf.greater(x, y));
    return tf.where(either, tf.fill(x.shape, 2), x);
  },
};

/** Runs one case on the cpu backend and on `backendName`, and compares every number. The backend in use before is put back. */
export async function expectAgreement(backendName: string, kernel: Kernel): Promise<void> {
  const expected = await compute('cpu', kernel);
  const actual = await compute(backendName, kernel);
  expect(actual.shape).to.deep.equal(expected.shape);
  const differences = expected.values.map(
    (value, i) => Math.abs(value - actual.values[i]!) / Math.max(1, Math.abs(value)),
  );
  expect(Math.max(...differences)).to.be.below(TOLERANCE);
}

async function compute(backendName: string, kernel: Kernel): Promise<{ values: number[]; shape: number[] }> {
  const previous = tf.getBackend();
  await tf.setBackend(backendName);
  await tf.ready();
  const result = quietly(() => tf.tidy(() => kernel(wave(2, -0.1), wave(0.9, 1))));
  const values = Array.from(await result.data());
  const { shape } = result;
  result.dispose();
  await tf.setBackend(previous);
  return { values, shape };
}

/** No two entries of a row alike, so that a top-k has one answer. */
function wave(amplitude: number, offset: number): tf.Tensor2D {
  const values = Array.from(
    { length: ROWS * COLUMNS },
    (_, i) => offset + amplitude * Math.sin(1.7 * i + 0.01 * i * i),
  );
  return tf.tensor2d(values, [ROWS, COLUMNS]);
}
