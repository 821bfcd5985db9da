/** A folder that one writer at a time may use: this process, another one, one that was killed, and one that cannot be seen. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { FileWriteError, FolderInUseError } from '../../src/errors.ts';
import { lockFolder } from '../../src/files/folder-lock.ts';

const MODULE = pathToFileURL(new URL('../../src/files/folder-lock.ts', import.meta.url).pathname).href;
/** Of a holder that does not exist on this machine. */
const STRANGER = { space: 'ffffffff', pid: 1, started: 5, token: 'elsewhere' };

describe("a folder's lock", () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const refused = (name = 'run') =>
    lockFolder(folder, name, { beat: 20 }).then(
      () => undefined,
      (error: unknown) => error,
    );

  /** Another process that holds the lock until it is killed. */
  async function holder() {
    const script = `const { lockFolder } = await import(${JSON.stringify(MODULE)});
      await lockFolder(${JSON.stringify(folder)}, 'run');
      console.log('held');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    await once(child.stdout, 'data');
    return child;
  }

  it('is held by one at a time, free after its release, and leaves nothing', async () => {
    const first = await lockFolder(folder, 'run');
    expect(await refused()).to.be.instanceOf(FolderInUseError);
    const other = await lockFolder(folder, 'sae');
    await first.release();
    await first.release();
    const second = await lockFolder(folder, 'run');
    await second.release();
    await other.release();
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('is not taken from a process that lives, and at once from one that was killed', async () => {
    const child = await holder();
    const error = (await refused()) as FolderInUseError;
    expect(error).to.be.instanceOf(FolderInUseError);
    expect(error.message).to.include(`process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const started = Date.now();
    const lock = await lockFolder(folder, 'run', { beat: 60_000 });
    expect(Date.now() - started, 'it does not wait for signs of life').to.be.below(30_000);
    await lock.release();
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('of a process that cannot be seen is taken over once it is still, and not before', async () => {
    const path = join(folder, '.run.lock');
    await writeFile(path, JSON.stringify(STRANGER));
    let beats = 0;
    const timer = setInterval(() => {
      const at = new Date(Date.now() + ++beats * 1000);
      void utimes(path, at, at);
    }, 5);
    expect(await refused()).to.be.instanceOf(FolderInUseError);
    clearInterval(timer);
    await sleep(20);
    const lock = await lockFolder(folder, 'run', { beat: 20 });
    await lock.release();
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('that is damaged is nobody’s', async () => {
    await writeFile(join(folder, '.run.lock'), '{"pid":');
    await (await lockFolder(folder, 'run', { beat: 1 })).release();
  });

  it('goes to one of many that find it dead together', async () => {
    for (let turn = 0; turn < 20; turn++) {
      await writeFile(join(folder, '.run.lock'), JSON.stringify({ ...STRANGER, token: `elsewhere ${turn}` }));
      const all = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder, 'run', { beat: 2 })));
      const held = all.filter(result => result.status === 'fulfilled');
      expect(held).to.have.length(1);
      await held[0]!.value.release();
      expect(await readdir(folder)).to.deep.equal([]);
    }
  });

  it('stays with who took it over from one that was only asleep', async () => {
    const asleep = await lockFolder(folder, 'run', { beat: 1_000_000 });
    await rm(join(folder, '.run.lock'));
    const lock = await lockFolder(folder, 'run');
    await asleep.release();
    expect(await refused()).to.be.instanceOf(FolderInUseError);
    await lock.release();
  });

  it('needs a folder', async () => {
    const error = await lockFolder(join(folder, 'missing'), 'run').catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(FileWriteError);
  });
});
