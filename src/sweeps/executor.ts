/** Executors do the groups of a sweep: this process, or one of several that share them by number. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FolderInUseError, InvalidValueError } from '../errors.ts';
import type { RunGroup } from './groups.ts';
import type { RunKind } from './run-kind.ts';
import type { SweepConditions, SweepFolder } from './sweep-folder.ts';

/** The groups that are to be done, and how. */
export interface SweepWork {
  readonly kind: RunKind;
  readonly folder: SweepFolder;
  readonly conditions: SweepConditions;
  /** About how many times in training the directions are kept; undefined for never. */
  readonly snapshots: number | undefined;
  /** The groups of which a run is missing, looked up anew at each call. */
  readonly missing: () => AsyncIterable<RunGroup>;
  /**
   * Does one group in this process. Of several at a time one trains, in the order of the calls.
   * @throws FolderInUseError where another process is doing the group
   */
  readonly perform: (group: RunGroup) => Promise<void>;
  readonly signal: AbortSignal | undefined;
  readonly log: (line: string) => void;
}

/** Does groups of a sweep, and settles when those that belong to it are done. */
export interface SweepExecutor {
  /** What the executor does, in words for a person. */
  readonly name: string;
  execute(work: SweepWork): Promise<void>;
}

/** Milliseconds until groups that another process is doing are looked at again. */
const LOOK_AGAIN = 1000;

/** Does all groups in this process: they train one after another, each with all threads, and the next one trains while one is measured. */
export function inThisProcess(): SweepExecutor {
  return { name: 'in this process', execute: work => performAll(work, () => true) };
}

/**
 * Does every n-th group in this process: n machines that run shards 1 to n do all, and need not know of one another.
 * @param shard from 1 to `of`
 * @throws InvalidValueError where there is no such shard
 */
export function inShards(shard: number, of: number): SweepExecutor {
  if (!Number.isSafeInteger(of) || of < 1 || !Number.isSafeInteger(shard) || shard < 1 || shard > of) {
    throw new InvalidValueError(`a shard must be one of 1/n to n/n, got ${shard}/${of}`);
  }
  return {
    name: `shard ${shard} of ${of}`,
    execute: work => performAll(work, ({ index }) => index % of === shard - 1),
  };
}

async function performAll(
  { missing, perform, signal, log }: SweepWork,
  isOwn: (group: RunGroup) => boolean,
): Promise<void> {
  for (;;) {
    let isElsewhere = false;
    const performOne = async (group: RunGroup): Promise<void> => {
      try {
        await perform(group);
        log(`group ${group.index + 1}: ${group.runs.length} ${group.runs.length === 1 ? 'run' : 'runs'} done`);
      } catch (error) {
        // Another process shares the folder. Groups that it leaves are done here.
        if (!(error instanceof FolderInUseError)) throw error;
        isElsewhere = true;
      }
    };
    // Two are under way: one trains while the one before it is measured and written.
    const underWay: Promise<void>[] = [];
    try {
      for await (const group of missing()) {
        if (!isOwn(group)) continue;
        signal?.throwIfAborted();
        const own = performOne(group);
        // The promise is awaited below, perhaps after it has failed.
        own.catch(() => {});
        underWay.push(own);
        if (underWay.length > 1) await underWay.shift();
      }
      await underWay.shift();
    } finally {
      await Promise.allSettled(underWay);
    }
    if (!isElsewhere) return;
    await sleep(LOOK_AGAIN, undefined, { signal });
  }
}
