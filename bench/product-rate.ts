/** Floating-point operations of a model's products, and how many a second this machine does at best. */

import type { HostInputs, HostModel } from '../src/host/index.ts';
import { toInteger } from '../src/onnx/proto.ts';
import type { OnnxModel } from '../src/onnx/read.ts';
import { encodeModel } from '../src/onnx/write.ts';
import { loadNodeRuntime } from '../src/sessions/node.ts';
import { openSession } from '../src/sessions/session.ts';
import { sizeOf } from '../src/tensor.ts';

/** Rows, inner and columns of the product that is timed: large enough for the cores, small enough for their caches' second level. */
const [ROWS, INNER, COLUMNS] = [1024, 1024, 2048];

/** Times one product of float32 in ONNX Runtime; each call gives the operations a second of a tenth of a second's worth of them. */
export async function productTimer(): Promise<{ measure(): Promise<number>; dispose(): Promise<void> }> {
  const runtime = await loadNodeRuntime();
  const weight = Float32Array.from({ length: INNER * COLUMNS }, (_, i) => Math.sin(i));
  const bytes = encodeModel({
    name: 'product',
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'], attributes: {} }],
    initializers: [{ name: 'w', type: 'float32', shape: [INNER, COLUMNS], data: weight }],
    inputs: [{ name: 'x', type: 'float32', shape: [ROWS, INNER] }],
    outputs: [{ name: 'y', type: 'float32', shape: [ROWS, COLUMNS] }],
  });
  const { session } = await openSession(runtime, bytes, { provider: 'cpu' });
  const x = new runtime.ort.Tensor('float32', weight.slice(0, ROWS * INNER), [ROWS, INNER]);
  const operations = 2 * ROWS * INNER * COLUMNS;
  return {
    async measure() {
      const started = performance.now();
      let runs = 0;
      do {
        await session.run({ x });
        runs++;
      } while (performance.now() - started < 500);
      return (1000 * operations * runs) / (performance.now() - started);
    },
    dispose: () => session.dispose(),
  };
}

/**
 * Floating-point operations of the matrix products and convolutions of `cut`, a part of the host's graph, over `inputs`: two for each
 * multiplication with its addition. Everything else is left out, and products inside fused operators such as attention are not seen.
 */
export async function productOperations(host: HostModel, cut: OnnxModel, inputs: HostInputs): Promise<number> {
  const nodes = (cut.proto.graph.node ?? []).filter(({ opType }) =>
    /^(MatMul|FusedMatMul|Gemm|Conv)$/.test(opType ?? ''),
  );
  const weights = new Map(
    (host.model.proto.graph.initializer ?? []).map(({ name, dims }) => [name, (dims ?? []).map(toInteger)]),
  );
  const made = new Set((host.model.proto.graph.node ?? []).flatMap(({ output }) => output ?? []));
  // The size of an output, and the length of the sums behind each of its numbers.
  const factors = nodes.map(({ opType, input }) => input![opType === 'Conv' ? 1 : weights.has(input![1]!) ? 1 : 0]!);
  const wanted = [...nodes.map(({ output }) => output![0]!), ...factors].filter(name => made.has(name));
  const shapes = new Map(
    Object.entries(await host.run(inputs, { outputs: [...new Set(wanted)] })).map(([name, { shape }]) => [name, shape]),
  );
  return nodes.reduce((sum, { opType, output }, i) => {
    const shape = weights.get(factors[i]!) ?? shapes.get(factors[i]!)!;
    const isLeft = !weights.has(factors[i]!);
    const terms = opType === 'Conv' ? sizeOf(shape.slice(1)) : isLeft ? shape.at(-1)! : shape.at(-2)!;
    return sum + 2 * terms * sizeOf(shapes.get(output![0]!)!);
  }, 0);
}
