/** The products that ONNX Runtime computes in a sparse step, on arrays where they lie in a shard's memory. */
import type { Dimension, Graph } from '../../onnx/graph.ts';
import { encodeModel } from '../../onnx/write.ts';
import type { Runtime } from '../../sessions/runtime.ts';
import { type Feeds, openSession, type SessionOptions } from '../../sessions/session.ts';
import type { Matrix, ShardMemory } from './shard-memory.ts';

/** A matrix product on arrays in a shard's memory. */
export interface Product {
  run(): Promise<void>;
  dispose(): Promise<void>;
}

/** A product of bytes, of latents from..to. */
export interface ByteProduct {
  run(from: number, to: number): Promise<void>;
  dispose(): Promise<void>;
}

/** A product with the first `count` of the rows that were gathered. */
export interface GatheredProduct {
  run(count: number): Promise<void>;
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

/**
 * byteProducts, int32 [to − from, samples] = (encoderBytes − 128) · activationBytes of latents from..to: exact, and on processors with instructions
 * for products of bytes several times as fast as that of floats.
 */
export async function openByteProduct(runtime: Runtime, memory: ShardMemory): Promise<ByteProduct> {
  const { width, samples, layout } = memory;
  const graph: Graph = {
    name: 'sparse-update-bytes',
    nodes: [{ op: 'MatMulInteger', inputs: ['left', 'right', 'zero'], outputs: ['product'], attributes: {} }],
    initializers: [{ name: 'zero', type: 'uint8', shape: [], data: [128] }],
    inputs: [
      { name: 'left', type: 'uint8', shape: ['columns', width] },
      { name: 'right', type: 'int8', shape: [width, samples] },
    ],
    outputs: [{ name: 'product', type: 'int32', shape: ['columns', samples] }],
  };
  const { session } = await openSession(runtime, encodeModel(graph), ON_ONE_THREAD);
  const { buffer, byteOffset, length } = memory.bytesAt(layout.activationBytes, width * samples);
  const right = new runtime.ort.Tensor('int8', new Int8Array(buffer, byteOffset, length), [width, samples]);
  return {
    async run(from, to) {
      const count = to - from;
      const rows = memory.bytesAt(layout.encoderBytes + from * width, count * width);
      const products = memory.integers('byteProducts', count * samples);
      const left = new runtime.ort.Tensor('uint8', rows, [count, width]);
      const product = new runtime.ort.Tensor('int32', products, [count, samples]);
      await session.run({ left, right }, { product });
    },
    dispose: () => session.dispose(),
  };
}

/** Opens the product of the centred batch with encoder rows that were gathered in `deadEncoder`: `preActivations` [batch, count], without b_enc. */
export async function openGatheredProduct(runtime: Runtime, memory: ShardMemory): Promise<GatheredProduct> {
  const [batch, width] = memory.shapes.centred;
  const { session } = await openSession(
    runtime,
    encodeModel(productGraph([batch, width], ['count', width], { transB: 1 })),
    ON_ONE_THREAD,
  );
  const tensor = (name: 'centred' | 'deadEncoder' | 'preActivations', shape: readonly [number, number]) =>
    new runtime.ort.Tensor('float32', memory.floats(name, shape[0] * shape[1]), shape);
  return {
    async run(count) {
      const feeds = { left: tensor('centred', [batch, width]), right: tensor('deadEncoder', [count, width]) };
      await session.run(feeds, { product: tensor('preActivations', [batch, count]) });
    },
    dispose: () => session.dispose(),
  };
}

const ON_ONE_THREAD: SessionOptions = {
  provider: 'cpu',
  threads: 1,
  // Its only tensors of any size are ours.
  sessionOptions: { interOpNumThreads: 1, enableCpuMemArena: false },
};

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
  const { session } = await openSession(runtime, encodeModel(graph), ON_ONE_THREAD);
  return {
    async run() {
      await session.run({ left, right }, { product });
    },
    dispose: () => session.dispose(),
  };
}

function productGraph(
  left: readonly [Dimension, Dimension],
  right: readonly [Dimension, Dimension],
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
