/** Files that NumPy and Python refuse: what damage made of good ones, found by `npm run torture`. */
import { expect } from 'chai';
import { strToU8, zipSync } from 'fflate';
import { FileFormatError } from '../../src/errors.ts';
import { readCsv } from '../../src/files/csv.ts';
import { readJsonArray } from '../../src/files/json-array.ts';
import { readNpy, writeNpy } from '../../src/files/npy.ts';
import { readNpz } from '../../src/files/npz.ts';

const npy = writeNpy({ data: [1, 2, 3, 4], shape: [2, 2] });
/** The array's file with `from` replaced by `to`, of the same length. */
function withText(bytes: Uint8Array, from: string, to: string, which = 0): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  let at = -1;
  for (let i = 0; i <= which; i++) at = text.indexOf(from, at + 1);
  expect(at).to.be.at.least(0);
  return new Uint8Array(Buffer.from(text.slice(0, at) + to + text.slice(at + from.length), 'latin1'));
}

const zip = (name: string): Uint8Array =>
  zipSync({ [name]: [npy, { level: 0, mtime: new Date('2020-01-01T00:00:00') }] });
const archive = zip('W_enc.npy');

describe('files that NumPy and Python refuse', () => {
  const cases: Readonly<Record<string, () => unknown>> = {
    '.npy: a space that is none (U+00A0)': () => readNpy(withText(npy, '}  ', '}\xa0 ')),
    '.npy: a size with a leading zero': () => readNpy(withText(npy, '(2, 2)', '(2,02)')),
    '.npy: version 1.7': () => readNpy(withText(npy, '\x01\x00', '\x01\x07')),
    '.npz: another name before the data': () => readNpz(withText(archive, 'W_enc.npy', 'W_dec.npy')),
    '.npz: another name in the directory': () => readNpz(withText(archive, 'W_enc.npy', 'W_dec.npy', 1)),
    '.npz: a bit of the data': () => readNpz(withText(archive, '\x80\x3f', '\x80\x3e')),
    '.npz: two archives in one': () => readNpz(Uint8Array.from([...archive, ...zip('W_dec.npy')])),
    'JSON: a control character in a key': () => readJsonArray('{"sh\nape":[1],"data":[1]}'),
    'JSON: an empty list among numbers': () => readJsonArray('[[[],1],[2,3]]'),
    'JSON: two values in a line': () => readJsonArray('[1,2][3,4]'),
    'CSV: a byte order mark among numbers': () => readCsv('1,2\n\ufeff3,4\n'),
  };
  for (const [what, read] of Object.entries(cases)) {
    it(what, () => {
      expect(read).to.throw(FileFormatError);
    });
  }

  it('and those that they read', () => {
    expect([...readNpy(npy).data]).to.deep.equal([1, 2, 3, 4]);
    expect([...readNpz(archive).get('W_enc')!.data]).to.deep.equal([1, 2, 3, 4]);
    expect([...readNpz(zipSync({ 'a.npy': npy, 'note.txt': strToU8('text') })).keys()]).to.deep.equal(['a']);
    expect([...readJsonArray('[1,2]\n[3,4]\n').data]).to.deep.equal([1, 2, 3, 4]);
    expect([...readCsv('\ufeff1,2\n3,4\n').data]).to.deep.equal([1, 2, 3, 4]);
  });
});
