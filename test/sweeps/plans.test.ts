/** Plans: what they say, what is refused, and what groups follow from them. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { RUN_KINDS } from '../../src/cli/experiment/run-kinds.ts';
import { inShards, sweep } from '../../src/cli/experiment/sweep.ts';
import { groupsOf, nameRun } from '../../src/sweeps/groups.ts';
import { checkPlan, countRuns, plannedRuns, type SweepPlan } from '../../src/sweeps/plan.ts';
import { planSchema } from '../../src/sweeps/plan-schema.ts';
import { summariseSweep } from '../../src/sweeps/summary.ts';
import { SweepFolder } from '../../src/sweeps/sweep-folder.ts';
import { runCommand } from '../cli/run-command.ts';

/** Runs of a plan that is resumed; docs/sweeps.md says what 100,000 came to. */
const LISTED = Number(process.env['MONOSEMANTIC_LISTED_RUNS'] ?? 400);

const TOY: SweepPlan = { train: 'toy', base: { steps: 10 }, grid: { sparsity: [0.5, 0.9] }, seeds: 3 };

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'nothing was refused',
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

async function groups(plan: SweepPlan) {
  const all = [];
  for await (const group of groupsOf(plan, RUN_KINDS[plan.train])) all.push(group);
  return all;
}

const folder = mkdtempSync(join(tmpdir(), 'sweep-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('plans', () => {
  it('combine list, grid and seeds, seeds fastest', () => {
    const plan = {
      train: 'toy',
      list: [{ nHidden: 2 }, { nHidden: 3 }],
      grid: { sparsity: [0.1, 0.2] },
      seeds: 2,
    } as const;
    const runs = [...plannedRuns(plan)].map(({ settings }) => Object.values(settings));
    expect(runs).to.deep.equal([
      [2, 0.1, 0],
      [2, 0.1, 1],
      [2, 0.2, 0],
      [2, 0.2, 1],
      [3, 0.1, 0],
      [3, 0.1, 1],
      [3, 0.2, 0],
      [3, 0.2, 1],
    ]);
    expect(countRuns(plan)).to.equal(8);
  });

  it('say which member is wrong, and how', () => {
    expect(() => checkPlan({ train: 'gpt' })).to.throw('train must be "toy" or "sae", got "gpt"');
    expect(() => checkPlan({ train: 'toy', grids: {} })).to.throw('there is no member "grids"');
    expect(() => checkPlan({ train: 'toy', grid: { steps: [] } })).to.throw(
      'grid.steps must be a list of at least one value',
    );
    expect(() => checkPlan({ train: 'toy', seeds: 0 })).to.throw('seeds must be a count of at least 1');
    expect(() => checkPlan({ train: 'toy', base: { seed: 1 }, seeds: 2 })).to.throw('seed is given twice');
  });

  it('say which run and which setting are wrong', async () => {
    const name = (settings: Record<string, never>) => nameRun(RUN_KINDS.sae, { index: 6, settings });
    expect(await messageOf(name({ steps: -5 } as never))).to.equal(
      'InvalidValueError: run 7 of the plan: steps must be a positive integer, got -5',
    );
    expect(await messageOf(name({ dsae: 5 } as never))).to.include(
      'run 7 of the plan: there is no setting "dsae"; there are seed, toyModel',
    );
    expect(await messageOf(name({ init: 'random' } as never))).to.include('init must be one of');
    expect(await messageOf(name({ activations: ['a.npy'], toyModel: 'b.onnx' } as never))).to.include(
      'activations cannot go with toyModel',
    );
    expect(await messageOf(name({ activation: 'relu', k: 3 } as never))).to.include('run 7 of the plan');
  });

  it('have names that follow from what is resolved: a default that is given is no other run', async () => {
    const idOf = async (settings: object) =>
      (await nameRun(RUN_KINDS.toy, { index: 0, settings: settings as never })).id;
    expect(await idOf({ nHidden: 2 })).to.equal(await idOf({}));
    expect(await idOf({ nHidden: 3 })).not.to.equal(await idOf({}));
    expect(await idOf({ seed: 0, steps: 5 })).to.equal(await idOf({ steps: 5, seed: 0 }));
  });

  it('say yes and no to options that may go without a value', async () => {
    const settingsOf = async (settings: object) =>
      (await nameRun(RUN_KINDS.sae, { index: 0, settings: settings as never })).settings;
    expect(await settingsOf({ auxK: true })).to.include({ auxK: true });
    expect(await settingsOf({ auxK: false })).to.include({ auxK: false });
    expect(await settingsOf({ auxK: 0.5, deadAfter: 10 })).to.include({ auxK: 0.5, deadAfter: 10 });
    expect(await settingsOf({ holdBias: true })).to.include({ holdBias: true });
    const name = (settings: object) => nameRun(RUN_KINDS.sae, { index: 0, settings: settings as never });
    expect(await messageOf(name({ specialTokens: 3 }))).to.include('specialTokens must be true or false, got 3');
    expect(await messageOf(name({ holdBias: 1 }))).to.include('holdBias must be true or false, got 1');
    expect(await messageOf(name({ auxK: -1 }))).to.include('auxK must be');
    const idOf = async (settings: object) => (await name(settings)).id;
    expect(await idOf({ holdBias: false })).to.equal(await idOf({}));
  });

  it('have groups that follow from them alone: of one form, each run once, at most groupSize', async () => {
    expect((await groups(TOY)).map(({ runs }) => runs.length)).to.deep.equal([6]);
    expect((await groups({ ...TOY, groupSize: 4 })).map(({ runs }) => runs.length)).to.deep.equal([4, 2]);
    const mixed = await groups({ ...TOY, list: [{ nHidden: 2 }, { nHidden: 3 }, { nHidden: 2 }] });
    expect(mixed.map(({ runs }) => runs.map(({ settings }) => settings['nHidden']))).to.deep.equal([
      [2, 2, 2, 2, 2, 2],
      [3, 3, 3, 3, 3, 3],
    ]);
    expect((await groups(TOY))[0]!.id).to.equal((await groups(TOY))[0]!.id);
  });

  it('have the schema that examples/plans/ ships', () => {
    const shipped = readFileSync('examples/plans/plan.schema.json', 'utf8');
    expect(JSON.parse(shipped)).to.deep.equal(JSON.parse(JSON.stringify(planSchema(RUN_KINDS))));
  });

  it('of 100,000 runs are planned and listed in memory that holds a few thousand', () => {
    const plan = { ...TOY, grid: { sparsity: [0.5, 0.9], steps: [10, 20] }, seeds: 25_000 };
    const file = join(folder, 'plan.json');
    writeFileSync(file, JSON.stringify(plan));
    const args = ['--max-old-space-size=100', 'bin/monosemantic.js', 'sweep', file, '--out', join(folder, 'none')];
    const count = spawnSync(process.execPath, [...args, '--dry-run'], { encoding: 'utf8' });
    expect(count.stdout, count.stderr).to.match(/^100000 runs in \d+ groups, 0 done\n$/);
  });

  it('are listed, and resumed where half of the results are there, in the same memory; what is there stays', function () {
    this.timeout(3_600_000);
    const base = { steps: 1, batchSize: 8, restarts: 1 };
    const plan: SweepPlan = { train: 'toy', base, grid: { sparsity: [0.5, 0.9] }, seeds: LISTED / 2, groupSize: 100 };
    const [file, out] = [join(folder, 'listed.json'), join(folder, 'listed')];
    writeFileSync(file, JSON.stringify(plan));
    const run = (...args: readonly string[]): string => {
      const node = ['--max-old-space-size=100', 'bin/monosemantic.js', ...args];
      const { status, stdout, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8', maxBuffer: 2 ** 30 });
      expect(status, stderr).to.equal(0);
      return stdout;
    };
    const list = (): { run: string; done: boolean }[] =>
      run('sweep', file, '--out', out, '--list', '--json')
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line));
    const runs = list();
    expect(new Set(runs.map(({ run: id }) => id)).size).to.equal(LISTED);
    const results = new SweepFolder(out);
    // Every second run: each group lacks some of its runs.
    const present = runs.filter((_, i) => i % 2 === 0).map(({ run: id }) => id);
    for (const id of present) {
      mkdirSync(dirname(results.file('result', id)), { recursive: true });
      writeFileSync(results.file('result', id), JSON.stringify({ id, settings: {}, metrics: {}, made: {} }));
    }
    expect(list().filter(({ done }) => done)).to.have.length(LISTED / 2);
    expect(run('sweep', file, '--out', out, '--threads', '2')).to.include(`${LISTED} of ${LISTED} runs done`);
    for (const { run: id } of runs) expect(existsSync(results.file('result', id)), id).to.equal(true);
    // Models come with what was trained, and nothing else was.
    expect(present.filter(id => existsSync(results.file('model', id)))).to.deep.equal([]);
    rmSync(out, { recursive: true });
  });
});

describe('sweep()', () => {
  it('keeps a run that diverges as a failure, and the others of its group', async () => {
    const out = join(folder, 'diverges');
    const base = { steps: 40, batchSize: 64 };
    const plan: SweepPlan = { train: 'sae', base, grid: { learningRate: [0.005, 1e30] }, seeds: 2 };
    const { runs, failures, configurations } = await summariseSweep(await sweep(plan, { out }));
    expect(runs.map(({ settings }) => [settings['learningRate'], settings['seed']])).to.deep.equal([
      [0.005, 0],
      [0.005, 1],
    ]);
    expect(failures.map(({ error, settings }) => [error, settings['learningRate']])).to.deep.equal([
      ['DivergenceError', 1e30],
      ['DivergenceError', 1e30],
    ]);
    const { mean, low, high, n } = configurations[0]!.metrics['loss']!;
    const [a, b] = runs.map(({ metrics }) => metrics['loss']!) as [number, number];
    // t of one degree of freedom at 95% is 12.7062 (any table).
    const half = (12.7062 * Math.abs(a - b)) / 2;
    expect(n).to.equal(2);
    expect(mean).to.be.closeTo((a + b) / 2, 1e-9);
    expect(high - mean).to.be.closeTo(half, 1e-4 * half);
    expect(mean - low).to.be.closeTo(half, 1e-4 * half);
    const report = await runCommand(['sweep', 'report', out]);
    expect(report.status, report.stderr).to.equal(0);
    const page = readFileSync(join(out, 'report', 'report.html'), 'utf8');
    expect(page)
      .to.include('DivergenceError')
      .and.to.include('2 failed')
      .and.not.to.match(/(?:src|href)="?http/);
    const compared = await runCommand([
      'sweep',
      'report',
      '--compare',
      out,
      out,
      '--output',
      join(folder, 'same'),
      '--json',
    ]);
    expect(compared.status, compared.stderr).to.equal(0);
    expect(JSON.parse(compared.stdout).configurations[0].differences.loss).to.include({ mean: 0, low: 0, high: 0 });
    const status = await runCommand(['sweep', 'status', out]);
    expect(status.stdout).to.include('2 of 4 runs done, 2 failed');
  });

  it('records the number of threads with each run, and the report says where merged folders disagree', async () => {
    const plan: SweepPlan = { train: 'toy', base: { steps: 10, batchSize: 64 }, seeds: 2, groupSize: 1 };
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    await sweep(plan, { out: one, threads: 1, executor: inShards(1, 2) });
    await sweep(plan, { out: two, threads: 2, executor: inShards(2, 2) });
    cpSync(join(two, 'results'), join(one, 'results'), { recursive: true });
    const { runs, mixed } = await summariseSweep(new SweepFolder(one));
    expect(runs.map(({ made }) => made.threads)).to.deep.equal([1, 2]);
    expect(mixed).to.deep.equal(['threads: 1, 2']);
    const { stdout } = await runCommand(['sweep', 'report', one]);
    expect(stdout).to.include('runs were made under different conditions: threads: 1, 2');
    expect(readFileSync(join(one, 'report', 'report.html'), 'utf8')).to.include(
      'Runs were made under different conditions, which may change their last bits: threads: 1, 2.',
    );
  });
});
