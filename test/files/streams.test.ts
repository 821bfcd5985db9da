/** Files that are read and written in parts: what the parts are must not show. */
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError, InvalidShapeError } from '../../src/errors.ts';
import {
  openCsvWriter,
  openJsonWriter,
  openNpyWriter,
  openNpzWriter,
  openSafetensorsWriter,
} from '../../src/files/array-writers.ts';
import { CsvReader } from '../../src/files/csv.ts';
import { JsonArrayReader } from '../../src/files/json-array.ts';
import { npyHeader } from '../../src/files/npy.ts';
import { keepingSink } from '../../src/files/row-collector.ts';
import { openRowSource } from '../../src/files/row-source.ts';
import { safetensorsHeader } from '../../src/files/safetensors.ts';

describe('text in parts', () => {
  const texts: [string, typeof CsvReader | typeof JsonArrayReader, string][] = [
    ['CSV', CsvReader, 'x;"y;z"\r\n1,5;-2e1\r\n\r\n# no samples\r\n"3";4,25\r\n'],
    ['JSON rows', JsonArrayReader, '[[1.5, -2e1],\n [3, 4.25]] '],
    ['JSON Lines', JsonArrayReader, '[1.5,-20]\n[3,4.25]\n'],
    ['a shape and data', JsonArrayReader, '{"data": [1.5, -20, 3, 4.25], "shape": [2, 2]}'],
  ];
  for (const [what, Reader, text] of texts) {
    it(`${what} is the same wherever it is cut`, () => {
      for (let size = 1; size <= text.length; size++) {
        const kept = keepingSink();
        const reader = new Reader(kept.sink);
        for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size));
        expect(kept.tensor(reader.finish()), `parts of ${size}`).to.deep.equal({
          shape: [2, 2],
          data: Float32Array.of(1.5, -20, 3, 4.25),
        });
      }
    });
  }
});

describe('large files', () => {
  let folder = '';
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** A file of zeros but for its header and `tail` at its end: nothing of it is on the disk. */
  async function sparseFile(name: string, header: Uint8Array, bytes: number, tail: Uint8Array): Promise<string> {
    const file = await open(at(name), 'w');
    await file.truncate(header.byteLength + bytes);
    await file.write(header, 0, header.byteLength, 0);
    await file.write(tail, 0, tail.byteLength, header.byteLength + bytes - tail.byteLength);
    await file.close();
    return at(name);
  }
  const tail = new Uint8Array(Float32Array.of(5, 6, 7, 8).buffer);
  const [rows, width] = [2 ** 28, 4];

  it('of 4 GiB give their last rows: .npy and .safetensors', async () => {
    const shape = [rows, width];
    const paths = [
      await sparseFile('big.npy', npyHeader(shape, 'float32'), 4 * rows * width, tail),
      await sparseFile(
        'big.safetensors',
        safetensorsHeader([['x', { shape, type: 'float32' }]]),
        4 * rows * width,
        tail,
      ),
    ];
    for (const path of paths) {
      const source = await openRowSource(path);
      expect([...(await source.read(rows - 2, 2))], path).to.deep.equal([0, 0, 0, 0, 5, 6, 7, 8]);
      await source.close();
      await rm(path);
    }
  });

  it('of 4 GiB in Fortran order give rows from the middle', async () => {
    const header = npyHeader([rows, width], 'float32');
    const text = new TextDecoder('latin1').decode(header.subarray(10)).replace('False, ', 'True,  ');
    header.set(new TextEncoder().encode(text), 10);
    const path = await sparseFile('fortran.npy', header, 4 * rows * width, tail);
    const source = await openRowSource(path);
    // The last four numbers are the last column's.
    expect([...(await source.read(rows - 4, 3))]).to.deep.equal([0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7]);
    await source.close();
    await rm(path);
  });

  it('that are cut short while they are read are named', async () => {
    const path = await sparseFile('shard.npy', npyHeader([100, width], 'float32'), 1600, tail);
    const source = await openRowSource(path);
    const file = await open(path, 'r+');
    await file.truncate(200);
    await file.close();
    const failure = await source.read(50, 10).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(FileFormatError).with.property('message').that.includes('shard.npy');
    await source.close();
  });

  it('of text beyond what memory keeps are read from a scratch file that has no name', async () => {
    const count = 300_000;
    const lines = Array.from({ length: count }, (_, i) => `${i},${i + 0.5},1,2,3,4,5,6`);
    await writeFile(at('large.csv'), lines.join('\n'));
    const before = (await readdir(tmpdir())).filter(name => name.includes('scratch'));
    const source = await openRowSource(at('large.csv'));
    expect([source.rows, source.width]).to.deep.equal([count, 8]);
    expect([...(await source.read(count - 1, 1))].slice(0, 3)).to.deep.equal([count - 1, count - 0.5, 1]);
    expect([...(await source.read(7, 1))].slice(0, 3)).to.deep.equal([7, 7.5, 1]);
    expect((await readdir(tmpdir())).filter(name => name.includes('scratch'))).to.deep.equal(before);
    await source.close();
  });
});

describe('array writers', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(folder, { recursive: true }));

  const data = Float32Array.from({ length: 24 }, (_, i) => (i - 11) / 8);
  const writers = {
    npy: (path: string) => openNpyWriter(path, [6, 4]),
    npz: (path: string) => openNpzWriter(path, [6, 4], 'x'),
    safetensors: (path: string) => openSafetensorsWriter(path, [6, 4], 'x'),
    csv: (path: string) => openCsvWriter(path, [6, 4]),
    json: (path: string) => openJsonWriter(path, [6, 4]),
  };
  for (const [name, start] of Object.entries(writers)) {
    it(`write .${name} in parts, whole or not at all`, async () => {
      const path = join(folder, `a.${name}`);
      const writer = await start(path);
      await writer.append(data.subarray(0, 8));
      await writer.append(data.subarray(8, 20));
      expect(await readdir(folder)).to.not.include(`a.${name}`);
      await writer.append(data.subarray(20));
      await writer.finish();
      const source = await openRowSource(path);
      expect([source.rows, source.width]).to.deep.equal([6, 4]);
      expect(await source.read(0, 6)).to.deep.equal(data);
      await source.close();

      const before = await readFile(path);
      const short = await start(path);
      await short.append(data.subarray(0, 8));
      const failure = await short.finish().catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(InvalidShapeError);
      expect(Buffer.compare(await readFile(path), before)).to.equal(0);
      expect((await readdir(folder)).filter(file => file.endsWith('.tmp'))).to.deep.equal([]);
    });
  }
});
