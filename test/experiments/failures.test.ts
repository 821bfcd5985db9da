/** What a person sees when an experiment cannot go on: one line on stderr, and an exit status that says whose fault it was. */
import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { runToyModel, TOY_MODEL_DEFAULTS } from '../../src/experiments/toy-model-run.ts';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { temporaryFolder, testContext } from './context.ts';
import { runCommand } from './run-command.ts';

describe('an experiment that cannot go on', () => {
  it('stops at the step whose loss is not a number; the checkpoint before it stands', async () => {
    const context = await testContext();
    const { file } = await runToyModel({ ...TOY_MODEL_DEFAULTS, steps: 200 }, context);
    const out = join(context.folder, 'sae');
    const rate = ['--learning-rate', '1e17', '--checkpoint-every', '1', '--steps', '500'];
    const { status, lines } = await runCommand('sae', '--toy-model', file, '--out', out, ...rate);
    expect(status).to.equal(1);
    expect(lines).to.have.length(1);
    const [, at, where] = /training stopped at step (\d+): .*; the last good state, after \d+ steps?, is in (.*)$/.exec(
      lines[0]!,
    )!;
    expect(where).to.equal(join(out, 'sae.checkpoint.safetensors'));
    const { tensors, metadata } = readSafetensors(await readFile(where!), { file: where! });
    expect(Number(metadata['step'])).to.be.within(1, Number(at));
    for (const { data } of tensors.values()) expect(Array.from(data).every(Number.isFinite)).to.equal(true);
  });

  it('says that a folder cannot be written to', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'file'), '');
    const { status, lines } = await runCommand('toy', '--out', join(folder, 'file', 'run'));
    expect(status).to.equal(1);
    expect(lines).to.deep.equal([
      `monosemantic: ${join(folder, 'file', 'run')}: cannot be written: a part of its path is a file, not a folder`,
    ]);
  });

  it('says that there is nothing to resume from', async () => {
    const folder = join(await temporaryFolder(), 'empty');
    await mkdir(folder);
    const { status, lines } = await runCommand('toy', '--out', folder, '--resume');
    expect(status).to.equal(1);
    expect(lines).to.deep.equal([`monosemantic: ${folder}: there is no checkpoint to resume from`]);
  });

  it('says that the toy model is missing', async () => {
    const folder = await temporaryFolder();
    const { status, lines } = await runCommand('sae', '--toy-model', join(folder, 'none.onnx'), '--out', folder);
    expect(status).to.equal(1);
    expect(lines).to.have.length(1);
    expect(lines[0]).to.contain('none.onnx');
  });

  for (const args of [
    ['--steps', '0'],
    ['--sparsity', '1.5'],
    ['--engine', 'abacus'],
    ['--no-such-flag'],
    ['--seed', 'x'],
  ]) {
    it(`calls ${args.join(' ')} wrong usage: status 2`, async () => {
      const { status, lines } = await runCommand('toy', ...args);
      expect(status).to.equal(2);
      expect(lines).to.have.length(1);
      expect(lines[0]).to.contain(args[0]);
    });
  }

  for (const args of [
    ['--dead-after', '5'],
    ['--activation', 'relu', '--aux-k'],
    ['--activation', 'relu', '--dead-after', '5'],
    ['--aux-k', '0'],
  ]) {
    it(`calls ${args.join(' ')} of an autoencoder wrong usage: status 2`, async () => {
      const { status, lines } = await runCommand('sae', ...args, '--toy-model', 'models/toy-model.onnx');
      expect(status).to.equal(2);
      expect(lines[0]).to.contain(args.find(arg => /aux|dead/.test(arg)));
    });
  }

  it('gives a process the same status', async () => {
    const child = spawn(process.execPath, ['--import=tsx', 'scripts/study.ts', 'zeros'], {
      stdio: 'pipe',
    });
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => {
      words += chunk.toString();
    });
    const status = await new Promise(resolve => child.on('close', resolve));
    expect(status).to.equal(2);
    expect(words.trim()).to.match(/^monosemantic: .*recovery, sae-big, sparsity/);
  });
});
