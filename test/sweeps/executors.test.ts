/** The same plan through every executor: the same bytes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { RUN_KINDS } from '../../src/cli/experiment/run-kinds.ts';
import { packageVersion } from '../../src/sweeps/package-version.ts';
import type { SweepPlan } from '../../src/sweeps/plan.ts';
import { runWorker } from '../../src/sweeps/worker.ts';
import { freePort, noRedis, type Running, resultsOf, start, startRedis, until } from './run-process.ts';

/** How long the server is gone; docs/sweeps.md says what a minute of it came to. */
const SECONDS_GONE = Number(process.env['MONOSEMANTIC_SECONDS_GONE'] ?? 2);

/** Eight groups of two each, long enough that a worker can be stopped in the middle. */
const PLANS: Readonly<Record<string, SweepPlan>> = {
  'toy models': {
    train: 'toy',
    base: { steps: 3000, batchSize: 256 },
    grid: { nHidden: [2, 3], sparsity: [0.8, 0.9] },
    seeds: 4,
    groupSize: 2,
  },
  autoencoders: {
    train: 'sae',
    base: { steps: 3000, batchSize: 256 },
    list: [
      { activation: 'topk', k: 1 },
      { activation: 'batchtopk', k: 1 },
      { activation: 'relu', l1: 0.01 },
      { activation: 'jumprelu', l0Coefficient: 0.01 },
    ],
    seeds: 4,
    groupSize: 2,
    snapshots: 6,
  },
};

describe('a sweep', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sweep-'));
  const started: Running[] = [];
  const run = (...args: readonly string[]): Running => {
    const running = start(...args);
    started.push(running);
    return running;
  };
  let redis: Running | undefined;
  let port: number;
  let queue: string;

  before(async () => {
    if (noRedis) {
      console.log(`      not through Redis: ${noRedis} (Debian: apt-get install redis-server)`);
      return;
    }
    port = await freePort();
    queue = `redis://127.0.0.1:${port}`;
    redis = await startRedis(port, folder);
    started.push(redis);
  });
  after(() => {
    for (const { child } of started) if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  for (const [what, own] of Object.entries(PLANS)) {
    describe(`of ${what}`, () => {
      const plan = join(folder, `${own.train}.json`);
      const here = join(folder, own.train);

      before(async () => {
        writeFileSync(plan, JSON.stringify(own));
        const first = run('sweep', plan, '--out', here, '--threads', '2');
        expect(await first.ended, first.said()).to.equal(0);
      });

      it('gives a result and a model for each run, and does nothing twice', async () => {
        // Autoencoders keep their histories too.
        expect(Object.keys(resultsOf(here))).to.have.length(own.snapshots ? 48 : 32);
        const again = run('sweep', plan, '--out', here);
        expect(await again.ended).to.equal(0);
        expect(again.said()).not.to.include('group');
      });

      it('refuses a folder that was begun with other threads', async () => {
        const other = run('sweep', plan, '--out', here, '--threads', '1');
        expect(await other.ended).to.equal(1);
        expect(other.said()).to.match(/begun with threads 2, this is threads 1/);
      });

      it('gives the same bytes as four shards, of which one was stopped half-way', async () => {
        const out = join(folder, `${own.train}-shards`);
        const stopped = run(
          ...['sweep', plan, '--out', out, '--threads', '2', '--shard', '1/4', '--checkpoint-every', '250'],
        );
        await until(stopped, 'group 1:');
        stopped.child.kill('SIGINT');
        expect(await stopped.ended).to.equal(130);
        const shards = [1, 2, 3, 4].map(i => run('sweep', plan, '--out', out, '--threads', '2', '--shard', `${i}/4`));
        for (const shard of shards) expect(await shard.ended, shard.said()).to.equal(0);
        expect(resultsOf(out)).to.deep.equal(resultsOf(here));
      });

      it('gives the same bytes through Redis with three workers, one killed and one stopped half-way', async function () {
        if (!redis) this.skip();
        const out = join(folder, `${own.train}-queue`);
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

      it('has results that say no time and no machine', () => {
        const file = Object.keys(resultsOf(here)).find(name => /^results.*json$/.test(name));
        const result = JSON.parse(readFileSync(join(here, file!), 'utf8'));
        expect(Object.keys(result)).to.deep.equal(['contents', 'id', 'made', 'metrics', 'settings']);
        expect(Object.keys(result.made)).to.deep.equal(['engine', 'on', 'threads', 'version']);
      });
    });
  }

  describe('through Redis', () => {
    const plan = join(folder, 'toy.json');
    const here = join(folder, 'toy');

    before(function () {
      if (!redis) this.skip();
    });

    it('is refused by a worker of another version, which ends; one of this version takes its threads from the sweep', async () => {
      const out = join(folder, 'versions');
      const all = run('sweep', plan, '--out', out, '--threads', '2', '--queue', queue);
      await until(all, 'in the queue');
      const other = runWorker({ url: queue, out }, { kinds: RUN_KINDS, version: '0.0.1' });
      const refusal = await other.then(
        () => undefined,
        (error: Error) => error,
      );
      expect(refusal).to.include({
        name: 'VersionMismatchError',
        message: `the groups in monosemantic are of monosemantic ${packageVersion()}, this is 0.0.1: bits may differ`,
      });
      expect(existsSync(join(out, 'results'))).to.equal(false);
      const worker = run('worker', '--queue', queue, '--out', out, '--until-empty');
      expect(await all.ended, all.said()).to.equal(0);
      expect(await worker.ended, worker.said()).to.equal(0);
      expect(worker.said()).to.include('engine auto, 2 threads as the sweep says');
      expect(resultsOf(out)).to.deep.equal(resultsOf(here));
    });

    it('gives the same bytes where workers send results back, and the server is gone for a while', async () => {
      const out = join(folder, 'sent');
      const all = run('sweep', plan, '--out', out, '--threads', '2', '--queue', queue);
      await until(all, 'in the queue');
      const worker = run('worker', '--queue', queue, '--until-empty');
      await until(worker, 'begin');
      redis!.child.kill('SIGKILL');
      await redis!.ended;
      await sleep(SECONDS_GONE * 1000);
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
});
