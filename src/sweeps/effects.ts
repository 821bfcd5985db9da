/** The figures of a sweep: each metric that varies against each setting that was swept. */
import { studentInterval } from '../analysis/student-interval.ts';
import type { Figure } from '../plots/figure.ts';
import { plotSettingEffect, type SettingSeries } from '../plots/figure-data.ts';
import { settingText } from './setting-text.ts';
import type { SweepSummary } from './summary.ts';

/** The most metrics that are drawn where none are named. */
const DRAWN = 4;
/** The most combinations of the other settings that have a line each; more are taken together. */
const SERIES = 6;

/** The metrics to draw: those that differ among the runs, in the order in which they matter. */
export function drawnMetrics({ metrics, runs }: SweepSummary): string[] {
  return metrics
    .filter(name => !(name === 'recovered' && metrics.includes('recovered_share')))
    .filter(name => new Set(runs.map(run => run.metrics[name])).size > 1)
    .slice(0, DRAWN);
}

/** A figure for each of `metrics` and each setting that was swept. */
export function effectFigures(summary: SweepSummary, metrics: readonly string[]): { name: string; figure: Figure }[] {
  return metrics.flatMap(metric =>
    summary.varied.map(setting => ({
      name: `${metric}-by-${setting}`,
      figure: effectFigure(summary, metric, setting),
    })),
  );
}

function effectFigure({ varied, configurations }: SweepSummary, metric: string, setting: string): Figure {
  const others = varied.filter(name => name !== setting);
  const wordsOf = (settings: Readonly<Record<string, unknown>>): string =>
    others.map(name => `${name} ${settingText(settings[name])}`).join(', ');
  const combinations = [...new Set(configurations.map(({ settings }) => wordsOf(settings)))];
  const isTogether = combinations.length > SERIES;
  const series = (isTogether ? [''] : combinations).map((name): SettingSeries => {
    const own = configurations.filter(({ settings }) => isTogether || wordsOf(settings) === name);
    const byValue = new Map<number | string, number[]>();
    for (const { settings, runs } of own) {
      const value = settings[setting];
      const key = typeof value === 'number' ? value : settingText(value);
      const values = runs.flatMap(run => (typeof run.metrics[metric] === 'number' ? [run.metrics[metric]] : []));
      byValue.set(key, [...(byValue.get(key) ?? []), ...values]);
    }
    const points = [...byValue].flatMap(([value, values]) => {
      if (values.length === 0) return [];
      const { mean, low, high, n } = studentInterval(values);
      return [{ value, mean, ...(n > 1 && { low, high }) }];
    });
    return { name, points };
  });
  const seeds = Math.max(...configurations.map(({ runs }) => runs.length));
  const interval =
    seeds > 1 ? `means over ${isTogether ? 'all runs' : `${seeds} seeds`} with 95% intervals` : 'one seed';
  const together = isTogether ? `; ${combinations.length} combinations of ${others.join(', ')} taken together` : '';
  return plotSettingEffect(series, { setting, metric, subtitle: interval + together });
}
