/** `metrics.jsonl`: a run's records, one a line, as JSON. Node only. */
import { appendFile, readFile } from 'node:fs/promises';
import { FileWriteError } from '../../errors.ts';
import { writeFileAtomic } from '../../files/write-atomic.ts';
import type { MetricsRecord } from './metrics-record.ts';
import type { RecordSink } from './run-monitor.ts';
import { WriteQueue } from './write-queue.ts';

/**
 * Keeps records in `file`. When the run begins, the file is written anew, whole or not at all, with the records so far:
 * lines of steps after the last checkpoint are removed, lines that are missing or damaged are restored from the
 * checkpoint (without their time), and the others stay as they are. After that each record is appended in one write.
 * @throws FileWriteError where the file cannot be written
 */
export function metricsFile(file: string): RecordSink {
  const queue = new WriteQueue();
  return {
    async begin(before) {
      const there = before.length > 0 ? await readRecords(file) : new Map<number, MetricsRecord>();
      const records = before.map(record => {
        const { time, rows_per_second } = there.get(record.step) ?? {};
        return {
          ...record,
          ...(time !== undefined && { time }),
          ...(rows_per_second !== undefined && { rows_per_second }),
        };
      });
      await writeFileAtomic(file, records.map(line).join(''));
      return records;
    },
    add(record) {
      queue.add(() =>
        appendFile(file, line(record)).catch((cause: unknown) => {
          throw new FileWriteError(file, cause);
        }),
      );
    },
    end: () => queue.end(),
  };
}

function line(record: MetricsRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** The records of a file by their step; lines that are no records are skipped. */
async function readRecords(file: string): Promise<Map<number, MetricsRecord>> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const records = new Map<number, MetricsRecord>();
  for (const json of text.split('\n')) {
    try {
      const record = JSON.parse(json) as MetricsRecord;
      if (Number.isSafeInteger(record.step)) records.set(record.step, record);
    } catch {
      // A kill can cut a line off.
    }
  }
  return records;
}
