/** A table of the field beside what we find: how it is run, printed, and put into docs/study.md. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { studentInterval } from '../../src/analysis/student-interval.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';

/** The options with which a table is made. */
export interface TableOptions {
  /** Where results are kept, and taken from. */
  readonly out: string;
  /** Paired seeds, from 0, steps of each training, rows of a step and learning rate where they are not the table's own. */
  readonly seeds?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  /** Minutes after which no training is begun; what is missing then is said. Default none. */
  readonly minutes?: number;
  /** A Python that imports sae_lens; without one SAELens's column says so. */
  readonly python?: string;
}

/** A finished table. */
export interface TableReport {
  readonly title: string;
  /** Data, sizes, steps and seeds: what somebody else needs to run a cell again. */
  readonly setting: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What every training gave, as lines of JSON. */
  readonly results?: string;
  /** One sentence: does it hold? */
  readonly verdict: string;
}

/** A mean over seeds with half of its 95% interval (Student's t). */
export function meanOf(values: readonly number[], digits: number): string {
  const { mean, low, high, n } = studentInterval(values);
  return n === 1 || low === high
    ? mean.toFixed(digits)
    : `${mean.toFixed(digits)} ± ${((high - low) / 2).toFixed(digits)}`;
}

/** The report as Markdown. */
export function markdown({ title, setting, header, rows, verdict }: TableReport): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `### ${title}`,
    setting,
    [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n'),
    `**${verdict}**`,
  ].join('\n\n');
}

/** Puts a table into docs/study.md, in the place of `name`, and the results it was made of into docs/results. */
export async function publish(name: string, report: TableReport): Promise<void> {
  const docs = (path: string): string => fileURLToPath(new URL(`../../docs/${path}`, import.meta.url));
  await intoDocument(docs('study.md'), name, markdown(report));
  if (report.results) await writeFileAtomic(docs(`results/${name}.jsonl`), report.results);
}

/** Puts `text` between the markers of `name` in a document, in place of what was there. */
export async function intoDocument(path: string, name: string, text: string): Promise<void> {
  const before = await readFile(path, 'utf8');
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [before.indexOf(start), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} has no place for ${name}: expected ${start} and ${end}`);
  await writeFileAtomic(path, `${before.slice(0, from + start.length)}\n\n${text}\n\n${before.slice(to)}`);
}
