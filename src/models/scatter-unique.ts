/**
 * Placing k values per row at k different positions: PyTorch's `zeros.scatter(-1, indices, values)`.
 *
 * A TensorFlow.js kernel of its own, because the general scatterND allows repeated indices, for which ONNX Runtime loses updates on the
 * CPU (onnxruntime #23396, #18048). A sample's chosen latents are distinct, so this form is always safe.
 */
import * as tf from '@tensorflow/tfjs';

export const SCATTER_UNIQUE = 'ScatterUnique';

const EAGER_BACKENDS = ['cpu', 'wasm', 'webgl', 'webgpu', 'tensorflow'];

interface ScatterInputs {
  readonly values: tf.Tensor;
  readonly indices: tf.Tensor;
}

/**
 * A tensor [..., size] of zeros but for `values` [..., k] at `indices` [..., k] (int32, distinct along the last axis).
 * Its gradient gathers. Repeated indices are undefined.
 */
export function scatterUnique(values: tf.Tensor, indices: tf.Tensor, size: number): tf.Tensor {
  return tf.engine().runKernel(SCATTER_UNIQUE, { values, indices }, { size }) as tf.Tensor;
}

/** What stands at `indices` [..., k] of the last axis of `x` [..., n]: the inverse of scatterUnique. */
export function gatherLast(x: tf.Tensor, indices: tf.Tensor): tf.Tensor {
  const rank = x.shape.length;
  return tf.gather(x, indices as tf.Tensor1D, rank - 1, rank - 1);
}

for (const backendName of EAGER_BACKENDS) {
  tf.registerKernel({
    kernelName: SCATTER_UNIQUE,
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const { values, indices } = inputs as unknown as ScatterInputs;
      return scatterRows(values, indices, (attrs as unknown as { size: number }).size);
    },
  });
}

tf.registerGradient({
  kernelName: SCATTER_UNIQUE,
  inputsToSave: ['indices'],
  gradFunc: (dy, saved) => {
    const indices = saved[0]!;
    return {
      values: () => gatherLast(dy as tf.Tensor, indices),
      indices: () => tf.zeros(indices.shape),
    };
  },
});

/** All rows as one long one, where every index is still unique. */
function scatterRows(values: tf.Tensor, indices: tf.Tensor, size: number): tf.Tensor {
  const k = values.shape.at(-1)!;
  const rows = values.size / k;
  const starts = tf.mul(tf.range(0, rows, 1, 'int32'), tf.scalar(size, 'int32'));
  const flat = tf.add(tf.reshape(indices, [rows, k]), tf.expandDims(starts, 1));
  const scattered = tf.scatterND(tf.reshape(flat, [rows * k, 1]), tf.reshape(values, [rows * k]), [rows * size]);
  return tf.reshape(scattered, [...values.shape.slice(0, -1), size]);
}
