/** A worker: takes groups from a queue, one at a time, and does them. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import { createEngine } from '../engines/create-engine.ts';
import type { Engine } from '../engines/engine.ts';
import { FolderInUseError, InvalidValueError, VersionMismatchError } from '../errors.ts';
import { canonicalHash } from './canonical-hash.ts';
import { nameRun, type RunGroup } from './groups.ts';
import { performGroup } from './perform-group.ts';
import { GROUPS_QUEUE, type GroupJob, PIECE, type PieceJob } from './queue-jobs.ts';
import { connectToRedis, loadQueuePackages } from './redis-connection.ts';
import type { RunKinds } from './sweep.ts';
import { SweepFolder } from './sweep-folder.ts';

/** Where a worker takes groups of runs from, and when it ends. */
export interface WorkerOptions {
  readonly url: string;
  /** The queue's name. Default `monosemantic`. */
  readonly name?: string | undefined;
  /** The folder of the sweep, where several machines share it. Default: none; results go back through the queue. */
  readonly out?: string | undefined;
  /**
   * Whether the worker ends when nothing is left in the queue and nobody is doing a group. Default false: it waits for
   * more.
   */
  readonly untilEmpty?: boolean | undefined;
  /**
   * Seconds after which a worker that gives no sign of life counts as dead, and its group is given to another one.
   * Default 30.
   */
  readonly lockSeconds?: number | undefined;
  /** Steps between checkpoints. Default 5,000. */
  readonly checkpointEvery?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
}

/** How many workers a group may lose: that a machine is taken away says nothing about the group. */
const MOST_STALLED = 100;
/** Milliseconds until a group is offered again that another process is doing, or that this version cannot do. */
const OFFER_AGAIN = 2000;
/** Milliseconds that the end waits for a server that does not answer. */
const LAST_WAIT = 5000;

/**
 * Works until `signal` is aborted, or the queue is empty where that is asked for. A group that is stopped goes back
 * into the queue; whoever takes it goes on from its checkpoint where the folder is shared.
 * @returns how many groups it did
 * @throws VersionMismatchError where the groups are of another version of this package
 * @throws InvalidValueError or QueueUnavailableError as `connectToRedis`
 */
export async function runWorker(
  options: WorkerOptions,
  { kinds, version }: { readonly kinds: RunKinds; readonly version: string },
): Promise<number> {
  const { url, name = GROUPS_QUEUE, out, untilEmpty = false, lockSeconds = 30, checkpointEvery = 5000 } = options;
  const { signal, onLine = () => {} } = options;
  const { bullmq } = await loadQueuePackages();
  const connection = await connectToRedis(url, onLine);
  const ended = new AbortController();
  const stop = AbortSignal.any([ended.signal, ...(signal ? [signal] : [])]);
  const engines = new Map<string, Promise<Engine>>();
  let done = 0;
  let refusal: Error | undefined;

  const work = async (job: Job<GroupJob>, token: string | undefined): Promise<void> => {
    const { conditions, snapshots, train, runs, index, results } = job.data;
    const giveBack = async (): Promise<never> => {
      await job.moveToWait(token);
      throw new bullmq.WaitingError();
    };
    const offerAgain = async (): Promise<never> => {
      await job.moveToDelayed(Date.now() + OFFER_AGAIN, token);
      throw new bullmq.DelayedError();
    };
    if (stop.aborted) return giveBack();
    if (conditions.version !== version) {
      refusal = new VersionMismatchError(
        `the groups in ${name} are of monosemantic ${conditions.version}, this is ${version}: bits may differ`,
      );
      ended.abort(refusal);
      return offerAgain();
    }
    const own = out ?? (await mkdtemp(join(tmpdir(), 'monosemantic-worker-')));
    try {
      const folder = new SweepFolder(own);
      const kind = kinds[train];
      const named = await Promise.all(runs.map(({ given }, i) => nameRun(kind, { index: i, settings: given })));
      const other = named.find(({ id }, i) => id !== runs[i]!.id);
      if (other) {
        throw new InvalidValueError(
          `the run ${runs[named.indexOf(other)]!.id} is another one here: a file that it names differs`,
        );
      }
      const key = `${conditions.engine} ${conditions.threads}`;
      if (!engines.has(key)) {
        onLine(`engine ${conditions.engine}, ${conditions.threads} threads as the sweep says`);
        engines.set(key, createEngine({ engine: conditions.engine as 'auto', threads: conditions.threads }));
      }
      const group: RunGroup = { id: job.id!, index, runs: named };
      onLine(`group ${index + 1}: ${runs.length} ${runs.length === 1 ? 'run' : 'runs'} begin`);
      try {
        const engine = await engines.get(key)!;
        await performGroup(group, { folder, engine, conditions, signal: stop, checkpointEvery, snapshots });
      } catch (error) {
        if (stop.aborted) {
          onLine(`group ${index + 1}: goes back into the queue`);
          return await giveBack();
        }
        if (error instanceof FolderInUseError) return await offerAgain();
        throw error;
      }
      if (out === undefined) await send(own, results);
      done++;
      onLine(`group ${index + 1}: done`);
    } finally {
      if (out === undefined) await rm(own, { recursive: true, force: true });
    }
  };

  /** Sends the files of results through the queue, each in pieces, models and histories before the results that count. */
  const send = async (folder: string, to: string): Promise<void> => {
    const queue = new bullmq.Queue<PieceJob>(to, { connection });
    queue.on('error', () => {});
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.flatMap(entry => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
    const named = files.map(path => ({ path, file: relative(folder, path).split(sep).join('/') }));
    const counts = ({ file }: { readonly file: string }): boolean => /^(?:results|failures)\/.*\.json$/.test(file);
    for (const { path, file } of named.sort((a, b) => Number(counts(a)) - Number(counts(b)))) {
      if (!/^(?:results|histories|failures)\//.test(file)) continue;
      const bytes = await readFile(path);
      const pieces = Math.max(1, Math.ceil(bytes.length / PIECE));
      for (let piece = 0; piece < pieces; piece++) {
        const data = bytes.subarray(piece * PIECE, (piece + 1) * PIECE).toString('base64');
        const jobId = canonicalHash([file, piece, data]);
        await queue.add('piece', { file, piece, pieces, data }, { jobId, attempts: 10, backoff: 1000 });
      }
    }
    await queue.close();
  };

  const worker = new bullmq.Worker<GroupJob>(name, work, {
    connection,
    concurrency: 1,
    lockDuration: 1000 * lockSeconds,
    stalledInterval: 1000 * lockSeconds,
    maxStalledCount: MOST_STALLED,
  });
  const queue = new bullmq.Queue<GroupJob>(name, { connection });
  queue.on('error', () => {});
  // The connection says itself that the server is gone. A lost lock is no loss: what is in the folder stays done.
  worker.on('error', () => {});
  worker.on('failed', (job, error) => onLine(`group ${(job?.data.index ?? -1) + 1}: failed: ${error.message}`));
  try {
    while (!stop.aborted) {
      await sleep(500, undefined, { signal: stop }).catch(() => undefined);
      if (!untilEmpty || stop.aborted || connection.status !== 'ready') continue;
      const left = await queue.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized');
      if (left === 0) break;
    }
  } finally {
    const closed = Promise.all([worker.close(), queue.close()]).catch(() => undefined);
    // Training ends after the engine's current call. A server that is gone is not waited for longer than that.
    await (connection.status === 'ready' ? closed : Promise.race([closed, sleep(LAST_WAIT)]));
    connection.disconnect();
  }
  if (refusal) throw refusal;
  signal?.throwIfAborted();
  return done;
}
