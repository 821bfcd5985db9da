/** What a stopped run leaves behind, and that going on from it ends in the same bits. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { StoppedError } from '../../src/experiments/context.ts';
import { runSae, SAE_DEFAULTS } from '../../src/experiments/sae-run.ts';
import { runToyModel, TOY_MODEL_DEFAULTS } from '../../src/experiments/toy-model-run.ts';
import { readToyModel } from '../../src/experiments/toy-model-truth.ts';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { temporaryFolder, testContext } from './context.ts';
import { rejection } from './rejection.ts';
import { runCommand } from './run-command.ts';

describe('an experiment that is stopped', () => {
  const settings = { ...TOY_MODEL_DEFAULTS, restarts: 3, steps: 400, batchSize: 64 };

  it('goes on from its checkpoint to the same bits, files and all', async () => {
    const whole = await testContext();
    await runToyModel(settings, whole);

    const interruption = new AbortController();
    const stopped = await testContext({
      signal: interruption.signal,
      progress:
        () =>
        ({ step }) => {
          if (step >= 150) interruption.abort();
        },
    });
    const error = await rejection(runToyModel(settings, stopped));
    expect(error).to.be.instanceOf(StoppedError);
    expect(error.message).to.match(/stopped after \d+ steps; --resume/);
    expect(existsSync(join(stopped.folder, 'toy-model.onnx'))).to.equal(false);

    const resumed = await runToyModel(settings, await testContext({ folder: stopped.folder, resume: true }));
    expect(resumed.run.history.loss).to.have.length(400);
    for (const file of ['toy-model.onnx', 'toy-model.json', 'toy-model.checkpoint.safetensors']) {
      expect(await readFile(join(stopped.folder, file))).to.deep.equal(await readFile(join(whole.folder, file)));
    }

    const sae = { ...SAE_DEFAULTS, steps: 300, batchSize: 128 };
    const toyModel = await readToyModel(join(whole.folder, 'toy-model.onnx'));
    await runSae(sae, toyModel, whole);
    const again = new AbortController();
    const half = await testContext({
      signal: again.signal,
      progress:
        () =>
        ({ step }) =>
          step >= 100 && again.abort(),
    });
    await rejection(runSae(sae, toyModel, half));
    await runSae(sae, toyModel, await testContext({ folder: half.folder, resume: true }));
    for (const file of ['sae.onnx', 'history.json']) {
      expect(await readFile(join(half.folder, file))).to.deep.equal(await readFile(join(whole.folder, file)));
    }
  });

  it('refuses the checkpoint of another experiment, and says what differs', async () => {
    const context = await testContext();
    await runToyModel({ ...settings, steps: 20 }, context);
    const other = runToyModel({ ...settings, steps: 20, sparsity: 0.5 }, { ...context, resume: true });
    expect((await rejection(other)).message).to.match(
      /toy-model\.checkpoint\.safetensors: is a checkpoint of another experiment: .*data\.sparsity is 0\.9 there and 0\.5 here/,
    );
  });

  it('goes on for more steps than it was to take, to the bits of a run that was to take them at once', async () => {
    const context = await testContext();
    await runToyModel({ ...settings, steps: 20 }, context);
    const longer = await runToyModel({ ...settings, steps: 50 }, { ...context, resume: true });
    const whole = await runToyModel({ ...settings, steps: 50 }, await testContext());
    expect(longer.model.state).to.deep.equal(whole.model.state);
    const shorter = runToyModel({ ...settings, steps: 30 }, { ...context, resume: true });
    expect((await rejection(shorter)).message).to.include('the checkpoint holds 50 steps, more than the 30');
  });

  it('is the same experiment whatever else the command line says', async () => {
    const folder = await temporaryFolder();
    const args = ['--steps', '20', '--batch-size', '8', '--out', folder];
    expect((await runCommand('toy', ...args)).status).to.equal(0);
    const again = await runCommand('toy', ...args, '--resume', '--checkpoint-every', '7', '--engine', 'onnxruntime');
    expect(again).to.deep.equal({ status: 0, lines: [''] });
  });

  it('saves at Ctrl-C, says how to go on, and ends with status 130', async () => {
    const folder = await temporaryFolder();
    const args = [
      'scripts/train-toy-model-for-sae.ts',
      '--steps',
      '1000000',
      '--checkpoint-every',
      '200',
      '--out',
      folder,
    ];
    const child = spawn(process.execPath, ['--import=tsx', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => {
      words += chunk.toString();
    });
    const closed = once(child, 'close');
    const file = join(folder, 'toy-model.checkpoint.safetensors');
    while (!existsSync(file) && child.exitCode === null) await setTimeout(20);
    child.kill('SIGINT');
    const [status] = await closed;
    expect(status).to.equal(130);
    const said = /the toy model stopped after (\d+) steps; --resume goes on/.exec(words);
    expect(words.trim().split('\n').at(-1)).to.match(/^monosemantic: the toy model stopped/);
    const { metadata } = readSafetensors(await readFile(file), { file });
    expect(metadata['step']).to.equal(said![1]);
  });
});
