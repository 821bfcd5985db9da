import { expect } from 'chai';
import { zipSync } from 'fflate';
import { FileFormatError } from '../../src/errors.ts';
import { Crc32 } from '../../src/files/crc32.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { checkUnpackedSize, readNpz } from '../../src/files/npz.ts';

const values = { data: Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i)), shape: [64, 64] };

/** An archive with its directory's entries to change. */
function archive(level: 0 | 9, change: (view: DataView, entry: number) => void = () => {}): Uint8Array {
  const bytes = zipSync({ 'a.npy': writeNpy(values), 'b.npy': writeNpy(values) }, { level });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let entry = 0;
  for (let at = 0; at + 4 <= bytes.length; at++) {
    if (view.getUint32(at, true) === 0x02014b50) change(new DataView(bytes.buffer, bytes.byteOffset + at), entry++);
  }
  return bytes;
}

describe('Crc32', () => {
  it('gives the check value of CRC-32/ISO-HDLC, however the bytes come', () => {
    const bytes = new TextEncoder().encode('123456789');
    for (const cut of [0, 1, 4, 8, 9]) {
      const crc = new Crc32();
      crc.update(bytes.subarray(0, cut));
      crc.update(bytes.subarray(cut));
      expect(crc.value).to.equal(0xcbf43926);
    }
  });
});

describe('zip archives', () => {
  for (const level of [0, 9] as const) {
    it(`are read, ${level === 0 ? 'stored' : 'deflated'}`, () => {
      expect(readNpz(archive(level)).get('b')?.data).to.deep.equal(values.data);
    });

    const bad: [string, string, (view: DataView, entry: number) => void][] = [
      ['share bytes', 'b.npy overlaps a.npy', (view, entry) => entry === 1 && view.setUint32(42, 10, true)],
      ['have one name', 'a.npy stands in it twice', (view, entry) => entry === 1 && view.setUint8(46, 0x61)],
      ['lie about their checksum', 'CRC-32', view => view.setUint32(16, 1, true)],
      ['claim more than they hold', 'claims', view => view.setUint32(24, 0xfffffff0, true)],
      ['are encrypted', 'encrypted', view => view.setUint16(8, 1, true)],
      ['are packed otherwise', 'packed by method 12', view => view.setUint16(10, 12, true)],
      [
        'lie outside the file',
        'overlaps the directory',
        (view, entry) => entry === 1 && view.setUint32(42, 0xfffff, true),
      ],
    ];
    for (const [what, message, change] of bad) {
      it(`are refused where entries ${what}, ${level === 0 ? 'stored' : 'deflated'}`, () => {
        expect(() => readNpz(archive(level, change), { file: 'a.npz' })).to.throw(FileFormatError, message);
      });
    }
  }

  it('are refused where they unpack to more than 16 times their size', () => {
    const entry = {
      name: 'a.npy',
      isDeflated: true,
      crc: 0,
      packedSize: 300_000,
      headerStart: 0,
      nameBytes: new Uint8Array(0),
    };
    const check = (size: number, archiveSize: number) => () =>
      checkUnpackedSize([{ ...entry, size }], archiveSize, 'a.npz');
    expect(check(2 ** 28, 1000)).to.not.throw();
    expect(check(2 ** 28 + 1, 1000)).to.throw(FileFormatError, 'a.npz: its arrays unpack to 268435457 bytes');
    expect(check(2 ** 33, 2 ** 29)).to.not.throw();
    expect(check(2 ** 33 + 1, 2 ** 29)).to.throw(FileFormatError, 'may hold 8589934592');
  });
});
