/**
 * Places k values per row at k different positions: PyTorch's `zeros.scatter(-1, indices, values)`.
 *
 * This is a TensorFlow.js kernel of this package, because the general scatterND allows repeated indices, for which ONNX
 * Runtime loses updates on the CPU (onnxruntime #23396, #18048). The chosen latents of a sample are distinct, so this
 * form is always safe.
 */
import * as tf from '@tensorflow/tfjs';
import { EAGER_BACKENDS } from './eager-backends.ts';

/** The name of the kernel that scatters. */
export const SCATTER_UNIQUE = 'ScatterUnique';
/** The name of the kernel that gathers. */
export const GATHER_LAST = 'GatherLast';

/**
 * A tensor [..., size] of zeros with `values` [..., k] at `indices` [..., k] (int32, distinct along the last axis). Its
 * gradient gathers. Repeated indices are undefined.
 */
export function scatterUnique(values: tf.Tensor, indices: tf.Tensor, size: number): tf.Tensor {
  // The function closes over the indices instead of taking them as an input, so that nobody asks for their gradient;
  // saving them keeps them alive after the forward pass.
  const scatter = tf.customGrad((given, save) => {
    (save as tf.GradSaveFunc)([indices]);
    return {
      value: tf.engine().runKernel(SCATTER_UNIQUE, { values: given as tf.Tensor, indices }, { size }) as tf.Tensor,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gatherLast(dy, saved[0]!),
    };
  });
  return scatter(values);
}

/**
 * The entries at `indices` [..., k] of the last axis of `x` [..., n]: the inverse of scatterUnique. It has no gradient.
 */
export function gatherLast(x: tf.Tensor, indices: tf.Tensor): tf.Tensor {
  return tf.engine().runKernel(GATHER_LAST, { x, indices }) as tf.Tensor;
}

for (const backendName of EAGER_BACKENDS) {
  tf.registerKernel({
    kernelName: SCATTER_UNIQUE,
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const { values, indices } = inputs as unknown as { values: tf.Tensor; indices: tf.Tensor };
      return scatterRows(values, indices, (attrs as unknown as { size: number }).size);
    },
  });
  tf.registerKernel({
    kernelName: GATHER_LAST,
    backendName,
    kernelFunc: ({ inputs }) => {
      const { x, indices } = inputs as unknown as { x: tf.Tensor; indices: tf.Tensor };
      const positions = flatPositions(indices, x.shape.at(-1)!);
      return tf.reshape(tf.gather(tf.reshape(x, [-1]), positions), indices.shape);
    },
  });
}

/** All rows as one long one, where every index is still unique. */
function scatterRows(values: tf.Tensor, indices: tf.Tensor, size: number): tf.Tensor {
  const positions = tf.expandDims(flatPositions(indices, size), 1);
  const length = (values.size / values.shape.at(-1)!) * size;
  const scattered = tf.scatterND(positions, tf.reshape(values, [-1]), [length]);
  return tf.reshape(scattered, [...values.shape.slice(0, -1), size]);
}

/** The positions of `indices` [..., k], which point into rows of `size`, when all rows are joined: [rows · k]. */
function flatPositions(indices: tf.Tensor, size: number): tf.Tensor1D {
  const k = indices.shape.at(-1)!;
  const rows = indices.size / k;
  const starts = tf.mul(tf.range(0, rows, 1, 'int32'), tf.scalar(size, 'int32'));
  return tf.reshape(tf.add(tf.reshape(indices, [rows, k]), tf.expandDims(starts, 1)), [rows * k]);
}
