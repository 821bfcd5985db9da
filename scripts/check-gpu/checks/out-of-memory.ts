/** More memory than the device has: it must be refused with an error, and what is asked for afterwards must still be computed. */
import * as tf from '@tensorflow/tfjs';
import type { Engine } from '../../../src/engines/engine.ts';
import { encodeModel } from '../../../src/onnx/write.ts';
import { loadNodeRuntime } from '../../../src/sessions/node.ts';
import { openSession } from '../../../src/sessions/session.ts';
import { GPU_PATHS } from '../paths.ts';
import { runSmallStep } from './loads.ts';
import type { CheckContext } from './report.ts';

const COLUMNS = 2 ** 16;

/** Where the card's memory is not known: above what SwiftShader allows in one piece (1 GiB) and below what the host could suffer from. */
const DEFAULT_BYTES = 3 * 2 ** 30;

/** Asks for more memory than the device has, and then for something small. */
export async function checkOutOfMemory({ path, cardMiB, report }: CheckContext): Promise<void> {
  const check = 'out of memory';
  const bytes = cardMiB === undefined ? DEFAULT_BYTES : 1.25 * cardMiB * 2 ** 20;
  const engine = await GPU_PATHS[path].start();
  const before = await runSmallStep(engine);
  const said = await askForTooMuch(path, engine, Math.ceil(bytes / 4)).then(
    sum => `no error: the sum of ${bytes / 4} ones came out as ${sum}`,
    (error: unknown) => error,
  );
  const after = await runSmallStep(engine).catch((error: Error) => error.message);
  const asked = `${(bytes / 2 ** 30).toFixed(1)} GiB asked for`;
  if (!(said instanceof Error)) return report({ check, outcome: 'wrong', detail: `${asked}; ${said}` });
  const message = said.message.split('\n')[0]!.slice(0, 200);
  if (before !== 5 || after !== 5) {
    return report({
      check,
      outcome: 'wrong',
      detail: `${asked}; refused (${message}), but then a small step gives ${after}`,
    });
  }
  report({
    check,
    outcome: 'ran',
    detail: `${asked}; refused (${said.name}: ${message}), and a small step runs afterwards`,
  });
}

/** The sum of `count` ones, made on the device. */
async function askForTooMuch(path: CheckContext['path'], engine: Engine, count: number): Promise<number> {
  const { provider } = GPU_PATHS[path];
  if (!provider) return sumOfOnes(engine, count);
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, onesModel(count), { provider });
  try {
    const { sum } = await session.run({ x: new runtime.ort.Tensor('float32', Float32Array.of(1), [1]) });
    return Number(sum!.data[0]);
  } finally {
    await session.dispose();
  }
}

/** Makes the large tensor within a training step whose state is small. */
async function sumOfOnes(engine: Engine, count: number): Promise<number> {
  const runner = await engine.prepare({
    step: ({ x, input }) => {
      // Rows, so that no dimension is above 2³¹; filled by the device, not copied to it.
      const ones = tf.fill([Math.ceil(count / COLUMNS), COLUMNS], 1);
      const loss = tf.sum(tf.add(ones, tf.mul(input!, x!))).asScalar();
      return { x: x!, loss };
    },
    state: { x: { data: Float32Array.of(0), shape: [] } },
    batch: { input: [1] },
    metrics: ['loss'],
  });
  try {
    return (await runner.run(1, { input: Float32Array.of(1) }))['loss']![0]!;
  } finally {
    await runner.dispose();
  }
}

function onesModel(count: number): Uint8Array {
  const shape = [Math.ceil(count / COLUMNS), COLUMNS];
  return encodeModel({
    name: 'ones',
    nodes: [
      { op: 'Expand', inputs: ['x', 'shape'], outputs: ['ones'], attributes: {} },
      // Exp keeps the optimizer from leaving the expansion out.
      { op: 'Exp', inputs: ['ones'], outputs: ['powers'], attributes: {} },
      { op: 'ReduceSum', inputs: ['powers'], outputs: ['sum'], attributes: { keepdims: 0 } },
    ],
    initializers: [{ name: 'shape', type: 'int64', shape: [2], data: shape }],
    inputs: [{ name: 'x', type: 'float32', shape: [1] }],
    outputs: [{ name: 'sum', type: 'float32', shape: [] }],
  });
}
