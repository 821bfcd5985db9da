import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { readCsv, writeCsv } from '../../src/files/csv.ts';
import { readJsonArray } from '../../src/files/json-array.ts';
import { parseJson, shown } from '../../src/files/json-text.ts';
import { rowSourceOf } from '../../src/files/row-source.ts';
import { TextParts, textEncodingOf } from '../../src/files/text-encoding.ts';

describe('readJsonArray', () => {
  it('reads rows, and a shape with flat data', () => {
    const expected = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5.5, -6) };
    expect(readJsonArray('[[1,2,3],[4,5.5,-6]]')).to.deep.equal(expected);
    expect(readJsonArray('{"shape": [2,3], "data": [1,2,3,4,5.5,-6]}')).to.deep.equal(expected);
  });

  for (const [text, message] of [
    ['[[1,2],[3]]', 'rows of unequal length'],
    ['[[1,"2"]]', 'expected a number, got 2'],
    ['[[1,null]]', 'expected a number, got null'],
    ['{"shape": [2,2], "data": [1,2,3]}', '3 values do not fill the shape [2, 2]'],
    ['{"shape": [-1], "data": []}', 'expected an array of rows'],
    ['{"rows": []}', 'expected an array of rows'],
    ['null', 'expected an array of rows'],
    ['[[1,', 'not JSON'],
  ] as const) {
    it(`refuses ${text}`, () => {
      expect(() => readJsonArray(text, { file: 'a.json' }))
        .to.throw(FileFormatError, message)
        .with.property('file', 'a.json');
    });
  }
});

describe('readCsv', () => {
  it('reads samples with a header, without one, and with blank lines', () => {
    const expected = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5.5, -6e-3) };
    expect(readCsv('1,2,3\n4,5.5,-6e-3\n')).to.deep.equal(expected);
    expect(readCsv('\uFEFFx,y,z\r\n 1, 2,3\r\n\r\n4,+5.5,-.006\r\n')).to.deep.equal(expected);
  });

  it('tells the line and column of what is wrong', () => {
    expect(() => readCsv('1,2\n3\n')).to.throw(FileFormatError, 'line 2 has 1 columns, expected 2');
    expect(() => readCsv('a,b\n1,2\n3,x\n')).to.throw(FileFormatError, 'line 3, column 2: "x" is not a number');
    expect(() => readCsv('1,2\n3,\n')).to.throw(FileFormatError, '"" is not a number');
    expect(() => readCsv('a,b\n')).to.throw(FileFormatError, 'no samples');
    expect(() => readCsv('')).to.throw(FileFormatError, 'no samples');
  });

  it('reads what writeCsv wrote, exactly', () => {
    const matrix = { shape: [2, 2], data: Float32Array.of(0.1, -3e-20, 7, 1 / 3) };
    expect(readCsv(writeCsv(matrix))).to.deep.equal(matrix);
  });

  for (const [what, text] of [
    ['semicolons', '1;2.5;-3\n4;5;6e-1\n'],
    ['semicolons and decimal commas', '1;2,5;-3\n4;5;6e-1\n'],
    ['tabs', '1\t2.5\t-3\n4\t5\t0.6'],
    ['spaces', '  1 2.5   -3\n4 5 .6 \n'],
    ['bars, with a header', 'a|b|c\n1|2.5|-3\n4|5|0.6'],
    ['quotes, with a header that holds commas', '"a, b",c,d\r"1","2.5","-3"\r4,5,0.6\r'],
    ['comments', '# by numpy.savetxt\n1 2.5 -3\n4 5 0.6\n'],
  ] as const) {
    it(`reads ${what}`, () => {
      expect(readCsv(text)).to.deep.equal({ shape: [2, 3], data: Float32Array.of(1, 2.5, -3, 4, 5, 0.6) });
    });
  }

  it('takes a first line for a header only where no cell is a number, NaN, infinite or empty', () => {
    for (const cell of ['nan', '-inf', 'Infinity', '', '7']) {
      expect(() => readCsv(`a,${cell},b\n1,2,3\n`)).to.throw(FileFormatError, 'line 1, column');
    }
    expect(() => readCsv('1,2\n3,nan\n')).to.throw(FileFormatError, 'line 2, column 2: "nan" is not a finite number');
    expect(() => readCsv('1,2\n3,1e39\n')).to.throw(FileFormatError, '1e39 is more than float32 holds');
  });
});

describe('text of any encoding', () => {
  const text = '\uFEFF1,2\n3,4\n';
  const units = (size: 2 | 4, isLittle: boolean, characters: string): Uint8Array => {
    const view = new DataView(new ArrayBuffer(size * characters.length));
    [...characters].forEach((character, i) => {
      const code = character.codePointAt(0)!;
      if (size === 2) view.setUint16(2 * i, code, isLittle);
      else view.setUint32(4 * i, code, isLittle);
    });
    return new Uint8Array(view.buffer);
  };
  for (const [what, encode] of [
    ['UTF-8', (characters: string) => new TextEncoder().encode(characters)],
    ['UTF-16, little-endian', (characters: string) => units(2, true, characters)],
    ['UTF-16, big-endian', (characters: string) => units(2, false, characters)],
    ['UTF-32, little-endian', (characters: string) => units(4, true, characters)],
    ['UTF-32, big-endian', (characters: string) => units(4, false, characters)],
  ] as const) {
    it(`is read: ${what}, with a byte order mark and without`, async () => {
      for (const bytes of [encode(text), encode(text.slice(1))]) {
        const source = await rowSourceOf(bytes, 'a.csv');
        expect([...(await source.read(0, 2))]).to.deep.equal([1, 2, 3, 4]);
        const parts = new TextParts(textEncodingOf(bytes));
        const whole =
          [...bytes].map(byte => parts.decode(Uint8Array.of(byte))).join('') + parts.decode(new Uint8Array(0), true);
        expect(whole).to.equal(text.slice(1));
      }
    });
  }
});

describe('parseJson', () => {
  it('reads what Python writes beside JSON, in numbers only', () => {
    expect(parseJson('{"a": Infinity, "b": [-Infinity, NaN], "c": "NaN, \\"Infinity\\""}', 'x')).to.deep.equal({
      a: Number.POSITIVE_INFINITY,
      b: [Number.NEGATIVE_INFINITY, null],
      c: 'NaN, "Infinity"',
    });
  });

  it('refuses depth and damage with a typed error, and shows any value', () => {
    for (const text of ['['.repeat(50_000), `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, '{"a": Infinit}', '']) {
      expect(() => parseJson(text, 'the config', { file: 'cfg.json' })).to.throw(
        FileFormatError,
        'cfg.json: the config',
      );
    }
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    expect(shown(deep)).to.equal('a deeply nested list');
    expect(shown('x'.repeat(200))).to.have.length(81);
  });
});
