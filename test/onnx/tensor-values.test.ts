import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { onnx, type TensorMessage } from '../../src/onnx/proto.ts';
import { readModel } from '../../src/onnx/read.ts';
import { readInitializer, readTensor } from '../../src/onnx/tensor-values.ts';
import { encodeModel } from '../../src/onnx/write.ts';

const bytes = (array: ArrayBufferView<ArrayBuffer>) => new Uint8Array(array.buffer);
const read = (tensor: TensorMessage) => Array.from(readTensor({ name: 't', dims: [2], ...tensor }).data);

/** 1.5 and -2 in each format's own bits. */
const BITS = {
  float16: [0x3e00, 0xc000],
  bfloat16: [0x3fc0, 0xc000],
};

describe('onnx: values of tensors', () => {
  const floats: Record<string, TensorMessage> = {
    'float32, raw': { dataType: 1, rawData: bytes(new Float32Array([1.5, -2])) },
    'float32, typed': { dataType: 1, floatData: [1.5, -2] },
    'float64, raw': { dataType: 11, rawData: bytes(new Float64Array([1.5, -2])) },
    'float64, typed': { dataType: 11, doubleData: [1.5, -2] },
    'float16, raw': { dataType: 10, rawData: bytes(new Uint16Array(BITS.float16)) },
    'float16, typed': { dataType: 10, int32Data: BITS.float16 },
    'bfloat16, raw': { dataType: 16, rawData: bytes(new Uint16Array(BITS.bfloat16)) },
    'bfloat16, typed': { dataType: 16, int32Data: BITS.bfloat16 },
  };
  for (const [name, tensor] of Object.entries(floats)) {
    it(`reads ${name}`, () => expect(read(tensor)).to.deep.equal([1.5, -2]));
  }

  const integers: Record<string, TensorMessage> = {
    'int64, raw': { dataType: 7, rawData: bytes(new BigInt64Array([3n, -4n])) },
    'int64, typed': { dataType: 7, int64Data: [3, -4] },
    'int32, raw': { dataType: 6, rawData: bytes(new Int32Array([3, -4])) },
    'int32, typed': { dataType: 6, int32Data: [3, -4] },
    'int8, raw': { dataType: 3, rawData: bytes(new Int8Array([3, -4])) },
  };
  for (const [name, tensor] of Object.entries(integers)) {
    it(`reads ${name}`, () => expect(read(tensor)).to.deep.equal([3, -4]));
  }

  it('reads bytes at any offset of a larger buffer', () => {
    const shifted = new Uint8Array(9);
    shifted.set(bytes(new Float32Array([1.5, -2])), 1);
    expect(read({ dataType: 1, rawData: shifted.subarray(1) })).to.deep.equal([1.5, -2]);
  });

  it('reads an initializer as float32, through a file', () => {
    const initializer = (name: string, type: 'float32' | 'int64') =>
      ({ name, type, shape: [2], data: [3, -4] }) as const;
    const file = encodeModel({
      name: 'weights',
      nodes: [],
      initializers: [initializer('a', 'float32'), initializer('b', 'int64')],
      inputs: [],
      outputs: [{ name: 'a', type: 'float32', shape: [2] }],
    });
    const model = readModel(file);
    const expected = { data: new Float32Array([3, -4]), shape: [2] };
    expect(readInitializer(model, 'a')).to.deep.equal(expected);
    expect(readInitializer(model, 'b')).to.deep.equal(expected);
    expect(() => readInitializer(model, 'c')).to.throw(FileFormatError, 'no initializer named c; there are a, b');
  });

  it('refuses what is no plain numbers', () => {
    expect(() => read({ dataType: onnx.TensorProto.DataType.STRING })).to.throw(
      FileFormatError,
      'is string; expected numbers',
    );
    expect(() => read({ dataType: 1, dataLocation: 1 })).to.throw(FileFormatError, 'outside the file');
  });
});
