/** The same plan through every executor: the same bytes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { SweepPlan } from '../../src/sweeps/plan.ts';
import { freePort, noRedis, type Running, resultsOf, start, startRedis, until } from './run-process.ts';

/** Eight groups of two, long enough that a worker can be stopped in the middle. */
const PLAN: SweepPlan = {
  train: 'toy',
  base: { steps: 3000, batchSize: 256 },
  grid: { nHidden: [2, 3], sparsity: [0.8, 0.9] },
  seeds: 4,
  groupSize: 2,
};

describe('a sweep', function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), 'sweep-'));
  const plan = join(folder, 'plan.json');
  const here = join(folder, 'here');
  const started: Running[] = [];
  const run = (...args: readonly string[]): Running => {
    const running = start(...args);
    started.push(running);
    return running;
  };

  before(async () => {
    writeFileSync(plan, JSON.stringify(PLAN));
    const first = run('sweep', plan, '--out', here, '--threads', '2');
    expect(await first.ended, first.said()).to.equal(0);
  });
  after(() => {
    for (const { child } of started) if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it('gives a result and a model for each run, and does nothing twice', async () => {
    expect(Object.keys(resultsOf(here))).to.have.length(32);
    const again = run('sweep', plan, '--out', here);
    expect(await again.ended).to.equal(0);
    expect(again.said()).not.to.include('group');
  });

  it('gives the same bytes as four shards, of which one was stopped half-way', async () => {
    const out = join(folder, 'shards');
    const stopped = run('sweep', plan, '--out', out, '--threads', '2', '--shard', '1/4', '--checkpoint-every', '250');
    await until(stopped, 'group 1:');
    stopped.child.kill('SIGINT');
    expect(await stopped.ended).to.equal(130);
    for (const i of [1, 2, 3, 4]) {
      const shard = run('sweep', plan, '--out', out, '--threads', '2', '--shard', `${i}/4`);
      expect(await shard.ended, shard.said()).to.equal(0);
    }
    expect(resultsOf(out)).to.deep.equal(resultsOf(here));
  });

  it('gives autoencoders of several architectures the same bytes as two shards', async () => {
    const own = join(folder, 'saes.json');
    const architectures = [
      { activation: 'topk', k: 1 },
      { activation: 'batchtopk', k: 1 },
      { activation: 'relu', l1: 0.01 },
      { activation: 'jumprelu', l0Coefficient: 0.01 },
    ];
    const saes: SweepPlan = { train: 'sae', base: { steps: 300 }, list: architectures, seeds: 3, groupSize: 3 };
    writeFileSync(own, JSON.stringify(saes));
    const [whole, parts] = [join(folder, 'saes'), join(folder, 'sae-shards')];
    const all = run('sweep', own, '--out', whole, '--threads', '2');
    expect(await all.ended, all.said()).to.equal(0);
    for (const i of [1, 2]) {
      const shard = run('sweep', own, '--out', parts, '--threads', '2', '--shard', `${i}/2`);
      expect(await shard.ended, shard.said()).to.equal(0);
    }
    expect(Object.keys(resultsOf(whole))).to.have.length.at.least(24);
    expect(resultsOf(parts)).to.deep.equal(resultsOf(whole));
  });

  it('refuses a folder that was begun with other threads', async () => {
    const other = run('sweep', plan, '--out', here, '--threads', '1');
    expect(await other.ended).to.equal(1);
    expect(other.said()).to.match(/begun with threads 2, this is threads 1/);
  });

  describe('through Redis', () => {
    let redis: Running;
    let port: number;
    let queue: string;

    before(async function () {
      if (noRedis) {
        console.log(`      skipped: ${noRedis} (Debian: apt-get install redis-server)`);
        this.skip();
      }
      port = await freePort();
      queue = `redis://127.0.0.1:${port}`;
      redis = await startRedis(port, folder);
      started.push(redis);
    });
    after(async () => {
      if (!redis) return;
      redis.child.kill('SIGTERM');
      await redis.ended;
    });

    it('gives the same bytes with three workers, one killed and one stopped half-way', async () => {
      const out = join(folder, 'queue');
      const all = run('sweep', plan, '--out', out, '--threads', '2', '--queue', queue);
      await until(all, 'in the queue');
      const worker = (): Running =>
        run('worker', '--queue', queue, '--out', out, '--lock', '3', '--checkpoint-every', '250', '--until-empty');
      const [killed, stopped] = [worker(), worker()];
      await Promise.all([until(killed, 'begin'), until(stopped, 'begin')]);
      killed.child.kill('SIGKILL');
      await sleep(500);
      stopped.child.kill('SIGINT');
      expect(await stopped.ended, stopped.said()).to.equal(130);
      const last = worker();
      expect(await all.ended, all.said()).to.equal(0);
      expect(await last.ended, last.said()).to.equal(0);
      expect(resultsOf(out)).to.deep.equal(resultsOf(here));
      // Each group was finished once.
      const finished = [killed, stopped, last].flatMap(({ said }) => said().match(/group \d+: done/g) ?? []);
      expect(finished.sort()).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8].map(i => `group ${i}: done`));
    });

    it('gives the same bytes where workers send results back, and the server is gone for a while', async () => {
      const out = join(folder, 'sent');
      const all = run('sweep', plan, '--out', out, '--threads', '2', '--queue', queue);
      await until(all, 'in the queue');
      const worker = run('worker', '--queue', queue, '--until-empty');
      await until(worker, 'begin');
      redis.child.kill('SIGKILL');
      await redis.ended;
      await sleep(2000);
      redis = await startRedis(port, folder);
      started.push(redis);
      expect(await all.ended, all.said()).to.equal(0);
      expect(await worker.ended, worker.said()).to.equal(0);
      expect(worker.said()).to.match(/is gone; waiting for it[\s\S]*is back/);
      expect(resultsOf(out)).to.deep.equal(resultsOf(here));
    });

    it('says in one line that nothing is there, and that a password is wrong', async () => {
      const nobody = run('worker', '--queue', `redis://127.0.0.1:${await freePort()}`);
      expect(await nobody.ended).to.equal(1);
      expect(nobody.said()).to.match(/^monosemantic: redis:\/\/127\.0\.0\.1:\d+: nothing listens there\n$/);
      const other = await freePort();
      started.push(await startRedis(other, folder, '--appendonly', 'no', '--requirepass', 'right'));
      const wrong = run('worker', '--queue', `redis://:secret@127.0.0.1:${other}`);
      expect(await wrong.ended).to.equal(1);
      expect(wrong.said()).to.match(/^monosemantic: [^\n]*the password or the user is wrong\n$/);
      expect(wrong.said()).not.to.include('secret');
    });
  });

  it('has results that say no time and no machine', () => {
    const [file] = Object.keys(resultsOf(here)).filter(name => name.endsWith('.json'));
    const result = JSON.parse(readFileSync(join(here, 'results', file!), 'utf8'));
    expect(Object.keys(result)).to.deep.equal(['contents', 'id', 'made', 'metrics', 'settings']);
    expect(Object.keys(result.made)).to.deep.equal(['engine', 'on', 'threads', 'version']);
  });
});
