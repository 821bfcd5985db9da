/** The products that ONNX Runtime computes in a sparse step, on arrays in a shard's memory. */
import type { Graph } from '../../onnx/graph.ts';
import { encodeModel } from '../../onnx/write.ts';
import type { Runtime } from '../../sessions/runtime.ts';
import { type Feeds, openSession } from '../../sessions/session.ts';
import type { Matrix, ShardMemory } from './shard-memory.ts';

/** A matrix product on arrays in a shard's memory. */
export interface Product {
  run(): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * The products that replace lists in a dense step: the reconstruction, and gradients of features, decoder rows and
 * encoder rows.
 */
export interface DenseProducts {
  readonly reconstruction: Product;
  readonly byFeature: Product;
  readonly byDecoder: Product;
  readonly byEncoder: Product;
}

/** preActivations = centred · encoderᵀ; b_enc is added while latents are chosen. */
export function openEncoderProduct(runtime: Runtime, memory: ShardMemory): Promise<Product> {
  return openProduct(runtime, memory, ['centred', 'encoder', 'preActivations'], { transB: 1 });
}

/** Opens the products of a dense step, for which `preActivations` holds the features. */
export async function openDenseProducts(runtime: Runtime, memory: ShardMemory): Promise<DenseProducts> {
  const [reconstruction, byFeature, byDecoder, byEncoder] = await Promise.all([
    openProduct(runtime, memory, ['preActivations', 'decoder', 'gradients'], {}),
    openProduct(runtime, memory, ['gradients', 'decoder', 'products'], { transB: 1 }),
    openProduct(runtime, memory, ['preActivations', 'gradients', 'decoderGradients'], { transA: 1 }),
    openProduct(runtime, memory, ['products', 'centred', 'encoderGradients'], { transA: 1 }),
  ]);
  return { reconstruction, byFeature, byDecoder, byEncoder };
}

interface Transposed {
  readonly transA?: 0 | 1;
  readonly transB?: 0 | 1;
}

/** left · right → product, either transposed first. */
async function openProduct(
  runtime: Runtime,
  memory: ShardMemory,
  names: readonly [left: Matrix, right: Matrix, product: Matrix],
  transposed: Transposed,
): Promise<Product> {
  const [left, right, product] = names.map(name => {
    const shape = memory.shapes[name];
    return new runtime.ort.Tensor('float32', memory.floats(name, shape[0] * shape[1]), shape);
  }) as [Feeds[string], Feeds[string], Feeds[string]];
  const graph = productGraph(memory.shapes[names[0]], memory.shapes[names[1]], transposed);
  const { session } = await openSession(runtime, encodeModel(graph), {
    provider: 'cpu',
    threads: 1,
    // All large tensors of the session lie in the shard's memory, so it needs no arena of its own.
    sessionOptions: { interOpNumThreads: 1, enableCpuMemArena: false },
  });
  return {
    async run() {
      await session.run({ left, right }, { product });
    },
    dispose: () => session.dispose(),
  };
}

function productGraph(
  left: readonly [number, number],
  right: readonly [number, number],
  { transA = 0, transB = 0 }: Transposed,
): Graph {
  return {
    name: 'sparse-update-product',
    nodes: [{ op: 'Gemm', inputs: ['left', 'right'], outputs: ['product'], attributes: { transA, transB } }],
    initializers: [],
    inputs: [
      { name: 'left', type: 'float32', shape: left },
      { name: 'right', type: 'float32', shape: right },
    ],
    outputs: [{ name: 'product', type: 'float32', shape: [left[transA]!, right[1 - transB]!] }],
  };
}
