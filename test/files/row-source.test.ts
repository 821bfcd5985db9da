import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError, FileWriteError, InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { openNpyWriter } from '../../src/files/array-writers.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { openRowSource } from '../../src/files/row-source.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';

describe('openRowSource', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(folder, { recursive: true }));

  const failure = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(() => undefined).catch((error: unknown) => error);
  const put = async (name: string, data: string | Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), data);
    return join(folder, name);
  };

  const data = Array.from({ length: 24 }, (_, i) => i);
  const forms: [string, () => string | Uint8Array][] = [
    ['a.npy', () => writeNpy({ data, shape: [2, 3, 4] })],
    ['half.npy', () => writeNpy({ data, shape: [6, 4], type: 'float16' })],
    ['a.safetensors', () => writeSafetensors({ x: { data, shape: [6, 4], type: 'bfloat16' } })],
    ['a.json', () => JSON.stringify({ shape: [6, 4], data })],
    ['a.csv', () => data.map(i => (i % 4 === 3 ? `${i}\n` : `${i},`)).join('')],
  ];
  for (const [name, contents] of forms) {
    it(`reads rows of ${name} from the middle`, async () => {
      const source = await openRowSource(await put(name, contents()));
      expect([source.rows, source.width]).to.deep.equal([6, 4]);
      expect([...(await source.read(4, 2))]).to.deep.equal(data.slice(16));
      expect([...(await source.read(1, 1))]).to.deep.equal([4, 5, 6, 7]);
      expect(await failure(source.read(5, 2))).to.be.instanceOf(InvalidValueError);
      await source.close();
    });
  }

  it('reads Fortran order', async () => {
    const source = await openRowSource(new URL('numpy/fortran.npy', import.meta.url).pathname);
    expect([...(await source.read(0, 6))]).to.deep.equal(data);
    await source.close();
  });

  it('lists the tensors where several are there and none is named', async () => {
    const one = { data: [1, 2], shape: [1, 2] };
    const path = await put('two.safetensors', writeSafetensors({ one, two: { data: [3, 4], shape: [1, 2] } }));
    expect(((await failure(openRowSource(path))) as Error).message).to.include('several tensors: name one of one, two');
    expect(((await failure(openRowSource(path, { tensor: 'x' }))) as Error).message).to.include('no tensor named "x"');
    const source = await openRowSource(path, { tensor: 'two' });
    expect([...(await source.read(0, 1))]).to.deep.equal([3, 4]);
    await source.close();
  });

  it('gives a typed error for a missing file and a file of another kind', async () => {
    expect(await failure(openRowSource(join(folder, 'none')))).to.be.instanceOf(FileFormatError);
    const binary = await put(
      'binary',
      Uint8Array.from({ length: 300 }, (_, i) => (i * 37) % 256),
    );
    expect(await failure(openRowSource(binary))).to.be.instanceOf(FileFormatError);
  });

  it('writes a .npy file by rows, the same bytes as at once', async () => {
    const path = join(folder, 'rows.npy');
    const writer = await openNpyWriter(path, [6, 4]);
    for (let row = 0; row < 6; row++) await writer.append(data.slice(4 * row, 4 * row + 4));
    await writer.finish();
    expect(Buffer.compare(await readFile(path), writeNpy({ data, shape: [6, 4] }))).to.equal(0);
  });

  it('leaves nothing where rows are missing or the folder is', async () => {
    const writer = await openNpyWriter(join(folder, 'short.npy'), [6, 4]);
    await writer.append([1, 2, 3, 4]);
    expect(await failure(writer.finish())).to.be.instanceOf(InvalidShapeError);
    expect((await readdir(folder)).filter(name => name.includes('short'))).to.deep.equal([]);
    expect(await failure(openNpyWriter(join(folder, 'none', 'x.npy'), [1]))).to.be.instanceOf(FileWriteError);
  });
});
