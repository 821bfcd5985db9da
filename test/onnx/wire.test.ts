import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { readModel } from '../../src/onnx/read.ts';
import { wireProblem } from '../../src/onnx/wire.ts';

const good = new Uint8Array(
  onnx.ModelProto.encode(
    onnx.ModelProto.fromObject({
      irVersion: 8,
      opsetImport: [{ version: 17 }],
      graph: {
        name: 'g',
        node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
        input: [
          { name: 'x', type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'n' }, { dimValue: 2 }] } } } },
        ],
        output: [{ name: 'y' }],
      },
    }),
  ).finish(),
);

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}
/** A field whose bytes have a length before them. */
const field = (number: number, ...bytes: number[]): number[] => [
  ...varint(8 * number + 2),
  ...varint(bytes.length),
  ...bytes,
];
const withBytes = (...bytes: number[]): Uint8Array => Uint8Array.from([...good, ...bytes]);
const graph = (...bytes: number[]): Uint8Array => Uint8Array.from(field(7, ...bytes));

/** An If within an If, `levels` deep: graph, node, attribute, graph. */
function nested(levels: number): Uint8Array {
  let bytes: number[] = [];
  for (let level = 0; level < levels; level++) bytes = field(1, ...field(5, ...field(6, ...bytes)));
  return graph(...bytes);
}

describe('onnx: bytes of a file', () => {
  it('are sound where protobuf wrote them, packed or not', () => {
    expect(wireProblem(good)).to.equal(undefined);
    // dims of an initializer, one by one and packed.
    expect(wireProblem(graph(...field(5, 8, 2, 8, 3)))).to.equal(undefined);
    expect(wireProblem(graph(...field(5, ...field(1, 2, 3))))).to.equal(undefined);
    // Fields of newer versions that change no number: a node's metadata_props and device_configurations.
    expect(wireProblem(graph(...field(1, ...field(9, 10, 1, 65), ...field(10))))).to.equal(undefined);
    expect(wireProblem(nested(32))).to.equal(undefined);
  });

  const cases: Record<string, [Uint8Array, string]> = {
    'a second graph, which protobuf merges and protobufjs takes alone': [
      withBytes(...field(7, ...field(2, 65))),
      'ModelProto has its field 7 twice',
    ],
    'two files one after the other': [Uint8Array.from([...good, ...good]), 'twice'],
    'a field of another wire type': [withBytes(8 * 7, 1), 'field 7 of ModelProto is of another type'],
    'a field that ONNX does not have': [withBytes(...field(99, 1)), 'ModelProto has no field 99'],
    'field 0': [withBytes(0, 0), 'ModelProto has no field 0'],
    'a group, which protobuf has given up': [withBytes(8 * 7 + 3, 8 * 7 + 4), 'another type'],
    'a length beyond the end': [withBytes(8 * 2 + 2, 100, 65), 'cut short'],
    'a length of 2^60': [withBytes(8 * 2 + 2, ...varint(2 ** 60)), 'cut short'],
    'a number of eleven bytes': [withBytes(8, ...new Array(11).fill(255)), 'more than ten bytes'],
    'a list that is cut short': [graph(...field(5, ...field(4, 1, 2, 3))), 'a list of numbers'],
    'a type that is two': [
      graph(...field(11, ...field(2, ...field(1, 8, 1), ...field(4)))),
      'holds two values of which one excludes the other',
    ],
    'defaults of a function’s attributes, of IR 9': [withBytes(...field(25, ...field(11, 10, 1, 65))), 'newer ONNX'],
    'graphs nested deeper than protobuf follows': [nested(34), 'nested more than 100 messages deep'],
    'graphs nested deeper than the stack': [nested(2000), 'nested more than 100 messages deep'],
  };
  for (const [what, [bytes, words]] of Object.entries(cases)) {
    it(`are refused with ${what}`, () => {
      expect(wireProblem(bytes)).to.contain(words);
      expect(() => readModel(bytes)).to.throw(FileFormatError, words);
    });
  }

  it('are refused where they would be more objects than memory holds', () => {
    const nodes = new Uint8Array(2 * (2 ** 22 + 1));
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = 10;
    const bytes = Uint8Array.from([58, ...varint(nodes.length), ...new Uint8Array(nodes.length)]);
    bytes.set(nodes, bytes.length - nodes.length);
    expect(wireProblem(bytes)).to.contain('more than 4194304 parts');
  });

  it('are refused where one list would be longer than an array can be', () => {
    const numbers = 2 ** 26 + 1;
    const list = [8 * 5 + 2, ...varint(numbers)];
    const tensor = [8 * 5 + 2, ...varint(list.length + numbers), ...list];
    const head = [58, ...varint(tensor.length + numbers), ...tensor];
    const bytes = new Uint8Array(head.length + numbers);
    bytes.set(head);
    expect(wireProblem(bytes)).to.contain('stored as raw_data');
  });
});
