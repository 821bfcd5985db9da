/** The one product that ONNX Runtime computes in a sparse step: pre-activations of a shard's latents. */
import type { Graph } from '../../onnx/graph.ts';

/** centred [batch, width] · encoderᵀ [columns, width] → preActivations [batch, columns]; b_enc is added while selecting. */
export function encoderGraph(batch: number, width: number, columns: number): Graph {
  return {
    name: 'sparse-update-encoder',
    nodes: [{ op: 'Gemm', inputs: ['centred', 'encoder'], outputs: ['preActivations'], attributes: { transB: 1 } }],
    initializers: [],
    inputs: [
      { name: 'centred', type: 'float32', shape: [batch, width] },
      { name: 'encoder', type: 'float32', shape: [columns, width] },
    ],
    outputs: [{ name: 'preActivations', type: 'float32', shape: [batch, columns] }],
  };
}
