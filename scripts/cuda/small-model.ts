/** The smallest model with which a provider can be tried: `sum` [] of `x` [n]. */
import { encodeModel } from '../../src/onnx/write.ts';

/** Makes the model, as the bytes of an .onnx file. */
export function smallModel(): Uint8Array {
  return encodeModel({
    name: 'sum',
    nodes: [{ op: 'ReduceSum', inputs: ['x'], outputs: ['sum'], attributes: { keepdims: 0 } }],
    initializers: [],
    inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
    outputs: [{ name: 'sum', type: 'float32', shape: [] }],
  });
}
