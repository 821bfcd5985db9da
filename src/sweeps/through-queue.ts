/** Puts the groups of a sweep into a BullMQ queue on Redis or Valkey, and waits until workers have done them. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import { SweepFailedError } from '../errors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { canonicalHash } from './canonical-hash.ts';
import type { SweepExecutor, SweepWork } from './executor.ts';
import type { RunGroup } from './groups.ts';
import { GROUPS_QUEUE, type GroupJob, groupJob, type PieceJob, placeOf } from './queue-jobs.ts';
import { connectToRedis, loadQueuePackages } from './redis-connection.ts';

/** The place of a sweep's queue. */
export interface QueueOptions {
  /** The server's address: redis://[user:password@]host[:port][/db], or rediss:// for TLS. */
  readonly url: string;
  /** The queue's name, for several sweeps on one server. Default `monosemantic`. */
  readonly name?: string | undefined;
}

/**
 * How often a group is tried whose worker fails (for want of memory or disk, for example), and the milliseconds until
 * it is tried again, which double each time.
 */
const ATTEMPTS = 3;
const BACKOFF = 2000;
/** Milliseconds between two looks at what is done. */
const LOOK = 500;
/** Jobs that are put into the queue with one call. */
const AT_ONCE = 200;
/** Milliseconds after which the files of a group that a worker reports as done must be visible here. */
const FILES_SEEN = 60_000;
/** Milliseconds that the end waits for a server that does not answer. */
const LAST_WAIT = 2000;

/**
 * Lets workers do the groups. Its further errors are those of `connectToRedis`.
 * @throws SweepFailedError where workers could not do a group
 */
export function throughQueue({ url, name = GROUPS_QUEUE }: QueueOptions): SweepExecutor {
  return { name: `through the queue ${name}`, execute: work => executeThroughQueue(work, url, name) };
}

/** A group that is in the queue. */
interface Pending {
  readonly job: GroupJob;
  readonly index: number;
  /** The time at which a worker reported that it is done. */
  saidDone?: number;
}

async function executeThroughQueue(work: SweepWork, url: string, name: string): Promise<void> {
  const { kind, folder, conditions, snapshots, signal, log } = work;
  const { bullmq } = await loadQueuePackages();
  const connection = await connectToRedis(url, log);
  const resultsName = `${name}-results-${canonicalHash(folder.path)}`;
  const queue: Queue<GroupJob> = new bullmq.Queue(name, { connection });
  const results = new bullmq.Queue<PieceJob>(resultsName, { connection });
  const receiver = new bullmq.Worker<PieceJob>(resultsName, ({ data }) => receive(folder.path, data), {
    connection,
    removeOnComplete: { count: 0 },
  });
  const events = new bullmq.QueueEvents(name, { connection });
  queue.on('error', () => {});
  results.on('error', () => {});
  receiver.on('error', () => {});
  events.on('error', () => {});
  try {
    await waitForGroups();
  } finally {
    const closed = Promise.all([receiver.close(), events.close(), queue.close(), results.close()]);
    await Promise.race([closed.catch(() => undefined), sleep(LAST_WAIT)]);
    connection.disconnect();
  }

  async function waitForGroups(): Promise<void> {
    // Results that workers sent while nobody was waiting are taken first, so that they are not computed again.
    await settled(async () => (await results.getJobCountByTypes('waiting', 'active')) === 0, signal);
    const pending = new Map<string, Pending>();
    const failed = new Map<string, string>();
    events.on('completed', ({ jobId }) => {
      const group = pending.get(jobId);
      if (group) group.saidDone = Date.now();
    });
    events.on('failed', ({ jobId, failedReason }) => {
      if (pending.has(jobId)) failed.set(jobId, failedReason);
    });
    await events.waitUntilReady();
    const add = async (groups: readonly [string, Pending][]): Promise<void> => {
      await queue.addBulk(
        groups.map(([jobId, { job }]) => ({
          name: 'group',
          data: job,
          opts: {
            jobId,
            attempts: ATTEMPTS,
            backoff: { type: 'exponential', delay: BACKOFF },
            removeOnComplete: { age: 3600 },
            removeOnFail: { age: 24 * 3600 },
          },
        })),
      );
    };
    let batch: [string, Pending][] = [];
    const flush = async (): Promise<void> => {
      // A job that an earlier call left in the queue, done or failed, would keep the same group out.
      for (const [id] of batch) {
        const job = await queue.getJob(id);
        if (job && ((await job.isCompleted()) || (await job.isFailed()))) await job.remove();
      }
      await add(batch);
      batch = [];
    };
    for await (const group of work.missing()) {
      const entry = asPending(group, { train: kind.name, conditions, snapshots, results: resultsName });
      pending.set(group.id, entry);
      batch.push([group.id, entry]);
      if (batch.length === AT_ONCE) await flush();
      signal?.throwIfAborted();
    }
    await flush();
    log(
      `${pending.size} ${pending.size === 1 ? 'group' : 'groups'} in the queue: monosemantic worker --queue … does them`,
    );
    // A server that was restarted may have lost the jobs.
    connection.on('ready', () => void add([...pending]).catch(() => undefined));
    while (pending.size > failed.size) {
      await sleep(LOOK, undefined, { signal });
      for (const [id, { job, index, saidDone }] of pending) {
        if (job.runs.every(run => folder.isDone(run.id))) {
          pending.delete(id);
          failed.delete(id);
          log(`group ${index + 1}: ${job.runs.length} ${job.runs.length === 1 ? 'run' : 'runs'} done`);
        } else if (saidDone !== undefined && Date.now() - saidDone > FILES_SEEN) {
          failed.set(
            id,
            `a worker has done it, but its results are not in ${folder.path}: --out of a worker must be this folder, or left out`,
          );
        }
      }
    }
    if (failed.size > 0) {
      const [[id, reason]] = [...failed] as [[string, string]];
      throw new SweepFailedError(`workers could not do ${failed.size} of the groups; the first, ${id}: ${reason}`);
    }
  }
}

function asPending(group: RunGroup, job: Omit<GroupJob, 'index' | 'runs'>): Pending {
  return { job: groupJob(group, job), index: group.index };
}

async function settled(isSettled: () => Promise<boolean>, signal: AbortSignal | undefined): Promise<void> {
  while (!(await isSettled())) await sleep(LOOK, undefined, { signal });
}

/** Keeps a piece of a file, and with the last one writes the file. */
async function receive(folder: string, { file, piece, pieces, data }: PieceJob): Promise<void> {
  const target = placeOf(folder, file);
  const parts = join(folder, 'incoming', canonicalHash(file));
  const part = (i: number): string => join(parts, String(i));
  await mkdir(parts, { recursive: true });
  await writeFileAtomic(part(piece), Buffer.from(data, 'base64'));
  const all = Array.from({ length: pieces }, (_, i) => part(i));
  if (!all.every(path => existsSync(path))) return;
  await mkdir(join(target, '..'), { recursive: true });
  await writeFileAtomic(target, Buffer.concat(await Promise.all(all.map(path => readFile(path)))));
  await rm(parts, { recursive: true, force: true });
}
