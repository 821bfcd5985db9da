import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import type { HostTensors } from '../../src/tensor.ts';
import { type Checkpoint, checkpointFile, loadCheckpoint } from '../../src/training/checkpoint.ts';
import { resumedState } from '../../src/training/resumed-state.ts';

const CHECKPOINT: Checkpoint = {
  experiment: { what: 'toy-model', seed: 1, steps: 10 },
  step: 3,
  state: { 'parameters.weight': { data: Float32Array.of(1, 2, 1e-30), shape: [3] } },
  metrics: { loss: Float32Array.of(3, 2, 1) },
  snapshots: [{ step: 0, value: { directions: { data: Float32Array.of(5), shape: [1] } } }],
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

  const load = (from = file, experiment = CHECKPOINT.experiment) =>
    loadCheckpoint(from, experiment).catch((error: unknown) => error);

  it('come back as they were saved, and leave nothing else behind', async () => {
    expect(await load()).to.deep.equal(CHECKPOINT);
    expect(await readdir(folder)).to.deep.equal(['run.checkpoint.safetensors']);
  });

  it('of another experiment are refused, with the settings that differ', async () => {
    const failure = (await load(file, { what: 'toy-model', seed: 2, steps: 10 })) as Error;
    expect(failure).to.be.instanceOf(FileFormatError);
    expect(failure.message).to.include(file).and.include('another experiment: seed is 1 there and 2 here');
  });

  it('of another step are refused', () => {
    const [two, three] = [2, 3].map(size => ({ data: new Float32Array(size), shape: [size] }));
    const refused = (expected: HostTensors) => () => resumedState(CHECKPOINT, expected);
    expect(refused({ 'parameters.weight': three! })()).to.deep.equal(CHECKPOINT.state);
    expect(refused({ 'parameters.weight': two! })).to.throw(
      FileFormatError,
      'the checkpoint must hold "parameters.weight" of shape [2], it holds [3]',
    );
    expect(refused({ 'parameters.weight': three!, 'parameters.bias': two! })).to.throw(
      '"parameters.bias" of shape [2], it holds nothing',
    );
    expect(refused({})).to.throw('holds "parameters.weight", which this step does not have');
  });

  it('truncated, foreign or missing are refused', async () => {
    const cut = join(folder, 'cut.safetensors');
    await writeFile(cut, (await readFile(file)).subarray(0, -5));
    const text = join(folder, 'text.safetensors');
    await writeFile(text, 'no checkpoint at all');
    for (const bad of [cut, text, join(folder, 'none.safetensors')]) {
      expect(await load(bad)).to.be.instanceOf(FileFormatError);
    }
  });
});
