import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { readNpy, readNpyHeader, writeNpy } from '../../src/files/npy.ts';
import { readNpz } from '../../src/files/npz.ts';

/** Files that NumPy wrote: see numpy/make_numpy_files.py. */
const numpy = async (name: string): Promise<Uint8Array> => readFile(new URL(`numpy/${name}`, import.meta.url));

const grid = Array.from({ length: 15 }, (_, i) => 1.5 * Math.floor(i / 5) - 0.25 * (i % 5));

describe('readNpy', () => {
  for (const type of ['float16', 'float32', 'float64'] as const) {
    it(`reads ${type} as NumPy wrote it`, async () => {
      const array = readNpy(await numpy(`${type}.npy`));
      expect(array.type).to.equal(type);
      expect(array.shape).to.deep.equal([3, 5]);
      expect([...array.data]).to.deep.equal(grid);
    });
  }

  for (const type of ['int32', 'int64'] as const) {
    it(`reads ${type}`, async () => {
      const array = readNpy(await numpy(`${type}.npy`));
      expect([...array.data]).to.deep.equal(grid.map(value => Math.trunc(4 * value)));
    });
  }

  it('reads uint8, bool, scalars, vectors and empty arrays', async () => {
    expect([...readNpy(await numpy('uint8.npy')).data]).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect([...readNpy(await numpy('bool.npy')).data]).to.deep.equal([1, 0, 1]);
    expect(readNpy(await numpy('scalar.npy'))).to.deep.equal({
      type: 'float32',
      shape: [],
      data: Float32Array.of(7.5),
    });
    expect(readNpy(await numpy('vector.npy')).shape).to.deep.equal([4]);
    expect(readNpy(await numpy('empty.npy'))).to.deep.equal({
      type: 'float32',
      shape: [0, 5],
      data: new Float32Array(),
    });
  });

  it('turns Fortran order into C order, and big-endian numbers round', async () => {
    const fortran = readNpy(await numpy('fortran.npy'));
    expect(fortran.shape).to.deep.equal([2, 3, 4]);
    expect([...fortran.data]).to.deep.equal(Array.from({ length: 24 }, (_, i) => i));
    expect([...readNpy(await numpy('big-endian.npy')).data]).to.deep.equal(grid);
  });

  it('reads format versions 2 and 3', async () => {
    expect([...readNpy(await numpy('version-2.npy')).data]).to.deep.equal(grid);
    expect([...readNpy(await numpy('version-3.npy')).data]).to.deep.equal(grid);
  });

  it('reads the header of a file of which only the beginning is there', async () => {
    const header = readNpyHeader((await numpy('float32.npy')).subarray(0, 130));
    expect(header).to.deep.equal({
      type: 'float32',
      shape: [3, 5],
      fortranOrder: false,
      bigEndian: false,
      dataStart: 128,
    });
  });

  it('refuses dtypes it does not have by name, and lengths that do not fit', async () => {
    expect(() => readNpy(Uint8Array.of(1, 2, 3))).to.throw(FileFormatError, 'not a .npy file');
    const good = await numpy('float32.npy');
    expect(() => readNpy(good.subarray(0, good.length - 1))).to.throw(
      FileFormatError,
      'takes 60 bytes; the file holds 59',
    );
    const complex = await numpy('complex.npy');
    expect(() => readNpy(complex, { file: 'x.npy' })).to.throw(
      FileFormatError,
      'x.npy: .npy dtype "<c8", complex numbers, is not supported',
    );
    const structured = await numpy('structured.npy');
    expect(() => readNpy(structured)).to.throw(FileFormatError, 'structured dtype');
  });

  it('gives a typed error or an array for every damaged file', async () => {
    const good = await numpy('float32.npy');
    for (let at = 0; at < 128; at++) {
      for (const flip of [1, 0x10, 0x80, 0xff]) {
        const bad = good.slice();
        bad[at]! ^= flip;
        try {
          readNpy(bad);
        } catch (error) {
          expect(error, `byte ${at} ^ ${flip}`).to.be.instanceOf(FileFormatError);
        }
      }
      expect(() => readNpy(good.subarray(0, at))).to.throw(FileFormatError);
    }
  });
});

describe('writeNpy', () => {
  it("writes NumPy's own bytes", async () => {
    expect([...writeNpy({ data: grid, shape: [3, 5] })]).to.deep.equal([...(await numpy('float32.npy'))]);
    expect([...writeNpy({ data: grid, shape: [3, 5], type: 'float16' })]).to.deep.equal([
      ...(await numpy('float16.npy')),
    ]);
    expect([...writeNpy({ data: [1, 0, 1], shape: [3], type: 'bool' })]).to.deep.equal([...(await numpy('bool.npy'))]);
    expect([...writeNpy({ data: [7.5], shape: [] })]).to.deep.equal([...(await numpy('scalar.npy'))]);
  });
});

describe('readNpz', () => {
  it('reads stored and deflated archives, all arrays or those asked for', async () => {
    const stored = readNpz(await numpy('stored.npz'));
    expect([...stored.keys()]).to.deep.equal(['a', 'b']);
    expect([...stored.get('a')!.data]).to.deep.equal(grid);
    const deflated = readNpz(await numpy('deflated.npz'), { names: ['a'] });
    expect([...deflated.keys()]).to.deep.equal(['a']);
    expect(deflated.get('a')!.shape).to.deep.equal([120, 5]);
    expect([...deflated.get('a')!.data.slice(-15)]).to.deep.equal(grid);
  });

  it('refuses an entry that claims more than deflate can hold', async () => {
    const bomb = Uint8Array.from(await numpy('deflated.npz'));
    const directory = Buffer.from(bomb.buffer).indexOf(Buffer.of(0x50, 0x4b, 1, 2));
    // The uncompressed size of the first entry in the central directory.
    new DataView(bomb.buffer).setUint32(directory + 24, 0xc0000000, true);
    expect(() => readNpz(bomb)).to.throw(FileFormatError, 'a.npy claims 3221225472 bytes');
  });

  it('gives a typed error or arrays for every damaged archive, and takes no memory that is merely claimed', async () => {
    const good = await numpy('deflated.npz');
    for (let at = 0; at < good.length; at++) {
      const bad = good.slice();
      bad[at]! ^= 0xff;
      try {
        readNpz(bad);
      } catch (error) {
        expect(error, `byte ${at}`).to.be.instanceOf(FileFormatError);
      }
      expect(() => readNpz(good.subarray(0, at))).to.throw(FileFormatError);
    }
  });
});
