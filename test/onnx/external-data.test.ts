import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { hasExternalData, inlineExternalData } from '../../src/onnx/external-data.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { type OnnxModel, readModel } from '../../src/onnx/read.ts';
import { readInitializer } from '../../src/onnx/tensor-values.ts';

/** A model whose only tensor, [2], lies at `location`. */
function modelAt(location: string, more: Record<string, string> = {}): OnnxModel {
  const entries = Object.entries({ location, ...more }).map(([key, value]) => ({ key, value }));
  const message = onnx.ModelProto.fromObject({
    irVersion: 8,
    opsetImport: [{ version: 17 }],
    graph: {
      name: 'external',
      initializer: [{ name: 'w', dims: [2], dataType: 1, dataLocation: 1, externalData: entries }],
      output: [{ name: 'w' }],
    },
  });
  return readModel(onnx.ModelProto.encode(message).finish(), { file: 'external.onnx' });
}

/** What was asked for, and the bytes of [1.5, -2]. */
function recorder() {
  const asked: [string, number, number][] = [];
  const read = async (location: string, offset: number, length: number) => {
    asked.push([location, offset, length]);
    return new Uint8Array(new Float32Array([1.5, -2]).buffer);
  };
  return { asked, read };
}

const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => Promise.reject(new Error('expected an error, and there was none')),
    error => error,
  );

describe('onnx: external data', () => {
  it('is brought in, from where the model says', async () => {
    const { asked, read } = recorder();
    const model = modelAt('weights/a.bin', { offset: '64' });
    expect(hasExternalData(model)).to.equal(true);
    const whole = await inlineExternalData(model, read);
    expect(asked).to.deep.equal([['weights/a.bin', 64, 8]]);
    expect(hasExternalData(whole)).to.equal(false);
    expect(readInitializer(whole, 'w')).to.deep.equal({ data: new Float32Array([1.5, -2]), shape: [2] });
  });

  const leaving = [
    '../a',
    'a/../../b',
    '..\\a',
    '/etc/passwd',
    '\\\\host\\a',
    'C:\\a',
    'c:a',
    'file:///etc/passwd',
    'https://host/a',
    '',
    'a\0b',
  ];
  for (const location of leaving) {
    it(`refuses the path ${JSON.stringify(location)} without a look at it`, async () => {
      const { asked, read } = recorder();
      const error = await failure(inlineExternalData(modelAt(location), read));
      expect(error).to.be.instanceOf(FileFormatError);
      expect(error.message).to.match(/^external\.onnx: tensor w has its data at .*: refused$/);
      expect(asked).to.deep.equal([]);
    });
  }

  for (const more of [
    { offset: '-8' },
    { offset: '1e99' },
    { offset: 'x' },
    { length: '4' },
    { length: '99999999999' },
  ]) {
    it(`refuses ${JSON.stringify(more)}, which is not the tensor's place`, async () => {
      const { asked, read } = recorder();
      expect(await failure(inlineExternalData(modelAt('a.bin', more), read))).to.be.instanceOf(FileFormatError);
      expect(asked).to.deep.equal([]);
    });
  }
});
