/** Products of many rows with one matrix, block by block in ONNX Runtime, with the largest and smallest of each row's results. */
import type { Graph, GraphNode, GraphValue } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import type { Runtime } from '../sessions/runtime.ts';
import { openSession } from '../sessions/session.ts';
import type { HostTensor } from '../tensor.ts';

/** Which products are wanted. */
export interface RowProductOptions {
  /** [rows, inner]. */
  readonly left: HostTensor;
  /** [columns, inner], or [inner, columns] with `transposed` false. */
  readonly right: HostTensor;
  readonly isTransposed: boolean;
  /**
   * How many of the largest and smallest results of each row are wanted; of equal ones the smaller column comes first.
   */
  readonly largest: number;
  readonly smallest?: number;
  /** Whether all products are wanted too. */
  readonly all?: boolean;
  readonly threads?: number | undefined;
}

/** The results of rows `start` to `start + rows`. Arrays are [rows, n]. */
export interface RowProductBlock {
  readonly start: number;
  readonly rows: number;
  readonly largest: { readonly columns: ArrayLike<number | bigint>; readonly values: Float32Array };
  readonly smallest?: { readonly columns: ArrayLike<number | bigint>; readonly values: Float32Array };
  readonly products?: Float32Array;
}

/** How many products are computed at once: 64 MiB. */
const PRODUCTS_AT_ONCE = 2 ** 24;

/** Computes left · right, block by block. */
export async function* rowProducts(runtime: Runtime, options: RowProductOptions): AsyncGenerator<RowProductBlock> {
  const { left, right, isTransposed, largest, smallest = 0, all = false, threads } = options;
  const [rows = 0, inner = 0] = left.shape;
  const columns = right.shape[isTransposed ? 0 : 1]!;
  const { session } = await openSession(runtime, encodeModel(productGraph(options, inner, columns)), {
    provider: 'cpu',
    ...(threads !== undefined && { threads }),
  });
  try {
    const rightTensor = new runtime.ort.Tensor('float32', right.data, right.shape);
    const step = Math.max(1, Math.floor(PRODUCTS_AT_ONCE / columns));
    for (let start = 0; start < rows; start += step) {
      const count = Math.min(step, rows - start);
      const block = left.data.subarray(start * inner, (start + count) * inner);
      const outputs = await session.run({
        left: new runtime.ort.Tensor('float32', block, [count, inner]),
        right: rightTensor,
      });
      const values = (name: string) => outputs[name]!.data as Float32Array;
      const found = (name: string) => ({
        columns: outputs[`${name}_columns`]!.data as BigInt64Array,
        values: values(`${name}_values`),
      });
      yield {
        start,
        rows: count,
        largest: largest > 0 ? found('largest') : { columns: [], values: new Float32Array(0) },
        ...(smallest > 0 && { smallest: found('smallest') }),
        ...(all && { products: values('products') }),
      };
    }
  } finally {
    await session.dispose();
  }
}

function productGraph(options: RowProductOptions, inner: number, columns: number): Graph {
  const { isTransposed, largest, smallest = 0, all = false } = options;
  const nodes: GraphNode[] = [
    {
      op: 'Gemm',
      inputs: ['left', 'right'],
      outputs: ['products'],
      attributes: { transB: isTransposed ? 1 : 0 },
    },
  ];
  const outputs: GraphValue[] = all ? [{ name: 'products', type: 'float32', shape: ['batch', columns] }] : [];
  for (const [name, count, isLargest] of [
    ['largest', largest, 1],
    ['smallest', smallest, 0],
  ] as const) {
    if (count === 0) continue;
    nodes.push({
      op: 'TopK',
      inputs: ['products', `${name}_count`],
      outputs: [`${name}_values`, `${name}_columns`],
      attributes: { axis: 1, largest: isLargest, sorted: 1 },
    });
    outputs.push(
      { name: `${name}_values`, type: 'float32', shape: ['batch', count] },
      { name: `${name}_columns`, type: 'int64', shape: ['batch', count] },
    );
  }
  return {
    name: 'row-products',
    nodes,
    initializers: [
      ...(largest > 0 ? [{ name: 'largest_count', type: 'int64', shape: [1], data: [largest] } as const] : []),
      ...(smallest > 0 ? [{ name: 'smallest_count', type: 'int64', shape: [1], data: [smallest] } as const] : []),
    ],
    inputs: [
      { name: 'left', type: 'float32', shape: ['batch', inner] },
      { name: 'right', type: 'float32', shape: isTransposed ? [columns, inner] : [inner, columns] },
    ],
    outputs,
  };
}
