import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { OpenFiles } from '../../src/data/open-files.ts';
import { DisposedError, FileFormatError } from '../../src/errors.ts';
import { writeNpy } from '../../src/files/npy.ts';

const COUNT = 100;

describe('open files', () => {
  let folder: string;
  let paths: string[];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'open-files-'));
    paths = Array.from({ length: COUNT }, (_, i) => join(folder, `${i}.npy`));
    for (const [i, path] of paths.entries()) {
      await writeFile(path, writeNpy({ data: new Float32Array(20).fill(i), shape: [10, 2] }));
    }
  });
  after(() => rm(folder, { recursive: true }));

  /** Descriptors of this process that lie in the folder. */
  const handles = async (): Promise<number> => {
    const links = (await readdir('/proc/self/fd')).map(fd => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    return (await Promise.all(links)).filter(path => path.startsWith(folder)).length;
  };
  const first = (files: OpenFiles, path: string): Promise<number> =>
    files.use(path, async source => (await source.read(3, 1))[0]!);

  it('share one handle between reads that overlap, keep few open, and close all', async function () {
    if (process.platform !== 'linux') this.skip();
    const files = new OpenFiles(undefined);
    expect(await Promise.all([0, 0, 0, 0].map(i => first(files, paths[i]!)))).to.deep.equal([0, 0, 0, 0]);
    expect(await handles()).to.equal(1);
    for (const [i, path] of paths.entries()) expect(await first(files, path)).to.equal(i);
    expect(await handles()).to.equal(64);
    await files.close();
    expect(await handles()).to.equal(0);
  });

  it('never close a file that is being read, however many are', async function () {
    if (process.platform !== 'linux') this.skip();
    const files = new OpenFiles(undefined);
    const { promise: gate, resolve: open } = gateOf();
    // All are open before the first of them is read.
    const reads = paths.map(path =>
      files.use(path, async source => {
        await gate;
        return (await source.read(0, 1))[0]!;
      }),
    );
    const again = paths.map(path => first(files, path));
    await Promise.all(again);
    expect(await handles()).to.equal(COUNT);
    open();
    expect(await Promise.all(reads)).to.deep.equal(paths.map((_, i) => i));
    expect(await handles()).to.be.at.most(64);
    await files.close();
    expect(await handles()).to.equal(0);
  });

  it('wait for what is being read before they close, and open nothing afterwards', async () => {
    const files = new OpenFiles(undefined);
    const { promise: gate, resolve: open } = gateOf();
    const reading = files.use(paths[1]!, async source => {
      await gate;
      return (await source.read(0, 1))[0]!;
    });
    let isClosed = false;
    const closing = files.close().then(() => {
      isClosed = true;
    });
    const refused = await first(files, paths[2]!).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(DisposedError);
    expect(isClosed).to.equal(false);
    open();
    expect(await reading).to.equal(1);
    await closing;
  });

  it('fail alike for all who wait for a file that cannot be opened, and open it once it is there', async () => {
    const files = new OpenFiles(undefined);
    const late = join(folder, 'late.npy');
    const failures = await Promise.allSettled([first(files, late), first(files, late)]);
    for (const failure of failures) {
      expect(failure.status === 'rejected' && failure.reason).to.be.instanceOf(FileFormatError);
    }
    await writeFile(late, writeNpy({ data: new Float32Array(20).fill(7), shape: [10, 2] }));
    expect(await first(files, late)).to.equal(7);
    await files.close();
  });
});

function gateOf(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>(done => {
    resolve = done;
  });
  return { promise, resolve };
}
