/** Writes the report of a sweep: tables, figures and a page, from the files of its folder alone. */
import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { FileFormatError, FileWriteError } from '../errors.ts';
import { writeTable } from '../experiments/run-files.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { compareSweeps, type SweepComparison } from './compare.ts';
import { drawnMetrics, effectFigures } from './effects.ts';
import { countRuns } from './plan.ts';
import { comparisonPage, reportPage } from './report-page.ts';
import { settingText } from './setting-text.ts';
import { type SweepSummary, summariseSweep } from './summary.ts';
import { SweepFolder } from './sweep-folder.ts';

/** Where the report of a sweep goes, and what it draws. */
export interface ReportOptions {
  /** The folder of the report. Default: `report` in the folder of the sweep. */
  readonly output?: string | undefined;
  /** The metrics to draw. Default: the first four that vary. */
  readonly metrics?: readonly string[] | undefined;
}

/**
 * Writes `runs.csv`, `summary.csv`, `failures.csv`, figures as SVG and PNG, and `report.html`.
 * @returns the summary and the path of the page
 * @throws FileFormatError where the folder holds no result, or a damaged one
 */
export async function writeReport(
  path: string,
  { output = join(path, 'report'), metrics }: ReportOptions = {},
): Promise<{ readonly summary: SweepSummary; readonly page: string }> {
  const folder = new SweepFolder(path);
  const summary = await summariseSweep(folder);
  if (summary.runs.length + summary.failures.length === 0) {
    throw new FileFormatError('holds no result of a sweep', { file: path });
  }
  const record = await folder.record();
  await mkdir(output, { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(output, cause);
  });
  const { varied, configurations, runs, failures } = summary;
  const own = (settings: Readonly<Record<string, unknown>>): Record<string, string> =>
    Object.fromEntries(varied.map(name => [name, settingText(settings[name])]));
  await writeTable(
    join(output, 'runs.csv'),
    runs.map(({ id, settings, metrics: values }) => ({
      run: id,
      ...own(settings),
      seed: settingText(settings['seed']),
      ...Object.fromEntries(summary.metrics.map(name => [name, values[name] ?? ''])),
    })),
  );
  await writeTable(
    join(output, 'summary.csv'),
    configurations.map(({ settings, runs: seeds, metrics: means, best }) => ({
      ...own(settings),
      seeds: seeds.length,
      ...Object.fromEntries(
        summary.metrics.flatMap((name): [string, number | string][] => {
          const { mean = '', low = '', high = '', deviation = '' } = means[name] ?? {};
          const number = (value: number | string) => (Number.isNaN(value) ? '' : value);
          return [
            [`${name}_mean`, mean],
            [`${name}_low`, number(low)],
            [`${name}_high`, number(high)],
            [`${name}_deviation`, deviation],
          ];
        }),
      ),
      best_run: best.id,
    })),
  );
  await writeTable(
    join(output, 'failures.csv'),
    failures.map(({ id, settings, error, message }) => ({
      run: id,
      ...own(settings),
      seed: settingText(settings['seed']),
      error,
      message,
    })),
  );
  const figures = effectFigures(summary, metrics ?? drawnMetrics(summary));
  // Drawing needs optional packages, which a sweep itself does without.
  const { toSvg, writeFigure } = await import('../plots/node.ts');
  for (const { name, figure } of figures) await writeFigure(figure, join(output, name));
  const page = join(output, 'report.html');
  const title = record?.plan.name ?? `Sweep ${basename(resolve(path))}`;
  const planned = record && countRuns(record.plan);
  await writeFileAtomic(
    page,
    reportPage({ title, summary, planned, figures: figures.map(({ figure }) => toSvg(figure)) }),
  );
  return { summary, page };
}

/**
 * Compares two sweeps, and writes `comparison.html` into `output`.
 * @throws FileFormatError where a folder holds no result, or a damaged one
 * @throws FileWriteError where `output` cannot be written
 */
export async function writeComparison(
  [a, b]: readonly [string, string],
  output: string,
): Promise<{ readonly comparison: SweepComparison; readonly page: string }> {
  const [left, right] = [await summariseSweep(new SweepFolder(a)), await summariseSweep(new SweepFolder(b))];
  for (const [path, { runs }] of [
    [a, left],
    [b, right],
  ] as const) {
    if (runs.length === 0) throw new FileFormatError('holds no result of a sweep', { file: path });
  }
  const comparison = compareSweeps(left, right);
  await mkdir(output, { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(output, cause);
  });
  const page = join(output, 'comparison.html');
  await writeFileAtomic(page, comparisonPage([a, b], comparison));
  return { comparison, page };
}
