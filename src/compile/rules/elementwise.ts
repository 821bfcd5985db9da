/** Kernels that work element by element, with broadcasting. Arithmetic of constants is done while recording. */
import type * as tf from '@tensorflow/tfjs';
import { type Shape, sameShape, sizeOf } from '../../tensor.ts';
import { broadcastShape, EXPANSION_LIMIT, recorder, spreadOver } from '../recording-backend.ts';
import { defineRule } from '../rule.ts';
import {
  type ConstantValue,
  constantValue,
  type SymbolicValue,
  type TensorType,
  type UniformValue,
  uniformValue,
} from '../symbolic-value.ts';

type Arithmetic = (x: number, y: number) => number;

interface BinaryOp {
  readonly op: string;
  readonly fold?: Arithmetic;
  /** A uniform operand that leaves the other one as it is; on the right only unless `commutes`. */
  readonly neutral?: number;
  readonly commutes?: boolean;
}

const ARITHMETIC: Readonly<Record<string, BinaryOp>> = {
  Add: { op: 'Add', fold: (x, y) => x + y, neutral: 0, commutes: true },
  Sub: { op: 'Sub', fold: (x, y) => x - y, neutral: 0 },
  Multiply: { op: 'Mul', fold: (x, y) => x * y, neutral: 1, commutes: true },
  RealDiv: { op: 'Div', fold: (x, y) => x / y, neutral: 1 },
  Pow: { op: 'Pow', fold: (x, y) => x ** y, neutral: 1 },
  Maximum: { op: 'Max', fold: Math.max, commutes: true },
  Minimum: { op: 'Min', fold: Math.min, commutes: true },
};

const COMPARISONS: Readonly<Record<string, string>> = {
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
  Equal: 'Equal',
  LogicalAnd: 'And',
  LogicalOr: 'Or',
};

const UNARY: Readonly<Record<string, string>> = {
  Abs: 'Abs',
  Ceil: 'Ceil',
  Cos: 'Cos',
  Elu: 'Elu',
  Erf: 'Erf',
  Exp: 'Exp',
  Floor: 'Floor',
  IsNan: 'IsNaN',
  Log: 'Log',
  LogicalNot: 'Not',
  Neg: 'Neg',
  Reciprocal: 'Reciprocal',
  Relu: 'Relu',
  Round: 'Round',
  Sigmoid: 'Sigmoid',
  Sign: 'Sign',
  Sin: 'Sin',
  Softplus: 'Softplus',
  Sqrt: 'Sqrt',
  Tan: 'Tan',
  Tanh: 'Tanh',
};

/** Kernels whose result has another type than their operand. */
const UNARY_TYPES: Readonly<Record<string, TensorType>> = { IsNan: 'bool', LogicalNot: 'bool' };

/** Below this last dimension ONNX Runtime's broadcasting costs 2–4.5 ns an element, more than reading an expanded constant. */
const SHORT_AXIS = 64;

for (const [kernel, binary] of Object.entries(ARITHMETIC)) {
  defineRule(kernel, ({ a, b }) => recordArithmetic(binary, a!, b!));
}

for (const [kernel, op] of Object.entries(COMPARISONS)) {
  defineRule(kernel, ({ a, b }) => recordBinary(op, a!, b!, 'bool'));
}

defineRule('NotEqual', ({ a, b }) => {
  const equal = recordBinary('Equal', a!, b!, 'bool');
  return recorder.result(recorder.emit('Not', [recorder.broadcastable(equal)])[0], equal.shape, 'bool', held(equal));
});

for (const [kernel, op] of Object.entries(UNARY)) {
  defineRule(kernel, ({ x }) => recordUnary(op, x!, UNARY_TYPES[kernel] ?? (x!.dtype as TensorType)));
}

defineRule('Square', ({ x }) => {
  const name = recorder.broadcastable(x!);
  return recorder.result(recorder.emit('Mul', [name, name])[0], x!.shape, x!.dtype as TensorType, held(x!));
});

defineRule('Rsqrt', ({ x }) => recordUnary('Reciprocal', recordUnary('Sqrt', x!, 'float32'), 'float32'));

/** eˣ − 1 = (u − 1) x / log u for u = eˣ, which keeps the digits that the difference loses near 0 (Kahan). */
defineRule('Expm1', ({ x }) => {
  const u = recordUnary('Exp', x!, 'float32');
  const difference = recordArithmetic(ARITHMETIC['Sub']!, u, scalar(1));
  const ratio = recordArithmetic(ARITHMETIC['RealDiv']!, x!, recordUnary('Log', u, 'float32'));
  const exact = recordArithmetic(ARITHMETIC['Multiply']!, difference, ratio);
  return chooseNearZero(x!, exact, difference, u);
});

/** log(1 + x) = x · log u / (u − 1) for u = 1 + x, likewise. */
defineRule('Log1p', ({ x }) => {
  const u = recordArithmetic(ARITHMETIC['Add']!, x!, scalar(1));
  const log = recordUnary('Log', u, 'float32');
  const ratio = recordArithmetic(ARITHMETIC['RealDiv']!, x!, recordArithmetic(ARITHMETIC['Sub']!, u, scalar(1)));
  return chooseNearZero(x!, recordArithmetic(ARITHMETIC['Multiply']!, log, ratio), log, u);
});

defineRule('Relu6', ({ x }) => clip(x!, 0, 6));
defineRule<{ clipValueMin: number; clipValueMax: number }>('ClipByValue', ({ x }, { clipValueMin, clipValueMax }) =>
  clip(x!, clipValueMin, clipValueMax),
);
defineRule<{ alpha: number }>('LeakyRelu', ({ x }, { alpha }) =>
  recorder.result(
    recorder.emit('LeakyRelu', [recorder.broadcastable(x!)], { alpha: { float: alpha } })[0],
    x!.shape,
    'float32',
    held(x!),
  ),
);

defineRule('SquaredDifference', ({ a, b }) => {
  const difference = recordArithmetic(ARITHMETIC['Sub']!, a!, b!);
  return recordArithmetic(ARITHMETIC['Multiply']!, difference, difference);
});

defineRule('FloorDiv', ({ a, b }) => {
  if (a!.dtype !== 'int32') return recordUnary('Floor', recordBinary('Div', a!, b!, 'float32'), 'float32');
  // ONNX divides integers towards zero; its Mod has the divisor's sign, so that this division has no remainder.
  const multiple = recordBinary('Sub', a!, recordBinary('Mod', a!, b!, 'int32'), 'int32');
  return recordBinary('Div', multiple, b!, 'int32');
});

defineRule('Prelu', ({ x, alpha }) =>
  recorder.result(recorder.emit('PRelu', [recorder.full(x!), recorder.broadcastable(alpha!)])[0], x!.shape, 'float32'),
);

/** Elu's gradient, from its result y: 1 where y ≥ 0, y + 1 elsewhere. */
defineRule('EluGrad', ({ dy, y }) => {
  const slope = recordArithmetic(
    ARITHMETIC['Add']!,
    recordArithmetic(ARITHMETIC['Minimum']!, y!, scalar(0)),
    scalar(1),
  );
  return recordArithmetic(ARITHMETIC['Multiply']!, dy!, slope);
});

/** 1 where x > 0, `alpha` elsewhere: Abs's gradient is Step with alpha −1. */
defineRule<{ alpha: number }>('Step', ({ x }, { alpha }) => {
  const positive = recorder.emit('Greater', [recorder.broadcastable(x!), floatConstant(0)])[0];
  const [name] = alpha
    ? recorder.emit('Where', [positive, floatConstant(1), floatConstant(alpha)])
    : recorder.emit('Cast', [positive], { to: 1 });
  return recorder.result(name, x!.shape, 'float32', held(x!));
});

defineRule('Select', ({ condition, t, e }) => {
  const [name] = recorder.emit('Where', [condition!, t!, e!].map(recorder.broadcastable, recorder));
  const shape = broadcastShape(held(condition!), broadcastShape(held(t!), held(e!)));
  return recorder.result(name, t!.shape, t!.dtype as TensorType, shape);
});

defineRule('AddN', inputs => {
  const [first, ...rest] = Object.values(inputs) as [tf.TensorInfo, ...tf.TensorInfo[]];
  // A tensor of its own also where there is one term: an output that is its input would count twice in gradients.
  const start = recorder.tensor(recorder.value(first), first.shape, first.dtype as TensorType);
  return rest.reduce((sum, term) => recordArithmetic(ARITHMETIC['Add']!, sum, term), start);
});

function held(tensor: tf.TensorInfo): Shape {
  return recorder.value(tensor).shape;
}

function floatConstant(value: number): string {
  return recorder.builder.constant([value], [], 'float32');
}

function scalar(value: number): tf.TensorInfo {
  return recorder.tensor(uniformValue(value, 'float32'), [], 'float32');
}

function clip(x: tf.TensorInfo, low: number, high: number): tf.TensorInfo {
  const [name] = recorder.emit('Clip', [recorder.broadcastable(x), floatConstant(low), floatConstant(high)]);
  return recorder.result(name, x.shape, 'float32', held(x));
}

/** x itself where u = 1 hides it, `exact` where |x| ≤ ½, else `plain`, which does not overflow where `exact` would. */
function chooseNearZero(x: tf.TensorInfo, exact: tf.TensorInfo, plain: tf.TensorInfo, u: tf.TensorInfo): tf.TensorInfo {
  const isSmall = recordBinary('LessOrEqual', recordUnary('Abs', x, 'float32'), scalar(0.5), 'bool');
  const isHidden = recordBinary('Equal', u, scalar(1), 'bool');
  const inner = recorder.emit('Where', [isSmall, exact, plain].map(recorder.broadcastable, recorder))[0];
  const [name] = recorder.emit('Where', [recorder.broadcastable(isHidden), recorder.broadcastable(x), inner]);
  return recorder.result(name, x.shape, 'float32', held(x));
}

function recordUnary(op: string, x: tf.TensorInfo, dtype: TensorType): tf.TensorInfo {
  return recorder.result(recorder.emit(op, [recorder.broadcastable(x)])[0], x.shape, dtype, held(x));
}

function recordBinary(op: string, a: tf.TensorInfo, b: tf.TensorInfo, dtype: TensorType): tf.TensorInfo {
  const [name] = recorder.emit(op, [recorder.broadcastable(a), recorder.broadcastable(b)]);
  return recorder.result(name, broadcastShape(a.shape, b.shape), dtype, broadcastShape(held(a), held(b)));
}

function recordArithmetic(binary: BinaryOp, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo {
  const { op, fold, neutral, commutes = false } = binary;
  const [left, right] = [recorder.value(a), recorder.value(b)];
  const shape = broadcastShape(a.shape, b.shape);
  const dtype = a.dtype as TensorType;
  if (left.kind !== 'named' && right.kind !== 'named' && fold && dtype === 'float32') {
    return recorder.tensor(folded(fold, left, right), shape, dtype);
  }
  if (neutral !== undefined) {
    if (right.kind === 'uniform' && right.value === neutral) return recorder.tensor(left, shape, dtype);
    if (commutes && left.kind === 'uniform' && left.value === neutral) return recorder.tensor(right, shape, dtype);
  }
  if (op === 'Add') {
    const fused = fuseBias(left, right, shape) ?? fuseBias(right, left, shape);
    if (fused) return recorder.result(fused, shape, dtype);
  }
  if (op === 'Div' && right.kind === 'uniform' && dtype === 'float32' && isPowerOfTwo(right.value)) {
    const [name] = recorder.emit('Mul', [recorder.builder.nameOf(left), floatConstant(1 / right.value)]);
    return recorder.result(name, shape, dtype, left.shape);
  }
  const [x, y] = [expanded(left, right.shape), expanded(right, left.shape)];
  const [name] = recorder.emit(op, [recorder.builder.nameOf(x), recorder.builder.nameOf(y)]);
  return recorder.result(name, shape, dtype, broadcastShape(x.shape, y.shape));
}

/** Arithmetic done now, in float32 as the graph would do it. */
function folded(
  fold: Arithmetic,
  left: UniformValue | ConstantValue,
  right: UniformValue | ConstantValue,
): SymbolicValue {
  if (left.kind === 'uniform' && right.kind === 'uniform') {
    return uniformValue(fold(left.value, right.value), left.type);
  }
  const shape = broadcastShape(left.shape, right.shape);
  const [x, y] = [left, right].map(value =>
    value.kind === 'uniform' ? spreadOver([value.value], [], shape) : spreadOver(value.values, value.shape, shape),
  ) as [Float32Array, Float32Array];
  return constantValue(
    x.map((value, i) => fold(value, y[i]!)),
    shape,
    'float32',
  );
}

/** Exact as a product: the reciprocal of a power of two has no rounding. */
function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value)) && Math.abs(Math.log2(value)) < 126;
}

/** x W + b as one Gemm, where `product` is a matrix product without a bias and `bias` a row. */
function fuseBias(product: SymbolicValue, bias: SymbolicValue, shape: Shape): string | undefined {
  if (product.kind !== 'named' || bias.shape.length !== 1 || shape.length !== 2) return undefined;
  if (!sameShape(product.shape, shape) || bias.shape[0] !== shape[1]) return undefined;
  const producer = recorder.builder.producerOf(product.name);
  if (producer?.inputs.length !== 2 || !['Gemm', 'MatMul'].includes(producer.op)) return undefined;
  return recorder.emit('Gemm', [...producer.inputs, recorder.builder.nameOf(bias)], producer.attributes)[0];
}

/** Spreads a constant over the other operand once, while recording, where broadcasting it at each run would cost more. */
const expansions = new WeakMap<SymbolicValue, Map<string, SymbolicValue>>();

function expanded(value: SymbolicValue, other: Shape): SymbolicValue {
  const shape = broadcastShape(value.shape, other);
  if (!recorder.options.fixedShapes || value.kind !== 'constant' || value.type !== 'float32') return value;
  if (sameShape(value.shape, shape) || !sameShape(other, shape)) return value;
  if (sizeOf(shape) > EXPANSION_LIMIT || shape.at(-1)! >= SHORT_AXIS) return value;
  const known = expansions.get(value) ?? new Map<string, SymbolicValue>();
  expansions.set(value, known);
  let result = known.get(shape.join());
  if (!result) {
    result = { kind: 'constant', values: spreadOver(value.values, value.shape, shape), shape, type: 'float32' };
    known.set(shape.join(), result);
  }
  return result;
}
