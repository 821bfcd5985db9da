import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { readCsv, writeCsv } from '../../src/files/csv.ts';
import { readJsonArray } from '../../src/files/json-array.ts';

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
});
