import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { FileWriteError } from '../../src/errors.ts';
import { sweepTemporaryFiles } from '../../src/files/temporary-files.ts';
import { prepareToWrite, writeFileAtomic } from '../../src/files/write-atomic.ts';

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

  it('takes names as long as the file system does', async () => {
    for (const name of ['n'.repeat(255), '€'.repeat(85)]) {
      await writeFileAtomic(join(folder, name), 'x');
      await rm(join(folder, name));
    }
  });

  it('knows before the work whether its result can be written', async () => {
    const path = join(folder, 'later');
    await prepareToWrite(path);
    expect(await readdir(folder)).to.deep.equal(['a.json']);
    expect(await failure(prepareToWrite(join(folder, 'none', 'b')))).to.be.instanceOf(FileWriteError);
    expect(((await failure(prepareToWrite(folder))) as Error).message).to.include('a folder has that name');
    if (process.platform === 'linux') {
      expect(await failure(prepareToWrite('/proc/self/monosemantic'))).to.be.instanceOf(FileWriteError);
    }
  });

  it('says that a folder is not writable', async function () {
    // Root may write anywhere, so the folder has to be one that the kernel itself refuses.
    if (process.platform !== 'linux') this.skip();
    const error = await failure(writeFileAtomic('/proc/self/monosemantic', 'x'));
    expect(error).to.be.instanceOf(FileWriteError);
  });
});

/** Starts writing a file in `folder`, tells its temporary name, and goes on for ever. */
const WRITER = `
  import { openSync, writeSync } from 'node:fs';
  import { temporaryPathBeside } from ${JSON.stringify(new URL('../../src/files/temporary-files.ts', import.meta.url).href)};
  const path = temporaryPathBeside(process.argv.at(-1));
  writeSync(openSync(path, 'wx'), 'half');
  console.log(path);
  setInterval(() => {}, 1000);
`;

function startWriter(target: string, command = ''): Promise<{ readonly child: ChildProcess; readonly name: string }> {
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', WRITER, '--', target];
  const [program, ...args] = [...command.split(' ').filter(Boolean), ...node];
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.stdout!.once('data', data => resolve({ child, name: basename(String(data).trim()) }));
    child.once('exit', code => reject(new Error(`the writer ended with ${code}`)));
  });
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
}

describe('temporary files of writers that died', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are removed at the next start; those of living writers, and other files, stay', async () => {
    const [dead, living] = await Promise.all([startWriter(join(folder, 'x')), startWriter(join(folder, 'x'))]);
    try {
      const others = ['.x.123-4.tmp', '.x.tmp', 'x', '.x.0000000g-1-2-00000000.tmp'];
      for (const name of others) await writeFile(join(folder, name), 'kept');
      await kill(dead.child);
      expect(await prepareToWrite(join(folder, 'y'))).to.deep.equal([dead.name]);
      expect(await readdir(folder)).to.have.members([living.name, ...others]);
    } finally {
      await kill(living.child);
    }
    expect(await sweepTemporaryFiles(folder)).to.deep.equal([living.name]);
  });

  it('of another machine or container are removed when they have not changed for long', async () => {
    const names = ['.x.00000001-1-5-00000001.tmp', '.x.00000001-1-5-00000002.tmp'];
    for (const name of names) await writeFile(join(folder, name), '');
    const old = new Date(Date.now() - 3_600_000);
    await utimes(join(folder, names[0]!), old, old);
    expect(await sweepTemporaryFiles(folder)).to.deep.equal([names[0]]);
  });

  it('are told from those of living ones where every process has number 1', async function () {
    const command = 'unshare --fork --kill-child --pid';
    if (process.platform !== 'linux' || spawnSync('unshare', ['--fork', '--pid', 'true']).status !== 0) {
      console.log('      skipped: no process namespaces can be made here (unshare --fork --pid)');
      this.skip();
    }
    const target = join(folder, 'x');
    const [dead, living] = await Promise.all([startWriter(target, command), startWriter(target, command)]);
    try {
      await kill(dead.child);
      await writeFileAtomic(target, 'whole');
      expect(await sweepTemporaryFiles(folder)).to.deep.equal([dead.name]);
      expect(await readdir(folder)).to.have.members(['x', living.name]);
    } finally {
      await kill(living.child);
    }
  });
});
