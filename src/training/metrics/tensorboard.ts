/** A run's records as TensorBoard's event files. Node only. */
import { appendFile, mkdir, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FileWriteError } from '../../errors.ts';
import { type ScalarEvent, scalarsEvent, startEvent, versionEvent } from './event-file.ts';
import type { MetricsRecord } from './metrics-record.ts';
import type { RecordSink } from './run-monitor.ts';
import { WriteQueue } from './write-queue.ts';

/**
 * Writes records into a new event file in `folder`, which is made where it is missing. The file begins with a mark that
 * the run starts at step 0, and holds all records so far. Readers skip what earlier files in the folder say, so that a
 * resumed run has neither duplicates nor gaps.
 * @throws FileWriteError where the folder cannot be written
 */
export function tensorBoardFolder(folder: string): RecordSink {
  const queue = new WriteQueue();
  let file = '';
  const append = (bytes: Uint8Array): Promise<void> =>
    appendFile(file, bytes).catch((cause: unknown) => {
      throw new FileWriteError(file, cause);
    });
  return {
    async begin(before) {
      const now = Date.now() / 1000;
      await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
        throw new FileWriteError(folder, cause);
      });
      file = join(folder, `events.out.tfevents.${await freeSecond(now)}.${hostname()}.${process.pid}.0`);
      const records = before.map(record => eventOf(record, now));
      await append(Buffer.concat([versionEvent(now), startEvent(now, 0), ...records]));
      return before;
    },
    add(record) {
      queue.add(() => append(eventOf(record, Date.now() / 1000)));
    },
    end: () => queue.end(),
  };

  /**
   * The first second from `now` on that no file in the folder has in its name, nor a later one: readers order the files
   * by it.
   */
  async function freeSecond(now: number): Promise<string> {
    const seconds = (await readdir(folder)).map(name => Number(/tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
    return String(Math.max(Math.floor(now), ...seconds.map(second => second + 1))).padStart(10, '0');
  }
}

function eventOf(record: MetricsRecord, now: number): Uint8Array {
  return scalarsEvent(record.time ?? now, record.step, scalarsOf(record));
}

/** A record's numbers under TensorBoard's names; those that are undefined are left out. */
export function scalarsOf(record: MetricsRecord): ScalarEvent[] {
  const { loss, losses, l0, explained_variance, dead, schedule = {}, rows_per_second } = record;
  const named: Record<string, number | null | undefined> = {
    loss,
    ...Object.fromEntries(Object.entries(losses).map(([name, value]) => [`losses/${name}`, value])),
    l0,
    explained_variance,
    dead,
    ...Object.fromEntries(Object.entries(schedule).map(([name, value]) => [`schedule/${name}`, value])),
    rows_per_second,
  };
  return Object.entries(named).flatMap(([tag, value]) => (typeof value === 'number' ? [{ tag, value }] : []));
}
