import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileWriteError } from '../../src/errors.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';

describe('writeFileAtomic', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(folder, { recursive: true }));

  const failure = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(() => undefined).catch((error: unknown) => error);

  it('writes text and bytes, replaces what is there, and leaves nothing else', async () => {
    const path = join(folder, 'a.json');
    await writeFileAtomic(path, '{"a":1}');
    await writeFileAtomic(path, Uint8Array.of(1, 2, 255));
    expect([...(await readFile(path))]).to.deep.equal([1, 2, 255]);
    expect(await readdir(folder)).to.deep.equal(['a.json']);
  });

  it('shows a reader one whole file while many writers replace it', async () => {
    const path = join(folder, 'contended');
    const contents = Array.from({ length: 12 }, (_, i) => String.fromCharCode(97 + i).repeat(200_000));
    await writeFileAtomic(path, contents[0]!);
    const writing = Promise.all(contents.map(content => writeFileAtomic(path, content)));
    for (let i = 0; i < 20; i++) expect(contents).to.include(await readFile(path, 'utf8'));
    await writing;
    await rm(path);
  });

  it('says that the folder is missing, and that a part of the path is a file', async () => {
    const missing = await failure(writeFileAtomic(join(folder, 'none', 'b'), ''));
    expect(missing).to.be.instanceOf(FileWriteError);
    expect((missing as Error).message).to.include('its folder does not exist');
    await writeFile(join(folder, 'plain'), '');
    const through = await failure(writeFileAtomic(join(folder, 'plain', 'b'), ''));
    expect((through as Error).message).to.include('is a file, not a folder');
    await rm(join(folder, 'plain'));
  });

  it('says what the system says, in words', () => {
    const words = {
      EROFS: 'its file system is read-only',
      ENOSPC: 'the disk is full',
      EACCES: 'its folder is not writable',
    };
    for (const [code, message] of Object.entries(words)) {
      expect(new FileWriteError('a', Object.assign(new Error(), { code })).message).to.equal(
        `a: cannot be written: ${message}`,
      );
    }
  });

  it('removes its temporary file where it fails', async () => {
    const path = join(folder, 'folder');
    await mkdir(join(path, 'inside'), { recursive: true });
    const error = await failure(writeFileAtomic(path, 'x'));
    expect(error).to.be.instanceOf(FileWriteError);
    expect((error as Error).message).to.include('a folder has that name');
    expect((await readdir(folder)).filter(name => name.endsWith('.tmp'))).to.deep.equal([]);
    expect(await readdir(path)).to.deep.equal(['inside']);
    await rm(path, { recursive: true });
  });

  it('says that a folder is not writable', async function () {
    // Root may write anywhere, so the folder has to be one that the kernel itself refuses.
    if (process.platform !== 'linux') this.skip();
    const error = await failure(writeFileAtomic('/proc/self/monosemantic', 'x'));
    expect(error).to.be.instanceOf(FileWriteError);
  });
});
