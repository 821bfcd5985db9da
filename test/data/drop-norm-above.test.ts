/** Rows of enormous norm in files: left out of training and counted, held out all the same. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { activationFiles } from '../../src/data/activation-files.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidValueError } from '../../src/errors.ts';
import { writeNpy } from '../../src/files/npy.ts';

const [ROWS, WIDTH, EVERY] = [2000, 4, 50];

describe('rows above a multiple of the median norm', () => {
  let folder = '';
  let file = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    file = join(folder, 'rows.npy');
    const random = createRandomSource(1);
    const data = Float32Array.from({ length: ROWS * WIDTH }, () => random.normal());
    // Every fiftieth row is a sink, a thousand times as long as others.
    for (let row = 0; row < ROWS; row += EVERY) data.fill(1000, row * WIDTH, (row + 1) * WIDTH);
    await writeFile(file, writeNpy({ data, shape: [ROWS, WIDTH] }));
  });
  after(() => rm(folder, { recursive: true }));

  it('are never trained on nor sampled, each is counted once, and those held out stay', async () => {
    await using open = await activationFiles(file, { dropNormAbove: 10 }).open({
      seed: 3,
      batchSize: 100,
      holdOut: 0.1,
    });
    // The median norm of four normals is 1.83.
    expect(open.normLimit).to.be.within(16, 21);
    const isLong = (values: ArrayLike<number>): boolean => Array.from(values).some(value => value > 100);
    expect(isLong((await open.sample(1000)).data)).to.equal(false);
    const activations = new Float32Array(100 * WIDTH);
    for (let step = 0; step < 60; step++) {
      await open.batches.fill({ activations }, 1);
      expect(isLong(activations)).to.equal(false);
    }
    let heldOut = 0;
    for await (const { input } of open.heldOut(ROWS, ROWS)) {
      for (let row = 0; row < input.shape[0]!; row++) if (input.data[row * WIDTH]! > 100) heldOut++;
    }
    expect(heldOut).to.be.above(0);
    expect(open.droppedByNorm).to.equal(ROWS / EVERY - heldOut);
  });

  it('need a positive multiple', () => {
    expect(() => activationFiles(file, { dropNormAbove: 0 })).to.throw(
      InvalidValueError,
      'dropNormAbove must be positive',
    );
  });
});
