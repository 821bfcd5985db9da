import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { FileFormatError, InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { decodeElements, type ElementType, encodeElements } from '../../src/files/element-type.ts';
import {
  readSafetensors,
  readSafetensorsHeader,
  safetensorsHeaderEnd,
  writeSafetensors,
} from '../../src/files/safetensors.ts';

/** A file of the given header text and that many bytes of data. */
function fileOf(header: unknown, dataLength: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.byteLength + dataLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  file.set(json, 8);
  return file;
}

describe('readSafetensors', () => {
  it('reads a file that the reference implementation wrote', async () => {
    const bytes = await readFile(new URL('../reference/saelens/jumprelu/sae_weights.safetensors', import.meta.url));
    const { tensors } = readSafetensors(bytes);
    expect([...tensors.keys()].sort()).to.deep.equal(['W_dec', 'W_enc', 'b_dec', 'b_enc', 'threshold']);
    expect(tensors.get('W_enc')!.shape).to.deep.equal([16, 48]);
    // make_saelens.py draws thresholds from [0.05, 0.35].
    for (const value of tensors.get('threshold')!.data) expect(value).to.be.within(0.05, 0.35);
  });

  it('writes the bytes of the reference implementation', async () => {
    const bytes = await readFile(new URL('../reference/saelens/gated/sae_weights.safetensors', import.meta.url));
    const tensors = Object.fromEntries(readSafetensors(bytes).tensors);
    expect(Buffer.compare(writeSafetensors(tensors), bytes)).to.equal(0);
  });

  it('reads back every element type and the metadata', () => {
    const values = [0, 1, 1, 0, 1, 1];
    const types: ElementType[] = ['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'uint8', 'bool'];
    const tensors = Object.fromEntries(types.map(type => [type, { data: values, shape: [2, 3], type }]));
    const read = readSafetensors(writeSafetensors(tensors, { format: 'pt' }));
    expect(read.metadata).to.deep.equal({ format: 'pt' });
    for (const type of types) {
      expect(read.tensors.get(type)!.type).to.equal(type);
      expect([...read.tensors.get(type)!.data]).to.deep.equal(values);
    }
  });

  it('reads a header alone, from the beginning of a large file', () => {
    const file = writeSafetensors({ a: { data: [1, 2, 3, 4], shape: [2, 2] }, b: { data: [5], shape: [1] } });
    const end = safetensorsHeaderEnd(file.subarray(0, 8), file.byteLength);
    const { entries } = readSafetensorsHeader(file.subarray(0, end), file.byteLength);
    const { start, end: last } = entries.get('b')!;
    expect([...decodeElements(file.subarray(start, last), 'float32')]).to.deep.equal([5]);
  });

  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const bad: [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(), 'shorter than its 8-byte prefix'],
    ['a header longer than the file', fileOf({ a: entry }, 8).subarray(0, 20), 'cut short'],
    ['a header of exabytes', new Uint8Array(16).fill(0x7f), 'a header of'],
    ['a header that is not JSON', fileOf('{"a":', 0), 'not JSON'],
    ['a header that is an array', fileOf('[]', 0), 'not a JSON object'],
    ['data cut short', fileOf({ a: entry }, 7), 'cut short or padded'],
    ['data after the last tensor', fileOf({ a: entry }, 9), 'cut short or padded'],
    ['an unknown dtype', fileOf({ a: { ...entry, dtype: 'F7_E4M2' } }, 8), 'tensor "a" has the dtype "F7_E4M2"'],
    ['a dtype from the prototype', fileOf({ a: { ...entry, dtype: 'constructor' } }, 8), 'dtype'],
    ['a shape that does not fill its bytes', fileOf({ a: { ...entry, shape: [3] } }, 8), 'do not fill'],
    ['a shape beyond all memory', fileOf({ a: { ...entry, shape: [2 ** 40, 2 ** 40] } }, 8), 'do not fill'],
    ['a negative dimension', fileOf({ a: { ...entry, shape: [-2] } }, 8), 'has the shape [-2]'],
    ['a broken dimension', fileOf({ a: { ...entry, shape: [1.5] } }, 8), 'has the shape [1.5]'],
    ['offsets the wrong way round', fileOf({ a: { ...entry, data_offsets: [8, 0] } }, 8), 'data_offsets [8,0]'],
    ['an overlap', fileOf({ a: entry, b: { ...entry, data_offsets: [4, 12] } }, 12), 'overlaps'],
    ['a gap', fileOf({ a: entry, b: { ...entry, data_offsets: [12, 20] } }, 20), 'leaves a gap'],
    ['metadata that are not strings', fileOf({ __metadata__: { a: 1 }, a: entry }, 8), 'strings only'],
  ];
  for (const [what, bytes, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(() => readSafetensors(bytes, { file: 'x' }))
        .to.throw(FileFormatError, message)
        .with.property('file', 'x');
    });
  }

  it('gives a typed error or tensors for 3,000 damaged files', () => {
    const tensors = {
      a: { data: [1, 2, 3, 4, 5, 6], shape: [2, 3] },
      b: { data: [7, 8], shape: [2], type: 'float16' as const },
    };
    const good = writeSafetensors(tensors, { format: 'pt' });
    const random = xoroshiro128plus(20);
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      const damaged = good.slice(0, i % 5 === 0 ? uniformInt(random, 0, good.length) : good.length);
      for (let flips = uniformInt(random, 1, 4); flips > 0 && damaged.length > 0; flips--) {
        damaged[uniformInt(random, 0, damaged.length - 1)] = uniformInt(random, 0, 255);
      }
      try {
        for (const { data, shape } of readSafetensors(damaged).tensors.values()) {
          expect(data.length).to.equal(shape.reduce((a, b) => a * b, 1));
        }
      } catch (error) {
        expect(error).to.be.instanceOf(FileFormatError);
        refused++;
      }
    }
    expect(refused).to.be.within(1500, 2999);
  });
});

describe('writeSafetensors', () => {
  it('refuses data that do not fill their shape', () => {
    expect(() => writeSafetensors({ a: { data: [1], shape: [2] } })).to.throw(InvalidShapeError, 'a: 1 values');
  });
});

describe('encodeElements', () => {
  it('rounds bfloat16 to nearest, ties to even, and keeps infinities and NaN', () => {
    const round = (value: number): number => decodeElements(encodeElements([value], 'bfloat16'), 'bfloat16')[0]!;
    // bfloat16 has eight significant bits: next to 1 its spacing is 2^-7.
    expect(round(1 + 2 ** -8)).to.equal(1);
    expect(round(1 + 3 * 2 ** -8)).to.equal(1 + 2 ** -6);
    expect(round(1 + 2 ** -8 + 2 ** -20)).to.equal(1 + 2 ** -7);
    expect(round(-3.4e38)).to.equal(-Infinity);
    expect(round(Infinity)).to.equal(Infinity);
    expect(round(Number.NaN)).to.be.NaN;
  });

  it('refuses numbers that an integer type cannot hold', () => {
    expect(() => encodeElements([1.5], 'int64')).to.throw(InvalidValueError, 'got 1.5');
    expect(() => encodeElements([2 ** 31], 'int32')).to.throw(InvalidValueError);
    expect(() => encodeElements([-1], 'uint8')).to.throw(InvalidValueError);
  });
});
