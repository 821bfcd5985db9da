/** The products that ONNX Runtime computes in a sparse step. */
import type { Graph } from '../../onnx/graph.ts';

type Matrix = readonly [rows: number, columns: number];

/** left · right → product, either transposed first. */
export function productGraph(
  left: Matrix,
  right: Matrix,
  { transA = 0, transB = 0 }: { readonly transA?: 0 | 1; readonly transB?: 0 | 1 },
): Graph {
  const shape = [left[transA], right[1 - transB]!];
  return {
    name: 'sparse-update-product',
    nodes: [{ op: 'Gemm', inputs: ['left', 'right'], outputs: ['product'], attributes: { transA, transB } }],
    initializers: [],
    inputs: [
      { name: 'left', type: 'float32', shape: left },
      { name: 'right', type: 'float32', shape: right },
    ],
    outputs: [{ name: 'product', type: 'float32', shape }],
  };
}
