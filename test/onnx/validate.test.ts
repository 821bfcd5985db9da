import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import type { AttributeMessage, GraphMessage, ModelMessage, NodeMessage, TensorMessage } from '../../src/onnx/proto.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { readModel } from '../../src/onnx/read.ts';

const value = (name: string, ...dimensions: number[]) => ({
  name,
  type: { tensorType: { elemType: 1, shape: { dim: dimensions.map(dimValue => ({ dimValue })) } } },
});
const node = (opType: string, input: string[], output: string[], ...attribute: AttributeMessage[]): NodeMessage => ({
  opType,
  input,
  output,
  attribute,
});
const constant = (tensor: TensorMessage): TensorMessage => ({ name: 'c', dataType: 1, ...tensor });
const int64 = (name: string, dims: number[], ...values: number[]): TensorMessage => ({
  name,
  dims,
  dataType: 7,
  rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

const sum = node('Add', ['x', 'c'], ['y']);
const c = constant({ dims: [2], rawData: new Uint8Array(8) });

/** y = x + c, both [2], with parts replaced. */
function model(graph: GraphMessage = {}, message: ModelMessage = {}): Uint8Array {
  const whole: ModelMessage = {
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: { name: 'sum', node: [sum], initializer: [c], input: [value('x', 2)], output: [value('y', 2)], ...graph },
    ...message,
  };
  return onnx.ModelProto.encode(onnx.ModelProto.fromObject(whole)).finish();
}

const ifNode = (branch: GraphMessage, output: string): NodeMessage =>
  node('If', ['x'], [output], { name: 'then_branch', type: 5, g: { name: 'branch', ...branch } });

describe('onnx: validation', () => {
  it('accepts a sound model, nodes in any order, and initializers that IR 3 lists as inputs', () => {
    expect(readModel(model()).proto.graph.name).to.equal('sum');
    readModel(model({ node: [node('Relu', ['y'], ['z']), sum], output: [value('z', 2)] }));
    readModel(model({ input: [value('x', 2), value('c', 2)] }));
  });

  const graphs: Record<string, [GraphMessage, string]> = {
    'no outputs': [{ output: [] }, 'has no outputs'],
    'too few bytes': [
      { initializer: [constant({ dims: [2], rawData: new Uint8Array(7) })] },
      'has 7 bytes; float32 of the shape [2] takes 8',
    ],
    'too few values': [{ initializer: [constant({ dims: [2], floatData: [1] })] }, 'has 1 values'],
    'a negative dimension': [{ initializer: [constant({ dims: [-2] })] }, 'a dimension of -2'],
    'absurd dimensions': [{ initializer: [constant({ dims: [2 ** 40, 2 ** 40] })] }, 'absurd'],
    'absurd dimensions beside a zero': [{ initializer: [constant({ dims: [0, 2 ** 60] })] }, 'absurd'],
    'absurd inputs': [{ input: [value('x', 2 ** 31, 2 ** 31)] }, 'absurd'],
    'an unknown element type': [
      { initializer: [constant({ dims: [2], dataType: 77, rawData: new Uint8Array(8) })] },
      'element type 77',
    ],
    'sparse initializers': [{ sparseInitializer: [{ dims: [2] }] }, 'sparse initializers'],
    'a name defined twice': [{ node: [sum, node('Relu', ['x'], ['y'])] }, 'tensor y is defined twice'],
    'an initializer twice': [{ initializer: [c, c] }, 'initializer c is defined twice'],
    'a name that nothing defines': [{ node: [node('Add', ['x', 'd'], ['y'])] }, 'reads d, which nothing defines'],
    'an output that nothing defines': [{ output: [value('z', 2)] }, 'output z is defined by nothing'],
    'a node without an operator': [{ node: [node('', ['x', 'c'], ['y'])] }, 'has no operator'],
    'a cycle': [
      { node: [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['a'], ['y'])] },
      'has a cycle through the node Add',
    ],
    'a cycle through a subgraph': [
      { node: [ifNode({ node: [node('Relu', ['y'], ['inner'])], output: [value('inner', 2)] }, 'y')] },
      'has a cycle',
    ],
    'an unsound tensor in a subgraph': [
      { node: [sum, ifNode({ initializer: [constant({ name: 'k', dims: [3] })], output: [value('k', 3)] }, 'z')] },
      'initializer k has 0 values',
    ],
    'an attribute stored outside': [
      {
        node: [
          sum,
          node('Constant', [], ['z'], { name: 'value', type: 4, t: constant({ dims: [1], dataLocation: 1 }) }),
        ],
      },
      'stored outside the file',
    ],
    'a constant of absurd size': [
      {
        initializer: [c, int64('shape', [2], 2 ** 30, 2 ** 20)],
        node: [sum, node('ConstantOfShape', ['shape'], ['z'])],
      },
      'absurd',
    ],
    'constants that are absurd together': [
      {
        initializer: [c, int64('shape', [2], 2 ** 13, 2 ** 14)],
        node: [
          sum,
          node('ConstantOfShape', ['shape'], ['a']),
          node('ConstantOfShape', ['shape'], ['b']),
          node('ConstantOfShape', ['shape'], ['z']),
        ],
      },
      'elements from constants: absurd',
    ],
    'an absurd constant in a branch, of a shape outside it': [
      {
        initializer: [c, int64('shape', [2], 2 ** 30, 2 ** 20)],
        node: [sum, ifNode({ node: [node('ConstantOfShape', ['shape'], ['k'])], output: [value('k', 3)] }, 'z')],
      },
      'absurd',
    ],
    'a resize by an absurd scale': [
      {
        initializer: [
          c,
          { name: 's', dims: [2], dataType: 1, rawData: new Uint8Array(new Float32Array([1e9, 1e9]).buffer) },
        ],
        node: [sum, node('Resize', ['x', '', 's'], ['z'])],
      },
      'absurd',
    ],
    'a constant whose bytes do not fill its shape': [
      { node: [sum, node('Constant', [], ['z'], { name: 'value', type: 4, t: { ...int64('', [2], 1), dims: [2] } })] },
      'has 8 bytes',
    ],
    'a node that opens files': [{ node: [sum, node('EPContext', ['x'], ['z'])] }, 'may open any file: refused'],
    'a name that JavaScript objects cannot hold': [{ node: [sum, node('Relu', ['x'], ['__proto__'])] }, '__proto__'],
    'a range of absurd length': [
      {
        initializer: [c, int64('start', [], 0), int64('limit', [], 2 ** 50), int64('delta', [], 1)],
        node: [sum, node('Range', ['start', 'limit', 'delta'], ['z'])],
      },
      'absurd',
    ],
  };
  for (const [what, [graph, words]] of Object.entries(graphs)) {
    it(`refuses ${what}`, () => {
      const read = () => readModel(model(graph), { file: 'bad.onnx' });
      expect(read).to.throw(FileFormatError, words).with.property('file', 'bad.onnx');
    });
  }

  const calls = (name: string, called: string, times = 1) => ({
    name,
    domain: 'd',
    node: Array.from({ length: times }, () => ({ opType: called, domain: 'd' })),
  });
  /** Functions of which each calls the one before it `times` times. */
  const chain = (levels: number, times: number) => [
    calls('f0', 'Relu', times),
    ...Array.from({ length: levels }, (_, i) => calls(`f${i + 1}`, `f${i}`, times)),
  ];
  const big = int64('shape', [1], 2 ** 20);
  const making = {
    name: 'makes',
    domain: 'd',
    output: ['made'],
    node: [
      node('Constant', [], ['shape'], { name: 'value', type: 4, t: big }),
      node('ConstantOfShape', ['shape'], ['made']),
    ],
  };
  const makers = Array.from({ length: 300 }, (_, i) => ({ opType: 'makes', domain: 'd', output: [`made${i}`] }));
  const messages: Record<string, [ModelMessage, string]> = {
    'no graph': [{ graph: null }, 'it has no graph'],
    'an IR version of the past': [{ irVersion: 2 }, 'IR version 2; expected 3 or later'],
    'no opset': [{ opsetImport: [] }, 'opset 0 of the default domain'],
    'functions that call each other': [{ functions: [calls('f', 'g'), calls('g', 'f')] }, 'calls itself'],
    'a function that is defined twice': [{ functions: [calls('f', 'g'), calls('f', 'h')] }, 'f is defined twice'],
    'a few thousand calls that are a million nodes': [{ functions: chain(1, 1000) }, 'with functions expanded: absurd'],
    'many levels of few nodes': [{ functions: chain(14, 2) }, 'calls functions that call others'],
    'functions nested deeper than ONNX Runtime’s stack': [{ functions: chain(20_000, 1) }, 'more than 64 deep'],
    'a function that is called for its large constant': [
      {
        functions: [making],
        graph: { node: [sum, ...makers], initializer: [c], input: [value('x', 2)], output: [value('y', 2)] },
      },
      'elements from constants: absurd',
    ],
    'names in a function that nothing defines': [
      { functions: [{ name: 'f', domain: 'd', input: ['a'], node: [node('Add', ['a', 'b'], ['c'])] }] },
      'function f node Add reads b',
    ],
  };
  for (const [what, [message, words]] of Object.entries(messages)) {
    it(`refuses ${what}`, () => {
      expect(() => readModel(model({}, message))).to.throw(FileFormatError, words);
    });
  }

  it('refuses data whose place is neither inside the file nor outside', () => {
    const bytes = model({ initializer: [constant({ dims: [2], rawData: new Uint8Array(8), dataLocation: 1 })] });
    // The field data_location, 14, and its value.
    const at = bytes.findIndex((byte, i) => byte === 0x70 && bytes[i + 1] === 1);
    bytes[at + 1] = 2;
    expect(() => readModel(bytes)).to.throw(FileFormatError, 'data location 2');
  });
});
