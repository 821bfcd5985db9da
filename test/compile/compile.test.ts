import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { compile, type TensorFunction } from '../../src/compile/compile.ts';
import { nextName, repeatStep } from '../../src/compile/repeat-step.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { RecordingError } from '../../src/errors.ts';
import { scatterUnique } from '../../src/models/scatter-unique.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { hostTensor } from '../../src/tensor.ts';
import { draw, expectSame, runEagerly, runGraph, type Values } from './run-graph.ts';

const opsOf = (graph: Graph): string[] => graph.nodes.map(({ op }) => op);

const numbers = (shape: readonly number[], seed = 1): Values => draw({ shape }, createRandomSource(seed));

describe('compile', () => {
  beforeEach(async () => {
    await tf.setBackend('cpu');
  });

  it("records somebody's own function, a step of logistic regression", async () => {
    const step: TensorFunction = ({ w, b, x, y }) => {
      const loss = (weight: tf.Tensor, bias: tf.Tensor): tf.Scalar => {
        const logits = tf.add(tf.matMul(x!, weight), bias);
        return tf.mean(tf.sub(tf.softplus(logits), tf.mul(logits, y!))).asScalar();
      };
      const { value, grads } = tf.valueAndGrads(loss)([w!, b!]);
      return { loss: value, next_w: tf.sub(w!, tf.mul(grads[0]!, 0.1)), next_b: tf.sub(b!, tf.mul(grads[1]!, 0.1)) };
    };
    const inputs = { w: numbers([4, 1]), b: numbers([1]), x: numbers([32, 4]), y: numbers([32, 1], 2) };
    const graph = compile(step, { inputs: { w: [4, 1], b: [1], x: [32, 4], y: [32, 1] } });
    expectSame(await runGraph(graph, inputs), (await runEagerly(step, inputs)).results);
  });

  it('gives the same bytes for the same function', () => {
    const record = () =>
      encodeModel(compile(({ x }) => ({ y: tf.softmax(tf.mul(x!, 2)) }), { inputs: { x: ['batch', 4] } }));
    expect(record()).to.deep.equal(record());
  });

  it('leaves the batch open', async () => {
    const w = tf.tensor2d([1, -1, 0.5, 2, 0, 3], [2, 3]);
    const fn: TensorFunction = ({ x }) => {
      const y = tf.matMul(x!, w);
      const { values, indices } = tf.topk(y, 2);
      return {
        scattered: scatterUnique(values, indices, 3),
        centred: tf.sub(y, tf.mean(y, 0)),
        total: tf.sum(y),
        joined: tf.concat([y, tf.onesLike(y)], 1),
        flat: tf.reshape(y, [-1]),
      };
    };
    const graph = compile(fn, { inputs: { x: ['batch', 2] } });
    expect(graph.inputs[0]!.shape).to.deep.equal(['batch', 2]);
    expect(graph.outputs.map(({ shape }) => shape)).to.deep.equal([
      ['batch', 3],
      ['batch', 3],
      [],
      ['batch', 6],
      ['3*batch'],
    ]);
    for (const batch of [1, 7, 1000]) {
      const inputs = { x: numbers([batch, 2]) };
      // A sum of 3,000 numbers in another order.
      expectSame(await runGraph(graph, inputs), (await runEagerly(fn, inputs)).results, 1e-5);
    }
  });

  it('leaves two dimensions open, flattened into one and alone', async () => {
    const fn: TensorFunction = ({ x, w }) => {
      const [batch, position, width] = x!.shape as [number, number, number];
      const flat = tf.matMul(tf.reshape(x!, [-1, width]), w!);
      return { y: tf.reshape(flat, [batch, position, 3]), mean: tf.mean(x!, 1), twice: tf.tile(x!, [1, 2, 1]), flat };
    };
    const graph = compile(fn, { inputs: { x: ['batch', 'position', 4], w: [4, 3] } });
    expect(graph.outputs.map(({ shape }) => shape)).to.deep.equal([
      ['batch', 'position', 3],
      ['batch', 4],
      ['batch', '2*position', 4],
      ['batch*position', 3],
    ]);
    for (const [batch, position] of [
      [1, 1],
      [2, 5],
      [97, 3],
    ] as const) {
      const inputs = { x: numbers([batch, position, 4]), w: numbers([4, 3]) };
      expectSame(await runGraph(graph, inputs), (await runEagerly(fn, inputs)).results);
    }
  });

  it('does not confuse the sizes that it tries with dimensions of the model', async () => {
    for (const width of [97, 197]) {
      const fn: TensorFunction = ({ x }) => ({
        y: tf.reshape(tf.add(tf.tile(tf.sum(x!, 1, true), [1, width]), tf.range(0, width)), [-1, width, 1]),
        top: scatterUnique(tf.ones([x!.shape[0]!, 1]), tf.topk(x!, 1).indices, width),
      });
      const graph = compile(fn, { inputs: { x: ['batch', width] } });
      const inputs = { x: numbers([3, width]) };
      expectSame(await runGraph(graph, inputs), (await runEagerly(fn, inputs)).results, 1e-5);
    }
  });

  it('takes weights as initializers and keeps their names', async () => {
    const weight = hostTensor([1, 2, 3, 4], [2, 2]);
    const graph = compile(({ x, W }) => ({ y: tf.matMul(x!, W!) }), {
      inputs: { x: ['batch', 2] },
      constants: { W: weight },
    });
    expect(graph.initializers).to.deep.equal([{ name: 'W', type: 'float32', shape: [2, 2], data: weight.data }]);
    expect(graph.inputs.map(({ name }) => name)).to.deep.equal(['x']);
  });

  it('names tensors inside, gives an input back, and one tensor under two names', async () => {
    const fn: TensorFunction = ({ x }) => {
      const inner = tf.relu(x!);
      return { inner, y: tf.sum(inner, 1), same: inner, x_again: x! };
    };
    const graph = compile(fn, { inputs: { x: ['batch', 3] }, outputs: ['y', 'same', 'x_again'] });
    expect(graph.outputs.map(({ name }) => name)).to.deep.equal(['y', 'same', 'x_again']);
    expect(graph.nodes.find(({ op }) => op === 'Relu')!.outputs).to.deep.equal(['inner']);
    const inputs = { x: numbers([2, 3]) };
    const { inner: _, ...expected } = (await runEagerly(fn, inputs)).results;
    expectSame(await runGraph(graph, inputs), expected);
  });

  it('drops what no output needs, and keeps inputs that nothing reads', () => {
    const graph = compile(
      ({ x }) => {
        tf.exp(x!);
        return { y: tf.relu(x!) };
      },
      { inputs: { x: [2], unused: [3] } },
    );
    expect(opsOf(graph)).to.deep.equal(['Relu']);
    expect(graph.inputs.map(({ name }) => name)).to.deep.equal(['x', 'unused']);
  });
});

describe('the graphs that compile makes', () => {
  it('fold what is one number everywhere', () => {
    const graph = compile(
      ({ x }) => ({
        y: tf.mul(tf.add(x!, tf.zerosLike(x!)), tf.div(tf.onesLike(x!), tf.fill([2, 3], 1))),
        half: tf.mul(x!, tf.sub(tf.onesLike(x!), tf.fill([2, 3], 0.5))),
      }),
      { inputs: { x: [2, 3] } },
    );
    expect(opsOf(graph).sort()).to.deep.equal(['Identity', 'Mul']);
    expect(graph.initializers.map(({ shape, data }) => [shape, ...Array.from(data)])).to.deep.equal([[[], 0.5]]);
  });

  it('add a bias within the matrix product', async () => {
    for (const [transposeA, transposeB] of [
      [false, false],
      [false, true],
      [true, false],
    ]) {
      const inputs = { x: numbers([3, 3]), w: numbers([3, 3], 2), b: numbers([3], 3) };
      const fn: TensorFunction = ({ x, w, b }) => ({
        y: tf.relu(tf.add(b!, tf.matMul(x!, w!, transposeA, transposeB))),
      });
      const graph = compile(fn, { inputs: { x: [3, 3], w: [3, 3], b: [3] } });
      expect(opsOf(graph)).to.deep.equal(['Gemm', 'Relu']);
      expect(graph.nodes[0]!.inputs).to.deep.equal(['x', 'w', 'b']);
      expectSame(await runGraph(graph, inputs), (await runEagerly(fn, inputs)).results);
    }
  });

  it('keep a product without its bias where that is needed too', async () => {
    const fn: TensorFunction = ({ x, b }) => {
      const product = tf.matMul(x!, x!);
      return { y: tf.add(product, b!), z: tf.relu(product), row: tf.add(product, tf.reshape(b!, [3, 1])) };
    };
    const inputs = { x: numbers([3, 3]), b: numbers([3], 3) };
    expectSame(
      await runGraph(compile(fn, { inputs: { x: [3, 3], b: [3] } }), inputs),
      (await runEagerly(fn, inputs)).results,
    );
  });

  it('differentiate |x| by its sign', async () => {
    const graph = compile(({ x }) => ({ d: tf.grad(v => tf.sum(tf.abs(v)))(x!) }), { inputs: { x: [4] } });
    const x: Values = { shape: [4], dtype: 'float32', data: [-2, -0.1, 0.3, 5] };
    expect((await runGraph(graph, { x }))['d']!.data).to.deep.equal([-1, -1, 1, 1]);
  });

  it('run a step many times with its state inside the runtime', async () => {
    const step: TensorFunction = ({ s, x }) => ({ [nextName('s')]: tf.add(tf.mul(s!, 0.5), x!), sum: tf.sum(x!) });
    const graph = compile(step, { inputs: { s: [2], x: [2] }, outputs: [nextName('s'), 'sum'] });
    const repeated = repeatStep(graph, { state: ['s'], perStep: ['x'], stacked: ['sum'] });
    const inputs = { s: numbers([2]), x: numbers([5, 2], 2) };
    let state = Array.from(inputs.s.data);
    const rows = Array.from({ length: 5 }, (_, i) => Array.from(inputs.x.data).slice(2 * i, 2 * i + 2));
    for (const row of rows) state = state.map((value, i) => value * 0.5 + row[i]!);
    expectSame(await runGraph(repeated, inputs), {
      [nextName('s')]: { shape: [2], dtype: 'float32', data: state },
      sum: { shape: [5], dtype: 'float32', data: rows.map(row => row[0]! + row[1]!) },
    });
  });
});

describe('what compile leaves behind', () => {
  beforeEach(async () => {
    await tf.setBackend('cpu');
  });

  it('tensors that the function closes over stay usable', async () => {
    const closed = {
      weight: tf.tensor2d([1, 2, 3, 4], [2, 2]),
      ones: tf.ones([2, 2]),
      index: tf.tensor1d([1, 0], 'int32'),
      flags: tf.tensor1d([true, false], 'bool'),
    };
    const before = await Promise.all(Object.values(closed).map(tensor => tensor.data().then(data => Array.from(data))));
    compile(
      ({ x }) => ({
        y: tf.gather(tf.matMul(tf.add(x!, closed.ones), closed.weight), closed.index, 1),
        z: tf.mul(x!, tf.cast(closed.flags, 'float32')),
      }),
      { inputs: { x: ['batch', 2] } },
    );
    const after = Object.values(closed).map(tensor => Array.from(tensor.dataSync()));
    expect(after).to.deep.equal(before);
    expect(Array.from(tf.matMul(closed.weight, closed.ones).dataSync())).to.deep.equal([3, 3, 7, 7]);
    tf.dispose(closed);
  });

  it('no tensors, and the backend that was chosen, also after a failure', () => {
    const w = tf.tensor1d([1, 2]);
    const before = tf.memory().numTensors;
    const record = (fn: TensorFunction) => compile(fn, { inputs: { x: ['batch', 2] } });
    record(({ x }) => {
      const kept = tf.keep(tf.mul(x!, w));
      const gradient = tf.grad(v => tf.sum(tf.square(tf.mul(v, w))))(x!);
      return { kept, gradient, w };
    });
    expect(() => record(({ x }) => ({ y: tf.grad(v => tf.atan2(v, v))(x!) }))).to.throw(RecordingError);
    expect(() =>
      record(() => {
        throw new Error('mine');
      }),
    ).to.throw('mine');
    expect(() => record(({ x }) => ({ y: tf.grad(v => tf.sum(tf.add(v, v.dataSync()[0]!)))(x!) }))).to.throw(
      RecordingError,
    );
    expect(tf.memory().numTensors).to.equal(before);
    expect(tf.getBackend()).to.equal('cpu');
    expect(
      Array.from(
        tf
          .grad(v => tf.sum(tf.square(v)))(w)
          .dataSync(),
      ),
    ).to.deep.equal([2, 4]);
    tf.dispose(w);
  });
});

describe('what cannot be recorded', () => {
  const record =
    (fn: TensorFunction, batch: 'batch' | 3 = 3) =>
    () =>
      compile(fn, { inputs: { x: [batch, 2] } });

  it('a kernel without a rule is named', () => {
    expect(record(({ x }) => ({ y: tf.atan2(x!, x!) }))).to.throw(RecordingError, '"Atan2" has no ONNX rule');
    expect(record(({ x }) => ({ y: tf.complex(x!, x!) }))).to.throw();
  });

  it('a value that is read says what to do instead', () => {
    const message = /read while recording.*tf\.where/;
    expect(record(({ x }) => ({ y: tf.scalar(tf.sum(x!).dataSync()[0]!) }))).to.throw(RecordingError, message);
    expect(record(({ x }) => ({ y: tf.scalar(Math.max(...(x!.arraySync() as number[][]).flat())) }))).to.throw(message);
  });

  it('a constant that depends on an open dimension', () => {
    const message = /depends on the size of batch/;
    expect(record(({ x }) => ({ y: tf.div(tf.sum(x!, 0), x!.shape[0]!) }), 'batch')).to.throw(RecordingError, message);
    expect(record(({ x }) => ({ y: tf.range(0, x!.shape[0]!) }), 'batch')).to.throw(message);
    expect(record(({ x }) => ({ y: tf.range(0, x!.shape[0]!, 1, 'int32') }), 'batch')).to.throw(message);
    expect(record(({ x }) => ({ y: tf.leakyRelu(x!, 1 / x!.shape[0]!) }), 'batch')).to.throw('another path');
    expect(record(({ x }) => ({ y: x!.shape[0]! > 150 ? tf.relu(x!) : tf.abs(x!) }), 'batch')).to.throw('another path');
    expect(
      record(
        ({ x }) => ({
          y: tf.pad(x!, [
            [1, 0],
            [0, 0],
          ]),
        }),
        'batch',
      ),
    ).to.throw('no multiple');
  });

  it('a sum over repeated indices, which ONNX Runtime gets wrong', () => {
    const index = tf.tensor2d([0, 0], [2, 1], 'int32');
    expect(record(({ x }) => ({ y: tf.scatterND(index, tf.slice(x!, 0, 2), [3, 2]) }))).to.throw(
      RecordingError,
      'scatterUnique',
    );
    const many = tf.zeros([9000], 'int32') as tf.Tensor1D;
    const rows = ({ x }: Record<string, tf.Tensor>) => ({
      y: tf.unsortedSegmentSum(tf.tile(x!, [3000, 1]), many, 2000),
    });
    expect(record(rows)).to.throw(RecordingError, 'too large');
  });

  it('a recording within a recording', () => {
    const inner = record(({ x }) => ({ y: tf.relu(x!) }));
    const outer = record(({ x }) => {
      inner();
      return { y: x! };
    });
    expect(outer).to.throw(RecordingError, 'record the inner function first');
    expect(inner).to.not.throw();
  });

  it('names that mean two things, and outputs that are not there', () => {
    expect(record(({ x }) => ({ x: tf.relu(x!) }))).to.throw(RecordingError, '"x" is both');
    expect(() => compile(({ Relu_0 }) => ({ y: tf.abs(tf.relu(Relu_0!)) }), { inputs: { Relu_0: [2] } })).to.throw(
      RecordingError,
      '"Relu_0" names two tensors',
    );
    expect(() =>
      compile(({ x }) => ({ y: x! }), { inputs: { x: [2] }, constants: { x: hostTensor([1], [1]) } }),
    ).to.throw('"x" is both an input and a constant');
    expect(() => compile(({ x }) => ({ y: x! }), { inputs: { x: [2] }, outputs: ['z'] })).to.throw(
      'the function gave no "z"; it gave y',
    );
    expect(record(() => ({}))).to.throw(RecordingError, 'gave no tensors');
  });

  it('more open dimensions than can be told apart', () => {
    const inputs = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map(name => [name, [name]]));
    expect(() => compile(({ a }) => ({ y: a! }), { inputs })).to.throw(RecordingError, 'at most 4');
  });
});
