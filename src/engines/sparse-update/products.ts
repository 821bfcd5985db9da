/** The products that ONNX Runtime computes in a sparse step, on arrays where they lie in a shard's memory. */
import type { Graph } from '../../onnx/graph.ts';
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

/**
 * Products with a row or a column for each of some dead latents, of which there are `count`. `preActivations` holds [batch, count], and behind that
 * their gradients.
 */
export interface DeadProducts {
  /** Pre-activations of the encoder rows in `deadEncoder`, without b_enc. */
  scores(count: number): Promise<void>;
  /** `deadGradients` = preActivations · deadDecoder. */
  reconstruction(count: number): Promise<void>;
  /** Products of `deadGradients` with the decoder rows in `deadDecoder`: what the gradients of the pre-activations come from. */
  byFeature(count: number): Promise<void>;
  /** Gradients of decoder rows, in the rows' place. */
  byDecoder(count: number): Promise<void>;
  /** Gradients of encoder rows, in the rows' place. */
  byEncoder(count: number): Promise<void>;
  dispose(): Promise<void>;
}

/** Where `DeadProducts.byFeature` of `count` latents lie: behind their pre-activations. */
export function deadProductsAt({ layout, shapes }: ShardMemory, count: number): number {
  return layout.preActivations + 4 * shapes.preActivations[0] * count;
}

/** Opens the products of dead latents. */
export async function openDeadProducts(runtime: Runtime, memory: ShardMemory): Promise<DeadProducts> {
  const { centred, preActivations, deadEncoder, deadDecoder, deadGradients } = memory.layout;
  const [batch, width] = memory.shapes.centred;
  const [plain, turnedLeft, turnedRight] = await Promise.all([
    openGemm(runtime, {}),
    openGemm(runtime, { transA: 1 }),
    openGemm(runtime, { transB: 1 }),
  ]);
  const ofSamples = (address: number) => tensorOf(runtime, memory, address, [batch, width]);
  const ofLatents = (address: number, count: number) => tensorOf(runtime, memory, address, [count, width]);
  const scores = (address: number, count: number) => tensorOf(runtime, memory, address, [batch, count]);
  const products = (count: number) => scores(deadProductsAt(memory, count), count);
  return {
    scores: count => turnedRight.run(ofSamples(centred), ofLatents(deadEncoder, count), scores(preActivations, count)),
    reconstruction: count =>
      plain.run(scores(preActivations, count), ofLatents(deadDecoder, count), ofSamples(deadGradients)),
    byFeature: count => turnedRight.run(ofSamples(deadGradients), ofLatents(deadDecoder, count), products(count)),
    byDecoder: count =>
      turnedLeft.run(scores(preActivations, count), ofSamples(deadGradients), ofLatents(deadDecoder, count)),
    byEncoder: count => turnedLeft.run(products(count), ofSamples(centred), ofLatents(deadEncoder, count)),
    async dispose() {
      await Promise.all([plain, turnedLeft, turnedRight].map(gemm => gemm.dispose()));
    },
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

type Shape = readonly [number, number];
type Tensor = Feeds[string];

/** left · right → product, either transposed first, of any shapes that fit. */
interface Gemm {
  run(left: Tensor, right: Tensor, product: Tensor): Promise<void>;
  dispose(): Promise<void>;
}

async function openGemm(runtime: Runtime, { transA = 0, transB = 0 }: Transposed): Promise<Gemm> {
  const graph: Graph = {
    name: 'sparse-update-product',
    nodes: [{ op: 'Gemm', inputs: ['left', 'right'], outputs: ['product'], attributes: { transA, transB } }],
    initializers: [],
    inputs: [
      { name: 'left', type: 'float32', shape: transA ? ['inner', 'rows'] : ['rows', 'inner'] },
      { name: 'right', type: 'float32', shape: transB ? ['columns', 'inner'] : ['inner', 'columns'] },
    ],
    outputs: [{ name: 'product', type: 'float32', shape: ['rows', 'columns'] }],
  };
  const { session } = await openSession(runtime, encodeModel(graph), ON_ONE_THREAD);
  return {
    async run(left, right, product) {
      await session.run({ left, right }, { product });
    },
    dispose: () => session.dispose(),
  };
}

function tensorOf(runtime: Runtime, memory: ShardMemory, address: number, shape: Shape): Tensor {
  return new runtime.ort.Tensor('float32', memory.floatsAt(address, shape[0] * shape[1]), shape);
}

/** A product of whole arrays. */
async function openProduct(
  runtime: Runtime,
  memory: ShardMemory,
  names: readonly [left: Matrix, right: Matrix, product: Matrix],
  transposed: Transposed,
): Promise<Product> {
  const [left, right, product] = names.map(name =>
    tensorOf(runtime, memory, memory.layout[name], memory.shapes[name]),
  ) as [Tensor, Tensor, Tensor];
  const gemm = await openGemm(runtime, transposed);
  return { run: () => gemm.run(left, right, product), dispose: gemm.dispose };
}
