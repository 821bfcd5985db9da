/** Kernels that reduce axes. */
import { type Shape, sizeOf } from '../../tensor.ts';
import { recorder } from '../recording-backend.ts';
import { defineRule } from '../rule.ts';
import type { TensorType } from '../symbolic-value.ts';

type Axes = number | readonly number[] | null | undefined;

/** Max and Min call their axes otherwise. */
interface ReductionAttributes {
  readonly axis?: Axes;
  readonly reductionIndices?: Axes;
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
  defineRule<ReductionAttributes>(kernel, ({ x }, { axis, reductionIndices = axis, keepDims = false }) => {
    const axes = positiveAxes(reductionIndices, x!.shape.length);
    const shape = reducedShape(x!.shape, axes, keepDims);
    // A mean of integers is no integer.
    const isWhole = kernel === 'Mean' && x!.dtype !== 'float32';
    const dtype = isWhole ? 'float32' : (x!.dtype as TensorType);
    if (axes.length === 0 && !isWhole) return recorder.tensor(recorder.value(x!), shape, dtype);
    const input = isWhole ? recorder.emit('Cast', [recorder.full(x!)], { to: 1 })[0] : recorder.full(x!);
    if (axes.length === 0) return recorder.result(input, shape, dtype);
    const [only, ...further] = axes as [number, ...number[]];
    if (kernel === 'Max' && keepDims && further.length === 0 && isShortAxis(x!.shape, only)) {
      return recorder.result(largestOf(input, x!.shape[only]!, only), shape, dtype);
    }
    const keepdims = Number(keepDims);
    const [name] = axesAsInput
      ? recorder.emit(op, [input, recorder.builder.integers(axes)], { keepdims })
      : recorder.emit(op, [input], { axes, keepdims });
    return recorder.result(name, shape, dtype);
  });
}

/** Over up to this many entries, ONNX Runtime compares whole rows in less time than it reduces. */
const SHORT_AXIS = 8;
/** Shorter rows gain nothing from this. */
const LONG_ROW = 256;

/** Whether `axis` is short and rows along the axes after it are long. */
function isShortAxis(shape: Shape, axis: number): boolean {
  if (!recorder.options.fixedShapes) return false;
  return shape[axis]! > 1 && shape[axis]! <= SHORT_AXIS && sizeOf(shape.slice(axis + 1)) >= LONG_ROW;
}

/** The largest of each `size` entries along `axis`, which is kept: rows of 2,048 in a fifth of ReduceMax's time. */
function largestOf(input: string, size: number, axis: number): string {
  const lengths = recorder.builder.integers(Array<number>(size).fill(1));
  const rows = recorder.emit('Split', [input, lengths], { axis }, size);
  return recorder.emit('Max', rows)[0];
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

defineRule<{ dim: number }>('Softmax', ({ logits }, { dim }) =>
  recorder.result(recorder.emit('Softmax', [recorder.full(logits!)], { axis: dim })[0], logits!.shape, 'float32'),
);

/** The axes as positive numbers; all axes where none is named. */
function positiveAxes(axis: Axes, rank: number): number[] {
  if (axis === null || axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  return (typeof axis === 'number' ? [axis] : [...axis]).map(a => (a < 0 ? a + rank : a));
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  return keepDims
    ? shape.map((dimension, i) => (axes.includes(i) ? 1 : dimension))
    : shape.filter((_, i) => !axes.includes(i));
}
