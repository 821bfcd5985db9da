/**
 * Kernels that pick or place elements by index. ONNX Runtime's ScatterND with repeated rows loses updates on the CPU
 * (onnxruntime #23396, #18048): no rule emits it. Unique indices scatter safely; repeated ones become a product with a one-hot matrix.
 */
import type * as tf from '@tensorflow/tfjs';
import { RecordingError } from '../../errors.ts';
import { sizeOf } from '../../tensor.ts';
import { recorder } from '../recording-backend.ts';
import { defineRule } from '../rule.ts';
import { type TensorType, uniformValue } from '../symbolic-value.ts';

/** A one-hot matrix of more elements than this is refused. */
const ONE_HOT_LIMIT = 1 << 24;
/** Larger than any index. */
const OUT_OF_RANGE = 2 ** 40;

defineRule<{ k: number; sorted: boolean }>('TopK', ({ x }, { k, sorted }) => {
  const shape = x!.shape.with(-1, k);
  const attributes = { axis: x!.shape.length - 1, sorted: Number(sorted) };
  const [values, indices] = recorder.emit('TopK', [recorder.full(x!), recorder.builder.integers([k])], attributes, 2);
  return [recorder.result(values, shape, x!.dtype as TensorType), recorder.result(indices!, shape, 'int32')];
});

defineRule<{ axis: number; batchDims: number }>('GatherV2', ({ x, indices }, { axis: given, batchDims }) => {
  const dtype = x!.dtype as TensorType;
  const axis = given < 0 ? given + x!.shape.length : given;
  if (batchDims > 0) {
    const rank = x!.shape.length;
    if (axis !== rank - 1 || batchDims !== rank - 1 || indices!.shape.length !== rank) {
      throw new RecordingError(`gather with batchDims ${batchDims} is recorded only along the last axis of ${rank}`);
    }
    const [name] = recorder.emit('GatherElements', [recorder.full(x!), recorder.full(indices!)], { axis });
    return recorder.result(name, indices!.shape, dtype);
  }
  const shape = [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)];
  return recorder.result(
    recorder.emit('Gather', [recorder.full(x!), recorder.full(indices!)], { axis })[0],
    shape,
    dtype,
  );
});

defineRule('GatherNd', ({ params, indices }) => {
  const depth = indices!.shape.at(-1)!;
  const shape = [...indices!.shape.slice(0, -1), ...params!.shape.slice(depth)];
  const [name] = recorder.emit('GatherND', [recorder.full(params!), recorder.full(indices!)]);
  return recorder.result(name, shape, params!.dtype as TensorType);
});

/**
 * A kernel of this package (src/models/scatter-unique.ts): values [..., k] at unique indices [..., k] of the last axis.
 */
defineRule<{ size: number }>('ScatterUnique', ({ values, indices }, { size }) => {
  const shape = values!.shape.with(-1, size);
  const zeros = recorder.emit('ConstantOfShape', [recorder.builder.integers(shape)])[0];
  const axis = shape.length - 1;
  const [name] = recorder.emit('ScatterElements', [zeros, recorder.full(indices!), recorder.full(values!)], { axis });
  return recorder.result(name, shape, 'float32');
});

/**
 * A kernel of this package (src/models/keep-top-k.ts): 1 at the k largest entries of the last axis. Hardmax takes the
 * first of equal ones.
 */
defineRule<{ k: number }>('TopKMask', ({ x }, { k }) => {
  const axis = x!.shape.length - 1;
  if (k === 1) return recorder.result(recorder.emit('Hardmax', [recorder.full(x!)], { axis })[0], x!.shape, 'float32');
  const at = recorder.builder.integers([k]);
  const indices = recorder.emit('TopK', [recorder.full(x!), at], { axis, sorted: 0 }, 2)[1]!;
  const ones = recorder.full(recorder.tensor(uniformValue(1, 'float32'), x!.shape.with(-1, k), 'float32'));
  const zeros = recorder.emit('ConstantOfShape', [recorder.builder.integers(x!.shape)])[0];
  return recorder.result(recorder.emit('ScatterElements', [zeros, indices, ones], { axis })[0], x!.shape, 'float32');
});

/** A kernel of this package (src/models/scatter-unique.ts): the entries at indices [..., k] of the last axis. */
defineRule('GatherLast', ({ x, indices }) => {
  const axis = x!.shape.length - 1;
  const [name] = recorder.emit('GatherElements', [recorder.full(x!), recorder.full(indices!)], { axis });
  return recorder.result(name, indices!.shape, x!.dtype as TensorType);
});

defineRule<{ depth: number; onValue: number; offValue: number; dtype: TensorType }>(
  'OneHot',
  ({ indices }, { depth, onValue, offValue, dtype }) => {
    const type = dtype === 'int32' ? 'int64' : 'float32';
    const [name] = recorder.emit('OneHot', [
      withoutNegatives(indices!),
      recorder.builder.integers([depth]),
      recorder.builder.constant([offValue, onValue], [2], type),
    ]);
    return recorder.result(name, [...indices!.shape, depth], dtype === 'int32' ? 'int32' : 'float32');
  },
);

/** Sums of rows by segment, as gather's gradient needs: one-hot(segments)ᵀ · rows. */
defineRule<{ numSegments: number }>('UnsortedSegmentSum', ({ x, segmentIds }, { numSegments }) => {
  const [count, ...rest] = x!.shape as [number, ...number[]];
  if (count * numSegments > ONE_HOT_LIMIT) {
    throw new RecordingError(
      `a sum of ${count} rows into ${numSegments} segments (unsortedSegmentSum, or gather's gradient) is too large to record ` +
        'safely: scatter unique indices into a dense matrix (scatterUnique) and multiply instead',
    );
  }
  const oneHot = recorder.emit('OneHot', [
    withoutNegatives(segmentIds!),
    recorder.builder.integers([numSegments]),
    recorder.builder.constant([0, 1], [2], 'float32'),
  ])[0];
  const width = sizeOf(rest);
  const rows = recorder.emit('Reshape', [recorder.full(x!), recorder.builder.integers([count, width])])[0];
  const sums = recorder.emit('Gemm', [oneHot, rows], { transA: 1 })[0];
  const shape = [numSegments, ...rest];
  const [name] = recorder.emit('Reshape', [sums, recorder.builder.integers(shape)]);
  return recorder.result(name, shape, 'float32');
});

defineRule('ScatterNd', () => {
  throw new RecordingError(
    "scatterND (and gatherND's gradient) is not recorded: with repeated indices ONNX Runtime loses updates on the CPU. " +
      'Where indices are unique use scatterUnique; otherwise multiply with a one-hot matrix',
  );
});

/** TensorFlow.js has no entry for a negative index, where ONNX's OneHot counts it from the end: out of range, both have none. */
function withoutNegatives(indices: tf.TensorInfo): string {
  const name = recorder.full(indices);
  const isNegative = recorder.emit('Less', [name, recorder.builder.constant([0], [], 'int64')])[0];
  return recorder.emit('Where', [isNegative, recorder.builder.constant([OUT_OF_RANGE], [], 'int64'), name])[0];
}
