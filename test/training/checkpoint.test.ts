import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { type Checkpoint, checkpointFile, loadCheckpoint } from '../../src/training/checkpoint.ts';

const CHECKPOINT: Checkpoint = {
  experiment: { what: 'toy-model', seed: 1, steps: 10 },
  step: 3,
  state: { 'parameters.weight': { data: Float32Array.of(1, 2, 1e-30), shape: [3] } },
  metrics: { loss: Float32Array.of(3, 2, 1) },
  snapshots: [{ step: 0, value: { data: Float32Array.of(5), shape: [1] } }],
  batches: [1, 2, 3, 4],
};

describe('checkpoints', () => {
  let folder: string;
  let file: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
    file = join(folder, 'run.checkpoint.safetensors');
    await checkpointFile(file).save(CHECKPOINT);
  });

  after(() => rm(folder, { recursive: true }));

  const load = (from = file, experiment = CHECKPOINT.experiment, template = CHECKPOINT.state) =>
    loadCheckpoint(from, experiment, template).catch((error: unknown) => error);

  it('come back as they were saved, and leave nothing else behind', async () => {
    expect(await load()).to.deep.equal(CHECKPOINT);
    expect(await readdir(folder)).to.deep.equal(['run.checkpoint.safetensors']);
  });

  it('of another experiment are refused, with the settings that differ', async () => {
    const failure = (await load(file, { what: 'toy-model', seed: 2, steps: 10 })) as Error;
    expect(failure).to.be.instanceOf(FileFormatError);
    expect(failure.message).to.include(file).and.include('another experiment: seed is 1 there and 2 here');
  });

  it('of another shape, truncated, foreign or missing are refused', async () => {
    const other = { 'parameters.weight': { data: new Float32Array(2), shape: [2] } };
    expect(((await load(file, CHECKPOINT.experiment, other)) as Error).message).to.include(
      'expected "parameters.weight"',
    );
    const cut = join(folder, 'cut.safetensors');
    await writeFile(cut, (await readFile(file)).subarray(0, -5));
    const text = join(folder, 'text.safetensors');
    await writeFile(text, 'no checkpoint at all');
    for (const bad of [cut, text, join(folder, 'none.safetensors')]) {
      expect(await load(bad)).to.be.instanceOf(FileFormatError);
    }
  });
});
