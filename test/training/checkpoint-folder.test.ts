/** What training finds out about its folder before its first step. */
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { FileWriteError } from '../../src/errors.ts';
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
