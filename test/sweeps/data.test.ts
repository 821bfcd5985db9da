/** Sweeps of autoencoders on activations from files, and on what a model computes meanwhile. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { inShards, sweep } from '../../src/cli/experiment/sweep.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import type { SweepPlan } from '../../src/sweeps/plan.ts';
import { summariseSweep } from '../../src/sweeps/summary.ts';
import { SweepFolder } from '../../src/sweeps/sweep-folder.ts';
import { CHECKPOINT } from '../../src/training/node.ts';
import { runCommand } from '../cli/run-command.ts';
import { resultsOf } from './run-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'sweep-data-'));
const at = (name: string): string => join(folder, name);
after(() => rmSync(folder, { recursive: true, force: true }));

/** Writes rows that are sums of a few of 12 directions in 8 dimensions, drawn with `seed`. */
function writeRows(file: string, seed: number): void {
  const random = createRandomSource(seed);
  const directions = Float32Array.from({ length: 12 * 8 }, () => random.normal());
  const data = new Float32Array(1500 * 8);
  for (let row = 0; row < 1500; row++) {
    for (let feature = 0; feature < 12; feature++) {
      if (random.uniform() > 0.2) continue;
      const size = random.uniform();
      for (let i = 0; i < 8; i++) data[row * 8 + i]! += size * directions[feature * 8 + i]!;
    }
  }
  writeFileSync(file, writeNpy({ data, shape: [1500, 8] }));
}

/** Stops a sweep once a run has a checkpoint. */
async function stopInTheMiddle(plan: SweepPlan, out: string): Promise<void> {
  const stop = new AbortController();
  const ended = sweep(plan, { out, threads: 2, checkpointEvery: 20, signal: stop.signal }).then(
    () => 'done',
    () => 'stopped',
  );
  const groups = join(out, 'checkpoints');
  const isBegun = (): boolean =>
    existsSync(groups) &&
    readdirSync(groups, { recursive: true, encoding: 'utf8' }).some(name => name.endsWith(CHECKPOINT));
  while (!isBegun()) await sleep(5);
  stop.abort();
  expect(await ended).to.equal('stopped');
}

/** Goes on with a sweep that was stopped, in two shards: the same bytes as one that was not. */
async function expectSameBytes(plan: SweepPlan, out: string, whole: string): Promise<void> {
  await stopInTheMiddle(plan, out);
  for (const shard of [1, 2]) await sweep(plan, { out, threads: 2, executor: inShards(shard, 2) });
  expect(resultsOf(out)).to.deep.equal(resultsOf(whole));
}

describe('a sweep on activations from files', () => {
  const whole = at('files');
  const planOn = (file: string): SweepPlan => ({
    train: 'sae',
    base: { activations: [file], dSae: 16, steps: 400, batchSize: 64 },
    grid: { k: [1, 3] },
    seeds: 2,
  });

  before(async () => {
    writeRows(at('rows.npy'), 0);
    await sweep(planOn(at('rows.npy')), { out: whole, threads: 2 });
  });

  it('measures each run as `train sae` does', async () => {
    const { configurations, runs } = await summariseSweep(new SweepFolder(whole));
    expect(configurations.map(({ settings }) => settings)).to.deep.equal([{ k: 1 }, { k: 3 }]);
    const explained = configurations.map(({ metrics }) => metrics['explained_variance']!.mean);
    expect(explained[1]).to.be.greaterThan(explained[0]! + 0.1);
    const settings = ['--d-sae', '16', '--steps', '400', '--k', '3', '--batch-size', '64', '--seed', '1'];
    const args = ['train', 'sae', '--activations', at('rows.npy'), ...settings, '--out', at('alone'), '--json'];
    const alone = await runCommand(args);
    expect(alone.status, alone.stderr).to.equal(0);
    const { after } = JSON.parse(alone.stdout).result;
    const own = runs.find(run => run.settings['k'] === 3 && run.settings['seed'] === 1)!;
    expect(own.metrics['explained_variance']).to.be.closeTo(after.explained_variance, 1e-3);
    expect(own.metrics['l0']).to.be.closeTo(after.l0, 1e-2);
  });

  it('gives the same bytes in shards, after it was stopped in the middle of a run', () =>
    expectSameBytes(planOn(at('rows.npy')), at('files-stopped'), whole));

  it('tells files by what they hold: a copy elsewhere is done, other rows under the same name are not', async () => {
    const dryRun = async (file: string): Promise<string> => {
      writeFileSync(at('plan.json'), JSON.stringify(planOn(file)));
      return (await runCommand(['sweep', at('plan.json'), '--out', whole, '--dry-run'])).stdout;
    };
    cpSync(at('rows.npy'), at('copy.npy'));
    expect(await dryRun(at('copy.npy'))).to.equal('4 runs in 4 groups, 4 done\n');
    mkdirSync(at('other'));
    writeRows(at('other/rows.npy'), 1);
    expect(await dryRun(at('other/rows.npy'))).to.equal('4 runs in 4 groups, 0 done\n');
  });

  it('says which run names a file that is not there', async () => {
    const refusal = await sweep(planOn(at('none.npy')), { out: at('none') }).then(
      () => 'nothing was refused',
      (error: Error) => error.message,
    );
    expect(refusal).to.match(/^run 1 of the plan: .*none\.npy/);
  });
});

describe('a sweep on what a model computes', () => {
  const host = (name: string): string => fileURLToPath(new URL(`../host/language-model/${name}`, import.meta.url));
  const plan: SweepPlan = {
    train: 'sae',
    base: {
      model: host('model.onnx'),
      tensor: '/b0/Add_3_output_0',
      input: [host('ids.npy')],
      mask: host('mask.npy'),
      dSae: 48,
      batchSize: 64,
      steps: 400,
    },
    grid: { k: [2, 6] },
  };

  it('trains and measures, and gives the same bytes in shards after it was stopped in the middle of a run', async () => {
    const whole = at('model');
    const { runs } = await summariseSweep(await sweep(plan, { out: whole, threads: 2 }));
    const explained = runs.map(({ metrics }) => metrics['explained_variance']!);
    // `train sae --model` with these settings explains more than .8 (test/cli/main.test.ts).
    expect(explained[1]).to.be.greaterThan(0.8);
    expect(explained[0]).to.be.lessThan(explained[1]!);
    expect(Object.keys(runs[0]!.contents).sort()).to.deep.equal(['input', 'mask', 'model']);
    await expectSameBytes(plan, at('model-stopped'), whole);
  });
});
