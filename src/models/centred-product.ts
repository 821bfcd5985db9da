/**
 * (x − b) W as one operation. Its gradient by b is −(Σ dy) Wᵀ. Autodiff would multiply by Wᵀ for every sample before it
 * adds them up, which costs as much as the forward product.
 */
import * as tf from '@tensorflow/tfjs';

/** x [..., batch, n] (not differentiated), bias [..., n], weight [..., n, m] → [..., batch, m]. */
export function centredProduct(x: tf.Tensor, bias: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const product = tf.customGrad((...args) => {
    const [b, w, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const centred = tf.sub(x, b.rank === 1 ? b : tf.expandDims(b, -2));
    save([centred, w]);
    return {
      value: tf.matMul(centred, w),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [input, matrix] = saved as [tf.Tensor, tf.Tensor];
        const byBias = tf.matMul(tf.neg(tf.sum(dy, -2, true)), matrix, false, true);
        return [tf.reshape(byBias, b.shape), tf.matMul(input, dy, true)];
      },
    };
  });
  return product(bias, weight);
}

/** (x − b) W with the batch last: x [..., n, batch] → [..., m, batch]. */
export function centredProductBatchLast(x: tf.Tensor, bias: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const product = tf.customGrad((...args) => {
    const [b, w, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const centred = subtractColumn(x, tf.expandDims(b, -1));
    save([centred, w]);
    return {
      value: tf.matMul(w, centred, true),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [input, matrix] = saved as [tf.Tensor, tf.Tensor];
        const byBias = tf.matMul(matrix, tf.expandDims(tf.neg(tf.sum(dy, -1)), -1));
        return [tf.reshape(byBias, b.shape), tf.matMul(input, dy, false, true)];
      },
    };
  });
  return product(bias, weight);
}

/**
 * x − column, [..., d, batch]. The detour through another shape keeps ONNX Runtime from moving the transposition that x comes from
 * behind the subtraction, where it would cost twenty times as much.
 */
function subtractColumn(x: tf.Tensor, column: tf.Tensor): tf.Tensor {
  const batch = x.shape.at(-1)!;
  const rows = x.size / batch;
  const shape = x.rank === 2 ? [1, rows] : [rows];
  return tf.reshape(tf.sub(tf.reshape(x, [...shape, batch]), tf.reshape(column, [...shape, 1])), x.shape);
}
