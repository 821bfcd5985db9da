import { expect } from 'chai';
import { InvalidValueError } from '../../src/errors.ts';
import { analyseCut, cutModel } from '../../src/onnx/cut.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { describeModel } from '../../src/onnx/inspect.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { openSession } from '../../src/sessions/session.ts';

const value = (name: string) => ({ name, type: 'float32', shape: ['n'] }) as const;
const scalar = (name: string, number: number) => ({ name, type: 'float32', shape: [], data: [number] }) as const;

/** f = 2 x + u; y = 3 f + s, where s = 5 x goes around f; z = 7 x alone. */
const graph: Graph = {
  name: 'whole',
  nodes: [
    { op: 'Mul', inputs: ['x', 'two'], outputs: ['x2'], attributes: {} },
    { op: 'Add', inputs: ['x2', 'u'], outputs: ['f'], attributes: {} },
    { op: 'Mul', inputs: ['x', 'five'], outputs: ['s'], attributes: {} },
    { op: 'Mul', inputs: ['f', 'three'], outputs: ['f3'], attributes: {} },
    { op: 'Add', inputs: ['f3', 's'], outputs: ['y'], attributes: {} },
    { op: 'Mul', inputs: ['x', 'seven'], outputs: ['z'], attributes: {} },
  ],
  initializers: [scalar('two', 2), scalar('three', 3), scalar('five', 5), scalar('seven', 7)],
  inputs: [value('x'), value('u')],
  outputs: [value('y'), value('z')],
};
const model = readModel(encodeModel(graph, { key: 'kept' }));

async function run(bytes: Uint8Array, feeds: Record<string, number>): Promise<Record<string, number>> {
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, bytes, { provider: 'cpu' });
  const tensors = Object.entries(feeds).map(([name, number]) => [
    name,
    new runtime.ort.Tensor('float32', [number], [1]),
  ]);
  const results = await session.run(Object.fromEntries(tensors));
  await session.dispose();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Number(data[0])]));
}

describe('onnx: cutting', () => {
  it('keeps what lies between the tensors, and computes the same', async () => {
    const encoder = cutModel(model, { inputs: ['x', 'u'], outputs: ['f'] });
    expect(await run(encoder, { x: 10, u: 1 })).to.deep.equal({ f: 21 });
    const decoder = cutModel(model, { inputs: ['f', 's'], outputs: ['y'] });
    expect(await run(decoder, { f: 21, s: 50 })).to.deep.equal({ y: 113 });
    const whole = cutModel(model, { inputs: ['x', 'u'], outputs: ['f', 'y'] });
    expect(await run(whole, { x: 10, u: 1 })).to.deep.equal({ f: 21, y: 113 });
  });

  it('drops nodes, initializers and inputs that nobody needs', () => {
    const part = describeModel(readModel(cutModel(model, { inputs: ['x', 'u', 'f'], outputs: ['f3', 'z'] })));
    expect(part.inputs.map(({ name }) => name)).to.deep.equal(['x', 'f']);
    expect(part.outputs.map(({ name }) => name)).to.deep.equal(['f3', 'z']);
    expect(part.initializers.map(({ name }) => name)).to.deep.equal(['three', 'seven']);
    expect(part.nodeCount).to.equal(2);
    expect(part.metadata.properties).to.deep.equal({ key: 'kept' });
  });

  it('says which inputs the outputs need beside those given', () => {
    expect(analyseCut(model, { inputs: ['f'], outputs: ['y'] })).to.deep.equal({ used: ['f'], missing: ['x'] });
    expect(analyseCut(model, { inputs: ['f', 's'], outputs: ['y'] })).to.deep.equal({ used: ['f', 's'], missing: [] });
    expect(() => cutModel(model, { inputs: ['f'], outputs: ['y'] })).to.throw(InvalidValueError, 'y need x beside f');
    expect(() => cutModel(model, { inputs: ['q'], outputs: ['y'] })).to.throw(InvalidValueError, 'no tensor named q');
  });

  it('keeps what a subgraph takes from outside', async () => {
    const branch = (name: string, from: string): Graph => ({
      name,
      nodes: [{ op: 'Mul', inputs: [from, from], outputs: [`${name}_out`], attributes: {} }],
      initializers: [],
      inputs: [],
      outputs: [value(`${name}_out`)],
    });
    const conditional: Graph = {
      ...graph,
      nodes: [
        ...graph.nodes,
        {
          op: 'If',
          inputs: ['yes'],
          outputs: ['w'],
          attributes: { then_branch: { graph: branch('a', 'f3') }, else_branch: { graph: branch('b', 's') } },
        },
      ],
      initializers: [...graph.initializers, { name: 'yes', type: 'bool', shape: [], data: [1] }],
      outputs: [value('w')],
    };
    const part = cutModel(readModel(encodeModel(conditional)), { inputs: ['f', 's'], outputs: ['w'] });
    expect(await run(part, { f: 2, s: 1 })).to.deep.equal({ w: 36 });
  });
});
