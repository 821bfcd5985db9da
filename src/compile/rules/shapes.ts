/** Kernels that rearrange, cut, join, repeat or create tensors. */
import { RecordingError } from '../../errors.ts';
import { type Shape, sameShape, sizeOf } from '../../tensor.ts';
import { EXPANSION_LIMIT, recorder, spreadOver } from '../recording-backend.ts';
import { defineRule } from '../rule.ts';
import { constantValue, dataTypeOf, type SymbolicValue, type TensorType, uniformValue } from '../symbolic-value.ts';

/** ONNX TensorProto.DataType, for Cast. */
const ONNX_TYPES: Readonly<Record<string, number>> = { float32: 1, int64: 7, bool: 9 };

defineRule('Identity', ({ x }) => recorder.tensor(recorder.value(x!), x!.shape, x!.dtype as TensorType));

defineRule<{ dtype: TensorType }>('Cast', ({ x }, { dtype }) => {
  const value = recorder.value(x!);
  if (x!.dtype === dtype) return recorder.tensor(value, x!.shape, dtype);
  const type = dataTypeOf(dtype);
  if (value.kind === 'uniform') {
    const number =
      dtype === 'bool' ? Number(value.value !== 0) : dtype === 'int32' ? Math.trunc(value.value) : value.value;
    return recorder.tensor(uniformValue(number, type), x!.shape, dtype);
  }
  const [name] = recorder.emit('Cast', [recorder.broadcastable(x!)], { to: ONNX_TYPES[type]! });
  return recorder.result(name, x!.shape, dtype, value.shape);
});

/** A constant of the TensorFlow.js shape `from`, in another one; undefined where it is none, or too large to be held whole. */
function reshapedConstant(value: SymbolicValue, from: Shape, shape: Shape): SymbolicValue | undefined {
  if (value.kind !== 'constant') return undefined;
  if (sameShape(value.shape, from)) return { ...value, shape };
  if (value.type !== 'float32' || sizeOf(from) > EXPANSION_LIMIT) return undefined;
  return { ...value, values: spreadOver(value.values, value.shape, from), shape };
}

defineRule<{ shape: number[] }>('Reshape', ({ x }, attributes) => {
  const shape = completeShape(attributes.shape, sizeOf(x!.shape));
  const dtype = x!.dtype as TensorType;
  const value = recorder.value(x!);
  const constant = reshapedConstant(value, x!.shape, shape);
  if (constant) return recorder.tensor(constant, shape, dtype);
  // A scalar broadcasts to anything, whatever shape TensorFlow.js gives it.
  if (sameShape(shape, x!.shape) || value.shape.length === 0) return recorder.tensor(value, shape, dtype);
  const [name] = recorder.emit('Reshape', [recorder.full(x!), recorder.builder.integers(shape)]);
  return recorder.result(name, shape, dtype);
});

defineRule<{ dim: number }>('ExpandDims', ({ input }, { dim }) => {
  const axis = dim < 0 ? input!.shape.length + 1 + dim : dim;
  const shape = input!.shape.toSpliced(axis, 0, 1);
  const dtype = input!.dtype as TensorType;
  const value = recorder.value(input!);
  if (value.shape.length === 0) return recorder.tensor(value, shape, dtype);
  const constant = reshapedConstant(value, input!.shape, shape);
  if (constant) return recorder.tensor(constant, shape, dtype);
  const [name] = recorder.emit('Unsqueeze', [recorder.full(input!), recorder.builder.integers([axis])]);
  return recorder.result(name, shape, dtype);
});

defineRule<{ perm: number[] }>('Transpose', ({ x }, { perm }) => {
  const shape = perm.map(axis => x!.shape[axis]!);
  const dtype = x!.dtype as TensorType;
  const unchanged = perm.every((axis, i) => axis === i) || recorder.value(x!).shape.length === 0;
  if (unchanged) return recorder.tensor(recorder.value(x!), shape, dtype);
  return recorder.result(recorder.emit('Transpose', [recorder.full(x!)], { perm: [...perm] })[0], shape, dtype);
});

defineRule<{ reps: number[] }>('Tile', ({ x }, { reps }) => {
  const shape = x!.shape.map((dimension, i) => dimension * reps[i]!);
  const dtype = x!.dtype as TensorType;
  const value = recorder.value(x!);
  if (value.shape.length === 0) return recorder.tensor(value, shape, dtype);
  // Repeating axes of length 1 is broadcasting: the consumer does it.
  if (x!.shape.every((dimension, i) => dimension === 1 || reps[i] === 1)) return recorder.tensor(value, shape, dtype);
  return recorder.result(recorder.emit('Tile', [recorder.full(x!), recorder.builder.integers(reps)])[0], shape, dtype);
});

defineRule<{ axis: number }>('Pack', (inputs, attributes) => {
  const tensors = Object.values(inputs);
  const first = tensors[0]!;
  const axis = attributes.axis < 0 ? attributes.axis + first.shape.length + 1 : attributes.axis;
  const shape = first.shape.toSpliced(axis, 0, tensors.length);
  const at = recorder.builder.integers([axis]);
  const parts = tensors.map(tensor => recorder.emit('Unsqueeze', [recorder.full(tensor), at])[0]);
  return recorder.result(recorder.emit('Concat', parts, { axis })[0], shape, first.dtype as TensorType);
});

defineRule<{ axis: number }>('Unpack', ({ value }, attributes) => {
  const rank = value!.shape.length;
  const axis = attributes.axis < 0 ? attributes.axis + rank : attributes.axis;
  const count = value!.shape[axis]!;
  const shape = value!.shape.toSpliced(axis, 1);
  const parts = recorder.emit('Split', [recorder.full(value!)], { axis }, count);
  return parts.map(part =>
    recorder.result(
      recorder.emit('Squeeze', [part, recorder.builder.integers([axis])])[0],
      shape,
      value!.dtype as TensorType,
    ),
  );
});

defineRule<{ axis: number }>('Concat', (inputs, attributes) => {
  const tensors = Object.values(inputs).filter(tensor => sizeOf(tensor.shape) > 0);
  const first = tensors[0]!;
  const axis = attributes.axis < 0 ? attributes.axis + first.shape.length : attributes.axis;
  const length = tensors.reduce((sum, tensor) => sum + tensor.shape[axis]!, 0);
  const [name] = recorder.emit(
    'Concat',
    tensors.map(tensor => recorder.full(tensor)),
    { axis },
  );
  return recorder.result(name, first.shape.with(axis, length), first.dtype as TensorType);
});

defineRule<{ numOrSizeSplits: number | number[]; axis: number }>('SplitV', ({ x }, { numOrSizeSplits, axis }) => {
  const at = axis < 0 ? axis + x!.shape.length : axis;
  const total = x!.shape[at]!;
  let sizes =
    typeof numOrSizeSplits === 'number' ? Array(numOrSizeSplits).fill(total / numOrSizeSplits) : numOrSizeSplits;
  const known = sizes.filter(size => size >= 0).reduce((sum, size) => sum + size, 0);
  sizes = sizes.map(size => (size < 0 ? total - known : size));
  const parts = recorder.emit(
    'Split',
    [recorder.full(x!), recorder.builder.integers(sizes)],
    { axis: at },
    sizes.length,
  );
  return parts.map((part, i) => recorder.result(part, x!.shape.with(at, sizes[i]!), x!.dtype as TensorType));
});

defineRule<{ begin: number | number[]; size: number | number[] }>('Slice', ({ x }, attributes) => {
  const begin = [attributes.begin].flat();
  const size = [attributes.size].flat();
  const starts = x!.shape.map((_, i) => begin[i] ?? 0);
  const shape = x!.shape.map((dimension, i) => {
    const length = size[i] ?? -1;
    return length < 0 ? dimension - starts[i]! : length;
  });
  const ends = starts.map((start, i) => start + shape[i]!);
  const axes = shape.map((_, i) => i);
  const indices = [starts, ends, axes].map(list => recorder.builder.integers(list));
  return recorder.result(recorder.emit('Slice', [recorder.full(x!), ...indices])[0], shape, x!.dtype as TensorType);
});

defineRule<{ paddings: [number, number][]; constantValue: number }>(
  'PadV2',
  ({ x }, { paddings, constantValue: fill }) => {
    const pads = recorder.builder.integers([...paddings.map(pair => pair[0]), ...paddings.map(pair => pair[1])]);
    const value = recorder.builder.constant([fill], [], dataTypeOf(x!.dtype));
    const shape = x!.shape.map((dimension, i) => dimension + paddings[i]![0] + paddings[i]![1]);
    const [name] = recorder.emit('Pad', [recorder.full(x!), pads, value], { mode: 'constant' });
    return recorder.result(name, shape, x!.dtype as TensorType);
  },
);

defineRule<{ shape: number[]; value: number; dtype: TensorType | undefined }>('Fill', (_, { shape, value, dtype }) =>
  recorder.tensor(uniformValue(value, dataTypeOf(dtype ?? 'float32')), shape, dtype ?? 'float32'),
);

for (const [kernel, value] of Object.entries({ ZerosLike: 0, OnesLike: 1 })) {
  defineRule(kernel, ({ x }) =>
    recorder.tensor(uniformValue(value, dataTypeOf(x!.dtype)), x!.shape, x!.dtype as TensorType),
  );
}

defineRule<{ start: number; stop: number; step: number; dtype: TensorType }>(
  'Range',
  (_, { start, stop, step, dtype }) => {
    const length = Math.max(0, Math.ceil((stop - start) / step));
    const values = Array.from({ length }, (_unused, i) => start + i * step);
    return recorder.tensor(constantValue(values, [length], dataTypeOf(dtype)), [length], dtype);
  },
);

/** A shape with at most one −1, which takes what is left of `size`. */
function completeShape(shape: Shape, size: number): number[] {
  const unknown = shape.indexOf(-1);
  const complete = unknown < 0 ? [...shape] : shape.with(unknown, size / -sizeOf(shape));
  if (sizeOf(complete) !== size) throw new RecordingError(`cannot reshape ${size} elements to [${shape.join(', ')}]`);
  return complete;
}
