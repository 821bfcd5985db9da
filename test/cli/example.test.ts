/** `monosemantic example` with few images and steps: everything that it promises is in its folder, and an earlier run there stays. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runCommand } from './run-command.ts';

describe('monosemantic example', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-example-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('goes from the recogniser to feature pages, and does not replace a run unasked', async () => {
    const out = join(folder, 'run');
    const line = ['example', '--out', out, '--images', '24', '--steps', '60', '--d-sae', '32', '--json'];
    const { status, stdout, stderr } = await runCommand(line);
    expect(status, stderr).to.equal(0);
    const result = JSON.parse(stdout);
    // The recogniser itself reads other characters with the tensor at its mean; a trained SAE keeps most of them.
    expect(result.sameCharacter).to.be.within(0.8, 1);
    expect(result.explainedVariance).to.be.within(0.2, 1);
    expect(await readdir(out)).to.include.members(['activations.npy', 'merged.onnx', 'pages', 'run.json', 'sae.onnx']);
    const manifest = JSON.parse(await readFile(join(out, 'pages/bundle.json'), 'utf8'));
    expect(manifest.activations.rows).to.equal(8 * 40);

    const again = await runCommand(line);
    expect(again.status).to.equal(1);
    expect(again.stderr).to.include('--overwrite');
  });
});
