/**
 * The value of a tensor while a function is recorded. It may be held smaller than its TensorFlow.js shape (`shape` here
 * is the held one): ONNX broadcasts, so a scalar stands for a whole tensor of ones until an op truly needs every
 * element.
 */
import type { DataType } from '../onnx/graph.ts';
import type { Shape } from '../tensor.ts';

/** The result of a node, a graph input or a named constant. */
export interface NamedValue {
  readonly kind: 'named';
  readonly name: string;
  readonly type: DataType;
  readonly shape: Shape;
}

/** A tensor with one number everywhere. */
export interface UniformValue {
  readonly kind: 'uniform';
  readonly value: number;
  readonly type: DataType;
  readonly shape: readonly [];
}

/** Numbers known while recording. */
export interface ConstantValue {
  readonly kind: 'constant';
  readonly values: ArrayLike<number>;
  readonly type: DataType;
  readonly shape: Shape;
}

/** The value of a tensor while a function is recorded. */
export type SymbolicValue = NamedValue | UniformValue | ConstantValue;

/** TensorFlow.js's element types that can be recorded. */
export type TensorType = 'float32' | 'int32' | 'bool';

const DATA_TYPES: Readonly<Record<string, DataType>> = { float32: 'float32', int32: 'int64', bool: 'bool' };

/** TensorFlow.js's int32 becomes int64, the type of indices in ONNX. */
export function dataTypeOf(dtype: string): DataType {
  const type = DATA_TYPES[dtype];
  if (type === undefined) throw new TypeError(`dtype ${dtype} cannot be recorded; expected float32, int32 or bool`);
  return type;
}

/** A constant as a value; one repeated number is held as that number. */
export function constantValue(values: ArrayLike<number>, shape: Shape, type: DataType): SymbolicValue {
  const first = values[0];
  if (first === undefined) return { kind: 'constant', values, shape, type };
  for (let i = 1; i < values.length; i++) {
    if (values[i] !== first) return { kind: 'constant', values, shape, type };
  }
  return uniformValue(Number(first), type);
}

/** A tensor of one number as a value. */
export function uniformValue(value: number, type: DataType): UniformValue {
  return { kind: 'uniform', value: type === 'float32' ? Math.fround(value) : value, type, shape: [] };
}
