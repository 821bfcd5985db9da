import { expect } from 'chai';
import { FileFormatError, InvalidShapeError } from '../src/errors.ts';
import { readJsonArray } from '../src/files/json-array.ts';
import { parseJson } from '../src/files/json-text.ts';
import { readSafetensors } from '../src/files/safetensors.ts';
import { fromNested } from '../src/tensor.ts';
import { inWords, printable } from '../src/wording.ts';

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('wording', () => {
  it('says plain values as JSON does', () => {
    for (const value of ['a', 1.5, true, null, [1, 2], { a: [1], b: 'c' }]) {
      expect(inWords(value)).to.equal(JSON.stringify(value));
    }
  });

  it('never throws and is short, whatever it is given', () => {
    const circle: unknown[] = [];
    circle.push(circle, { circle });
    const hostile = [
      circle,
      JSON.parse(deep(100_000)),
      Object.create(null),
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('no');
          },
        },
      ),
      {
        get a() {
          throw new Error('no');
        },
      },
      {
        toString: () => {
          throw new Error('no');
        },
        toJSON: () => {
          throw new Error('no');
        },
      },
      'x'.repeat(1e6),
      Array.from({ length: 1e5 }, () => 'long'.repeat(100)),
      Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => [`key ${i}`, i])),
      Symbol('s'),
      10n,
      () => {},
      undefined,
      new Float32Array(1e6),
    ];
    for (const value of hostile) expect(inWords(value).length).to.be.within(1, 200);
  });

  it('escapes what a terminal obeys, in values and in every message of an error', () => {
    const text = 'a\x1b[2Jb\u009bc\u202ed\r';
    expect(printable(text)).to.equal('a\\u001b[2Jb\\u009bc\\u202ed\\u000d');
    expect(printable(`${text}\n\t`).slice(-2)).to.equal('\n\t');
    for (const error of [new FileFormatError(text, { file: text }), new InvalidShapeError(text)]) {
      expect(error.message).to.match(/^[\x20-\x7e]+$/);
    }
    expect(new FileFormatError(text, { file: text }).file).to.equal(text);
  });

  it('shortens long messages', () => {
    expect(new FileFormatError('x'.repeat(1e7)).message.length).to.be.below(21_000);
  });

  it('gives typed errors for JSON and arrays nested deeper than the stack', () => {
    expect(() => parseJson(deep(100_000), 'it')).to.throw(FileFormatError, 'nested deeper than 100');
    expect(parseJson(deep(64), 'it')).to.be.an('array');
    expect(() => readJsonArray(deep(100_000))).to.throw(FileFormatError, 'nested');
    const header = new TextEncoder().encode(`{"a":{"dtype":${deep(50_000)},"shape":[],"data_offsets":[0,0]}}`);
    const bytes = new Uint8Array(8 + header.length);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    expect(() => readSafetensors(bytes)).to.throw(FileFormatError);

    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => fromNested(circle as never)).to.throw(InvalidShapeError, 'levels deep');
  });

  it('takes no memory for a shape that rows only claim', () => {
    const long = new Array(50_000).fill(0);
    const ragged = [long, ...new Array(49_999).fill(0)];
    expect(() => fromNested([ragged, ...new Array(49_999).fill(0)] as never)).to.throw(InvalidShapeError, 'unequal');
  });
});
