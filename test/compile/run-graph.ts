/** Runs recorded graphs with ONNX Runtime, and the same functions eagerly, on numbers drawn from a seed. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { InferenceSession } from 'onnxruntime-node';
import type { TensorFunction } from '../../src/compile/compile.ts';
import type { RandomSource } from '../../src/data/random-source.ts';
import { quietly } from '../../src/models/eager.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { openSession } from '../../src/sessions/session.ts';
import { type Shape, sizeOf } from '../../src/tensor.ts';

/** Numbers as TensorFlow.js holds them: int32 and bool among them. */
export interface Values {
  readonly shape: Shape;
  readonly dtype: 'float32' | 'int32' | 'bool';
  readonly data: ArrayLike<number>;
}

/** Normal draws; uniform between `from` and `to` where they are given; whole numbers for int32, 0 and 1 for bool. */
export interface InputKind {
  readonly shape: Shape;
  readonly dtype?: Values['dtype'];
  readonly from?: number;
  readonly to?: number;
}

export function draw({ shape, dtype = 'float32', from, to }: InputKind, random: RandomSource): Values {
  const one = (): number => {
    if (dtype === 'bool') return random.integer(2);
    if (from === undefined || to === undefined) return dtype === 'int32' ? random.integer(7) - 3 : random.normal();
    return dtype === 'int32' ? from + random.integer(to - from) : from + (to - from) * random.uniform();
  };
  const data = Array.from({ length: sizeOf(shape) }, one);
  return { shape, dtype, data: dtype === 'float32' ? Float32Array.from(data) : Int32Array.from(data) };
}

/** Runs `graph` on the CPU provider. */
export async function runGraph(
  graph: Graph,
  inputs: Readonly<Record<string, Values>>,
): Promise<Record<string, Values>> {
  return runModel(encodeModel(graph), inputs);
}

export async function runModel(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, Values>>,
): Promise<Record<string, Values>> {
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, bytes, { provider: 'cpu' });
  try {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, dtype, data }]) => [
        name,
        ortTensor(runtime.ort, dtype, data, shape),
      ]),
    );
    const results = await session.run(feeds as InferenceSession.FeedsType);
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, data, dims }]): [string, Values] => [
        name,
        {
          shape: dims,
          dtype: type === 'int64' ? 'int32' : (type as Values['dtype']),
          data: Array.from(data as ArrayLike<number | bigint>, Number),
        },
      ]),
    );
  } finally {
    await session.dispose();
  }
}

function ortTensor(
  ort: Awaited<ReturnType<typeof loadNodeRuntime>>['ort'],
  dtype: Values['dtype'],
  data: ArrayLike<number>,
  shape: Shape,
) {
  if (dtype === 'float32') return new ort.Tensor('float32', Float32Array.from(data), shape);
  if (dtype === 'bool') return new ort.Tensor('bool', Uint8Array.from(data), shape);
  return new ort.Tensor('int64', BigInt64Array.from(Array.from(data, BigInt)), shape);
}

/** Runs `fn` on TensorFlow.js's cpu backend; also gives the kernels that it called. */
export async function runEagerly(
  fn: TensorFunction,
  inputs: Readonly<Record<string, Values>>,
): Promise<{ results: Record<string, Values>; kernels: string[] }> {
  await tf.setBackend('cpu');
  let results: Record<string, Values> = {};
  const { kernelNames } = await quietly(() =>
    tf.profile(() =>
      tf.tidy(() => {
        const tensors = Object.entries(inputs).map(([name, { shape, dtype, data }]) => [
          name,
          tf.tensor(Array.from(data), [...shape], dtype),
        ]);
        results = Object.fromEntries(
          Object.entries(fn(Object.fromEntries(tensors))).map(([name, tensor]): [string, Values] => [
            name,
            { shape: tensor.shape, dtype: tensor.dtype as Values['dtype'], data: Array.from(tensor.dataSync()) },
          ]),
        );
        return tf.scalar(0);
      }),
    ),
  );
  return { results, kernels: kernelNames };
}

/** The same types and shapes, and every number within `tolerance` · max(1, |value|). */
export function expectSame(
  actual: Readonly<Record<string, Values>>,
  expected: Readonly<Record<string, Values>>,
  tolerance = 1e-6,
): void {
  expect(Object.keys(actual)).to.have.members(Object.keys(expected));
  for (const [name, { shape, dtype, data }] of Object.entries(expected)) {
    const other = actual[name]!;
    expect({ shape: [...other.shape], dtype: other.dtype }, name).to.deep.equal({ shape: [...shape], dtype });
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [other.data[i]!, data[i]!];
      const same = Object.is(x, y) || x === y || Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(y));
      if (!same) expect.fail(`${name}[${i}] is ${x}, expected ${y}`);
    }
  }
}
