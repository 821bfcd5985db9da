/** What training finds out about its folder before its first step. */
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { FileWriteError, FolderInUseError } from '../../src/errors.ts';
import { trainToyModel } from '../../src/training/node.ts';

const SETTINGS = { data: sparseFeatures({ nFeatures: 4, sparsity: 0.9 }), nHidden: 2, batchSize: 16, steps: 3 };

describe("training's folder", () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is cleared of what a run left half-written that was killed', async () => {
    const left = join(folder, '.toy.checkpoint.00000001-1-5-00000001.tmp');
    await writeFile(left, 'half');
    const old = new Date(Date.now() - 3_600_000);
    await utimes(left, old, old);
    await trainToyModel(SETTINGS, { checkpoint: folder });
    expect((await readdir(folder)).filter(name => name.endsWith('.tmp'))).to.deep.equal([]);
  });

  it('is not used again unless that is said, and then gone on with or begun anew', async () => {
    const first = await trainToyModel(SETTINGS, { checkpoint: folder });
    const again = await trainToyModel(SETTINGS, { checkpoint: folder }).catch((error: unknown) => error);
    expect(again).to.be.instanceOf(FolderInUseError);
    const from: number[] = [];
    const longer = { ...SETTINGS, steps: 5 };
    const resumed = await trainToyModel(longer, {
      checkpoint: folder,
      resume: true,
      onResume: step => from.push(step),
    });
    expect(from).to.deep.equal([3]);
    expect(resumed.history.loss.slice(0, 3)).to.deep.equal(first.history.loss.slice(0, 3));
    expect(resumed.history.steps).to.equal(5);
    const anew = await trainToyModel({ ...SETTINGS, seed: 1 }, { checkpoint: folder, overwrite: true });
    expect(anew.history.loss[0]).to.not.equal(first.history.loss[0]);
  });

  it('is one training’s at a time', async () => {
    const long = { ...SETTINGS, steps: 100_000 };
    const stop = new AbortController();
    let begun = (): void => {};
    const hasBegun = new Promise<void>(resolve => {
      begun = resolve;
    });
    const first = trainToyModel(long, { checkpoint: folder, signal: stop.signal, onProgress: () => begun() });
    await Promise.race([hasBegun, first]);
    const second = await trainToyModel(long, { checkpoint: folder, resume: true }).catch((error: unknown) => error);
    stop.abort();
    // It writes its state before it ends, to a folder that is then removed.
    await first;
    expect(second).to.be.instanceOf(FolderInUseError);
    expect((second as FolderInUseError).folder).to.equal(folder);
  });

  it('is known to be unwritable before the first step', async function () {
    // Root may write anywhere, so the folder has to be one that the kernel itself refuses.
    if (process.platform !== 'linux') this.skip();
    let steps = 0;
    const training = trainToyModel(SETTINGS, { checkpoint: '/proc/self', onProgress: () => steps++ });
    const error = await training.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(FileWriteError);
    expect(steps).to.equal(0);
  });
});
