/** Kernels that reduce axes. */
import type * as tf from '@tensorflow/tfjs';
import type { Shape } from '../../tensor.ts';
import { recorder } from '../recording-backend.ts';
import { defineRule } from '../rule.ts';
import type { TensorType } from '../symbolic-value.ts';

interface ReductionAttributes {
  readonly axis: number | readonly number[] | null | undefined;
  readonly keepDims?: boolean;
}

/** ReduceSum alone takes its axes as an input in opset 17. */
const REDUCTIONS: Readonly<Record<string, { op: string; axesAsInput: boolean }>> = {
  Sum: { op: 'ReduceSum', axesAsInput: true },
  Mean: { op: 'ReduceMean', axesAsInput: false },
  Max: { op: 'ReduceMax', axesAsInput: false },
  Min: { op: 'ReduceMin', axesAsInput: false },
  Prod: { op: 'ReduceProd', axesAsInput: false },
};

for (const [kernel, { op, axesAsInput }] of Object.entries(REDUCTIONS)) {
  defineRule<ReductionAttributes>(kernel, ({ x }, { axis, keepDims = false }) => {
    const axes = positiveAxes(axis, x!.shape.length);
    const shape = reducedShape(x!.shape, axes, keepDims);
    if (axes.length === 0) return recorder.tensor(recorder.value(x!), shape, x!.dtype as TensorType);
    const keepdims = Number(keepDims);
    const [name] = axesAsInput
      ? recorder.emit(op, [recorder.full(x!), recorder.builder.integers(axes)], { keepdims })
      : recorder.emit(op, [recorder.full(x!)], { axes, keepdims });
    return recorder.result(name, shape, x!.dtype as TensorType);
  });
}

for (const [kernel, op] of Object.entries({ ArgMax: 'ArgMax', ArgMin: 'ArgMin' })) {
  defineRule<{ axis: number }>(kernel, ({ x }, attributes) => {
    const axis = positiveAxes(attributes.axis, x!.shape.length)[0]!;
    const [name] = recorder.emit(op, [recorder.full(x!)], { axis, keepdims: 0 });
    return recorder.result(name, reducedShape(x!.shape, [axis], false), 'int32');
  });
}

defineRule<{ axis: number; exclusive: boolean; reverse: boolean }>('Cumsum', ({ x }, { axis, exclusive, reverse }) => {
  const at = recorder.builder.constant(positiveAxes(axis, x!.shape.length), [], 'int64');
  const [name] = recorder.emit('CumSum', [recorder.full(x!), at], {
    exclusive: Number(exclusive),
    reverse: Number(reverse),
  });
  return recorder.result(name, x!.shape, x!.dtype as TensorType);
});

defineRule<{ dim: number }>('Softmax', ({ logits }, { dim }) => lastAxis('Softmax', logits!, dim));
defineRule<{ axis: number }>('LogSoftmax', ({ logits }, { axis }) => lastAxis('LogSoftmax', logits!, axis));

function lastAxis(op: string, x: tf.TensorInfo, axis: number): tf.TensorInfo {
  return recorder.result(recorder.emit(op, [recorder.full(x)], { axis })[0], x.shape, 'float32');
}

/** All axes where none is named; negative ones count from the end. */
function positiveAxes(axis: ReductionAttributes['axis'], rank: number): number[] {
  if (axis === null || axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  return (typeof axis === 'number' ? [axis] : [...axis]).map(a => (a < 0 ? a + rank : a));
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  return keepDims
    ? shape.map((dimension, i) => (axes.includes(i) ? 1 : dimension))
    : shape.filter((_, i) => !axes.includes(i));
}
