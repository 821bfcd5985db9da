/** Every kernel rule: what the recorded graph computes, and the gradient where there is one, equals TensorFlow.js run eagerly. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { compile, type TensorFunction } from '../../src/compile/compile.ts';
import { recordableKernels } from '../../src/compile/rule.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { keepTopK } from '../../src/models/keep-top-k.ts';
import { scatterUnique } from '../../src/models/scatter-unique.ts';
import type { Shape } from '../../src/tensor.ts';
import { draw, expectSame, type InputKind, runEagerly, runGraph } from './run-graph.ts';

type Tensors = Record<string, tf.Tensor>;

interface RuleCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputKind>>;
  readonly fn: (inputs: Tensors) => tf.Tensor | tf.Tensor[];
  /** Inputs to differentiate by. */
  readonly by: readonly string[];
  /** False where the first axis cannot be left open. */
  readonly symbolic: boolean;
}

const cases: RuleCase[] = [];

type Options = Partial<Pick<RuleCase, 'by' | 'symbolic'>>;

/** Shapes alone mean normal draws. */
function rule(
  name: string,
  inputs: Readonly<Record<string, Shape | InputKind>>,
  fn: (inputs: Tensors) => tf.Tensor | tf.Tensor[],
  { by = [], symbolic = true }: Options = {},
): void {
  const kinds = Object.entries(inputs).map(([input, kind]): [string, InputKind] => [
    input,
    'shape' in kind ? kind : { shape: kind },
  ]);
  cases.push({ name, inputs: Object.fromEntries(kinds), fn, by, symbolic });
}

const x = { x: [5, 3] };
const positive = { x: { shape: [5, 3], from: 0.1, to: 3 } };
const whole = { shape: [5, 3], dtype: 'int32' } as const;
const truth = { shape: [5, 3], dtype: 'bool' } as const;
const byX = { by: ['x'] };
const byBoth = { by: ['a', 'b'] };

// Element by element.
for (const [op, apply] of Object.entries({
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
})) {
  rule(op, { a: [5, 3], b: [5, 3] }, ({ a, b }) => apply(a!, b!), byBoth);
  // TensorFlow.js's own gradients of the others do not broadcast.
  const spread = ['add', 'sub', 'mul'].includes(op);
  rule(`${op} of a row`, { a: [5, 3], b: [3] }, ({ a, b }) => apply(a!, b!), spread ? byBoth : {});
  rule(`${op} of a column`, { a: [5, 1], b: [5, 3] }, ({ a, b }) => apply(a!, b!), spread ? byBoth : {});
  rule(`${op} of a number`, x, ({ x }) => apply(x!, 0.7), byX);
  rule(`${op} of whole numbers`, { a: whole, b: whole }, ({ a, b }) => apply(a!, b!));
}
rule('div', { a: [5, 3], b: { shape: [5, 3], from: 0.5, to: 2 } }, ({ a, b }) => tf.div(a!, b!), byBoth);
rule('div by a power of two', x, ({ x }) => tf.div(x!, 8), byX);
rule('div by three', x, ({ x }) => tf.div(x!, 3), byX);
rule('a number divided', positive, ({ x }) => tf.div(2, x!), byX);
rule('pow', { a: { shape: [5, 3], from: 0.1, to: 3 }, b: [5, 3] }, ({ a, b }) => tf.pow(a!, b!), byBoth);
rule('pow of a number', positive, ({ x }) => tf.pow(x!, 1.5), byX);
rule('floorDiv', { a: [5, 3], b: { shape: [5, 3], from: 0.5, to: 2 } }, ({ a, b }) =>
  // TensorFlow.js's backends do not agree on its type.
  tf.cast(tf.floorDiv(a!, b!), 'float32'),
);
rule('floorDiv of whole numbers', { a: { ...whole, from: -9, to: 9 }, b: { ...whole, from: 2, to: 5 } }, ({ a, b }) => [
  tf.floorDiv(a!, b!),
  tf.div(a!, tf.neg(b!)),
]);
rule('addN', { a: [5, 3], b: [5, 3], c: [5, 3] }, ({ a, b, c }) => tf.addN([a!, b!, c!]), { by: ['a', 'b', 'c'] });
rule('prelu', { x: [5, 3], slope: [3] }, ({ x, slope }) => tf.prelu(x!, slope!));

for (const [op, apply] of Object.entries({
  abs: tf.abs,
  cos: tf.cos,
  sin: tf.sin,
  elu: tf.elu,
  erf: tf.erf,
  exp: tf.exp,
  neg: tf.neg,
  relu: tf.relu,
  relu6: tf.relu6,
  sigmoid: tf.sigmoid,
  sign: tf.sign,
})) {
  rule(op, x, ({ x }) => apply(x!), byX);
}
for (const [op, apply] of Object.entries({
  softplus: tf.softplus,
  tan: tf.tan,
  tanh: tf.tanh,
  square: tf.square,
  ceil: tf.ceil,
  floor: tf.floor,
  round: tf.round,
  step: tf.step,
  expm1: tf.expm1,
})) {
  rule(op, op === 'tan' ? { x: { shape: [5, 3], from: -1, to: 1 } } : x, ({ x }) => apply(x!), byX);
}
for (const [op, apply] of Object.entries({
  log: tf.log,
  log1p: tf.log1p,
  sqrt: tf.sqrt,
  rsqrt: tf.rsqrt,
  reciprocal: tf.reciprocal,
})) {
  rule(op, positive, ({ x }) => apply(x!), byX);
}
rule('step with a slope', x, ({ x }) => tf.step(x!, -0.3));
rule('leakyRelu', x, ({ x }) => tf.leakyRelu(x!, 0.1));
rule('clipByValue', x, ({ x }) => tf.clipByValue(x!, -0.4, 0.6), byX);
rule('isNaN', { x: { shape: [5, 3], from: -1, to: 1 } }, ({ x }) => tf.isNaN(tf.sqrt(x!)));
rule('round of halves', { x: whole }, ({ x }) => tf.round(tf.div(tf.cast(x!, 'float32'), 2)));
// Where the plain formulas lose every digit, and where the careful ones would overflow.
const tiny = tf.tensor1d([1e-9, -3e-8, 1e-5, -0.4, 0.5, 0.6, 20, 0]);
rule('expm1 of tiny and large numbers', { x: [5, 1] }, ({ x }) => [
  tf.mul(tf.expm1(tf.mul(tiny, tf.onesLike(x!))), tf.tensor1d([1e9, 1e8, 1e5, 1, 1, 1, 1e-9, 1])),
]);
rule('log1p of tiny and large numbers', { x: [5, 1] }, ({ x }) => [
  tf.mul(tf.log1p(tf.mul(tiny, tf.onesLike(x!))), tf.tensor1d([1e9, 1e8, 1e5, 1, 1, 1, 1, 1])),
]);

for (const [op, apply] of Object.entries({
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  equal: tf.equal,
  notEqual: tf.notEqual,
})) {
  rule(op, { a: whole, b: whole }, ({ a, b }) => apply(a!, b!));
  rule(`${op} of a number`, { x: whole }, ({ x }) => apply(tf.cast(x!, 'float32'), 1));
}
rule('logicalAnd', { a: truth, b: truth }, ({ a, b }) => tf.logicalAnd(a!, b!));
rule('logicalOr', { a: truth, b: truth }, ({ a, b }) => tf.logicalOr(a!, b!));
rule('logicalNot', { a: truth }, ({ a }) => tf.logicalNot(a!));
rule('where', { c: truth, a: [5, 3], b: [5, 3] }, ({ c, a, b }) => tf.where(c!, a!, b!));
rule('where of numbers', { c: truth, a: [5, 3] }, ({ c, a }) => tf.where(c!, a!, tf.scalar(-1)));
rule('cast', { a: whole, b: truth, c: { shape: [5, 3], from: -4, to: 4 } }, ({ a, b, c }) => [
  tf.cast(a!, 'float32'),
  tf.cast(b!, 'float32'),
  tf.cast(b!, 'int32'),
  tf.cast(c!, 'int32'),
  tf.cast(c!, 'bool'),
  tf.cast(tf.onesLike(c!), 'int32'),
]);

// Matrix products.
for (const transposeA of [false, true]) {
  for (const transposeB of [false, true]) {
    const flags = `${transposeA ? 'ᵀ' : ''} and ${transposeB ? 'ᵀ' : ''}`;
    const a = transposeA ? [4, 5] : [5, 4];
    const b = transposeB ? [3, 4] : [4, 3];
    const multiply = ({ a, b }: Tensors) => tf.matMul(a!, b!, transposeA, transposeB);
    rule(`matMul of matrices${flags}`, { a, b }, multiply, { ...byBoth, symbolic: false });
    rule(`matMul of batches${flags}`, { a: [5, ...a], b: [5, ...b] }, multiply, byBoth);
    rule(`matMul of a batch with one matrix${flags}`, { a: [5, ...a], b: [1, ...b] }, multiply);
  }
}
rule('a product with a bias', { a: [5, 4], b: [4, 3], c: [3] }, ({ a, b, c }) => tf.add(tf.matMul(a!, b!), c!), {
  by: ['a', 'b', 'c'],
  symbolic: false,
});
rule('einsum', { a: [5, 2, 4], b: [2, 4, 3] }, ({ a, b }) => tf.einsum('bif,ifh->bih', a!, b!), { symbolic: false });

// Reductions.
for (const [op, apply] of Object.entries({ sum: tf.sum, mean: tf.mean, max: tf.max, min: tf.min, prod: tf.prod })) {
  const by = op === 'prod' ? {} : byX;
  // The gradient of a mean over an open axis divides by its length, which a recording cannot know.
  rule(`${op} of everything`, x, ({ x }) => apply(x!), { ...by, symbolic: true });
  rule(`${op} of an axis`, { x: [5, 3, 2] }, ({ x }) => [apply(x!, 1), apply(x!, -1), apply(x!, [0, 2])], by);
  rule(`${op} of an axis, kept`, { x: [5, 3, 2] }, ({ x }) => [apply(x!, 1, true), apply(x!, [0, 2], true)], by);
  rule(`${op} of whole numbers`, { x: whole }, ({ x }) => apply(x!, 1));
  rule(`${op} of a scalar`, { x: [] }, ({ x }) => apply(x!));
}
rule('max of a short axis of long rows', { x: [2, 3, 300] }, ({ x }) => tf.max(x!, 1, true), {
  ...byX,
  symbolic: false,
});
rule(
  'arithmetic and shapes of constants',
  x,
  ({ x }) => {
    const row = tf.tensor([1, -2, 0.3]);
    const scaled = tf.mul(tf.sub(tf.div(row, 3), tf.tensor([[0.5], [2]])), tf.fill([2, 3], 0.7));
    return [
      tf.mul(x!, tf.mul(row, row)),
      tf.mul(tf.expandDims(x!, 1), tf.expandDims(scaled, 0)),
      tf.add(x!, tf.reshape(row, [1, 3])),
    ];
  },
  byX,
);
rule('mean of whole scalars', { x: { shape: [], dtype: 'int32' } }, ({ x }) => tf.mean(x!));
rule('sum of ones', x, ({ x }) => tf.sum(tf.onesLike(x!), 1));
rule('argMax and argMin', { x: [5, 4] }, ({ x }) => [tf.argMax(x!, 1), tf.argMin(x!, 1), tf.argMax(x!, 0)]);
rule('argMax of ties', { x: whole }, ({ x }) => [tf.argMax(x!, 1), tf.argMin(x!, 1)]);
rule('cumsum', x, ({ x }) => [tf.cumsum(x!, 1), tf.cumsum(x!, 1, true), tf.cumsum(x!, 1, false, true)], byX);
rule('cumsum of the first axis', x, ({ x }) => tf.cumsum(x!, 0));
rule('softmax and logSoftmax', x, ({ x }) => [tf.softmax(x!), tf.logSoftmax(x!)], byX);

// By index.
rule('topk', { x: [5, 8] }, ({ x }) => Object.values(tf.topk(x!, 3)));
rule('topk of ties', { x: { shape: [5, 8], dtype: 'int32' } }, ({ x }) => Object.values(tf.topk(x!, 4)));
rule('gather', { x: [5, 4] }, ({ x }) => tf.gather(x!, tf.tensor1d([3, 0, 3], 'int32'), 1), byX);
const rows = tf.tensor2d([3, 0, 4, 3], [2, 2], 'int32');
rule('gather of rows', { x: [5, 4] }, ({ x }) => tf.gather(x!, rows), { ...byX, symbolic: false });
rule('gather from the last axis', { x: [5, 2, 4] }, ({ x }) => tf.gather(x!, tf.tensor1d([3, 1], 'int32'), -1), byX);
rule('gather per sample', { x: [5, 4], i: { shape: [5, 2], dtype: 'int32', from: 0, to: 4 } }, ({ x, i }) =>
  tf.gather(x!, i as tf.Tensor2D, 1, 1),
);
rule(
  'gatherND',
  { x: [5, 4], i: { shape: [3, 2], dtype: 'int32', from: 0, to: 4 } },
  ({ x, i }) => tf.gatherND(x!, i!),
  {
    symbolic: false,
  },
);
rule('oneHot', { i: { shape: [5], dtype: 'int32', from: -2, to: 6 } }, ({ i }) => [
  tf.oneHot(i!, 4),
  tf.oneHot(i!, 4, 2, -1, 'float32'),
]);
rule(
  'unsortedSegmentSum',
  { x: [5, 3], i: { shape: [5], dtype: 'int32', from: -2, to: 3 } },
  ({ x, i }) => tf.unsortedSegmentSum(x!, i as tf.Tensor1D, 3),
  { symbolic: false },
);
rule(
  'scatterUnique and gatherLast',
  { x: [5, 8] },
  ({ x }) => {
    const { indices } = tf.topk(x!, 3);
    return scatterUnique(tf.mul(tf.sum(x!, 1, true), tf.tensor2d([[1, 2, 3]])), indices, 8);
  },
  byX,
);
rule('keepTopK', { x: [5, 8] }, ({ x }) => keepTopK(x!, 3), byX);
rule('keepTopK, several instances', { x: [5, 2, 8] }, ({ x }) => keepTopK(x!, 3), byX);

// Shapes.
rule('reshape', { x: [5, 6] }, ({ x }) => [tf.reshape(x!, [-1, 2, 3]), tf.reshape(x!, [-1]), tf.reshape(x!, [5, -1])], {
  ...byX,
  symbolic: false,
});
rule('reshape to the batch', { x: [5, 6] }, ({ x }) => [tf.reshape(x!, [-1, 3]), tf.reshape(x!, [-1])], byX);
rule('reshape of ones', { x: [5, 6] }, ({ x }) => tf.mul(tf.reshape(tf.onesLike(x!), [-1, 3]), 2));
rule(
  'expandDims and squeeze',
  x,
  ({ x }) => [tf.expandDims(x!, 1), tf.expandDims(x!, -1), tf.squeeze(tf.expandDims(x!), [0])],
  byX,
);
rule('transpose', { x: [5, 3, 2] }, ({ x }) => [tf.transpose(x!), tf.transpose(x!, [1, 0, 2])], byX);
rule('tile', x, ({ x }) => tf.tile(x!, [2, 3]), byX);
rule('tile of one column', { x: [5, 1] }, ({ x }) => tf.add(tf.tile(x!, [1, 4]), 1), byX);
rule('broadcastTo', { x: [3] }, ({ x }) => tf.broadcastTo(x!, [4, 3]), { ...byX, symbolic: false });
rule('stack', { a: [5, 3], b: [5, 3] }, ({ a, b }) => [0, 1, 2, -1].map(axis => tf.stack([a!, b!, a!], axis)), byBoth);
rule('unstack', { x: [5, 3] }, ({ x }) => tf.unstack(x!, 1), byX);
rule('concat', { a: [5, 3], b: [5, 2] }, ({ a, b }) => [tf.concat([a!, b!], 1), tf.concat([a!, b!], -1)], byBoth);
rule('concat with nothing', x, ({ x }) => tf.concat([x!, tf.zeros([5, 0])], 1), { symbolic: false });
rule('split', { x: [5, 6] }, ({ x }) => [...tf.split(x!, 3, 1), ...tf.split(x!, [1, -1], -1)], byX);
rule('slice', { x: [5, 6] }, ({ x }) => [tf.slice(x!, [0, 2], [-1, 3]), tf.slice(x!, [0, 4])], byX);
rule(
  'pad',
  x,
  ({ x }) =>
    tf.pad(x!, [
      [0, 0],
      [2, 1],
    ]),
  byX,
);
rule(
  'pad of the first axis',
  x,
  ({ x }) =>
    tf.pad(
      x!,
      [
        [1, 2],
        [0, 0],
      ],
      3,
    ),
  { ...byX, symbolic: false },
);
rule('fill, zerosLike, onesLike, range', x, ({ x }) => [
  tf.add(x!, tf.fill([1, 3], 2.5)),
  tf.add(x!, tf.zerosLike(x!)),
  tf.mul(x!, tf.onesLike(x!)),
  tf.mul(x!, tf.range(0, 3)),
]);
rule('identity', x, ({ x }) => tf.clone(x!), byX);

/** Outputs y0, y1, …, then the gradient of a sum of them, each entry with a weight of its own. */
function withGradients({ fn, by }: RuleCase): TensorFunction {
  return inputs => {
    const outputs = [fn(inputs)].flat();
    const named = outputs.map((y, i) => [`y${i}`, y] as const);
    if (by.length === 0) return Object.fromEntries(named);
    const loss = (...values: tf.Tensor[]): tf.Scalar => {
      const ys = [fn({ ...inputs, ...Object.fromEntries(by.map((name, i) => [name, values[i]!])) })].flat();
      const terms = ys
        .filter(({ dtype }) => dtype === 'float32')
        .map(y => tf.sum(tf.mul(tf.reshape(y, [-1]), tf.sin(tf.range(1, y.size + 1)))));
      return tf.addN(terms).asScalar();
    };
    const gradients = tf.grads(loss)(by.map(name => inputs[name]!));
    return Object.fromEntries([...named, ...gradients.map((gradient, i) => [`d${by[i]}`, gradient] as const)]);
  };
}

describe('kernel rules', () => {
  const seen = new Set<string>();

  for (const ruleCase of cases) {
    it(ruleCase.name, async () => {
      const random = createRandomSource(7);
      const inputs = Object.fromEntries(
        Object.entries(ruleCase.inputs).map(([name, kind]) => [name, draw(kind, random)]),
      );
      const fn = withGradients(ruleCase);
      const { results, kernels } = await runEagerly(fn, inputs);
      for (const kernel of kernels) seen.add(kernel);
      for (const fixedShapes of [false, true]) {
        const graph = compile(fn, { inputs: ruleCase.inputs, fixedShapes });
        expectSame(await runGraph(graph, inputs), results);
      }
    });
  }

  for (const { name, inputs: kinds, fn } of cases.filter(({ symbolic }) => symbolic)) {
    it(`${name}, for a batch of any size`, async () => {
      const outputs: TensorFunction = inputs => Object.fromEntries([fn(inputs)].flat().map((y, i) => [`y${i}`, y]));
      const isBatched = (shape: Shape): boolean => shape[0] === 5;
      const specs = Object.entries(kinds).map(([input, { shape, ...kind }]) => [
        input,
        { ...kind, shape: isBatched(shape) ? ['batch', ...shape.slice(1)] : shape },
      ]);
      const graph = compile(outputs, { inputs: Object.fromEntries(specs) });
      for (const batch of [1, 5, 8]) {
        const random = createRandomSource(batch);
        const inputs = Object.fromEntries(
          Object.entries(kinds).map(([input, kind]) => {
            const shape = isBatched(kind.shape) ? [batch, ...kind.shape.slice(1)] : kind.shape;
            return [input, draw({ ...kind, shape }, random)];
          }),
        );
        expectSame(await runGraph(graph, inputs), (await runEagerly(outputs, inputs)).results);
      }
    });
  }

  after('every rule was tested', () => {
    if (seen.size === 0) return;
    expect(recordableKernels().filter(kernel => !seen.has(kernel))).to.deep.equal([]);
  });
});
