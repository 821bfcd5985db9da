/** The effect of a setting on a metric: means over seeds with their intervals, against the setting's values. */

import { fittedAxis } from './axes.ts';
import { seriesColour } from './colours.ts';
import type { DotMark, Figure, FigureText } from './figure.ts';
import { lineChart } from './line-chart.ts';
import { textWidth } from './svg-element.ts';

/** A metric by the value of a setting, with intervals: one line of `plotSettingEffect`. */
export interface SettingSeries {
  readonly name: string;
  readonly points: readonly {
    readonly value: number | string;
    readonly mean: number;
    /** Ends of an interval; absent for a value with one seed. */
    readonly low?: number;
    readonly high?: number;
  }[];
}

/** What is varied, and what is measured. */
export interface SettingEffectOptions extends FigureText {
  readonly setting: string;
  readonly metric: string;
}

const width = 760;
const rowHeight = 22;
/** The range of positive values from which an axis is logarithmic. */
const decades = 8;

/** Lines with bands where all values are numbers, else a row of dots for each value; a colour for each series. */
export function plotSettingEffect(series: readonly SettingSeries[], options: SettingEffectOptions): Figure {
  const { setting, metric, title = `${metric} against ${setting}`, subtitle } = options;
  const values = [...new Set(series.flatMap(({ points }) => points.map(({ value }) => value)))];
  const numbers = values.filter(value => typeof value === 'number');
  if (numbers.length < values.length) return dots(series, values.map(String), { ...options, title });
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const isLog = least > 0 && most / least >= decades;
  const lines = series.map(({ name, points }) => {
    const sorted = points.toSorted((a, b) => Number(a.value) - Number(b.value));
    const hasIntervals = sorted.every(({ low }) => low !== undefined);
    return {
      name,
      x: sorted.map(({ value }) => Number(value)),
      y: sorted.map(({ mean }) => mean),
      ...(hasIntervals && { low: sorted.map(({ low }) => low!), high: sorted.map(({ high }) => high!) }),
    };
  });
  return lineChart(lines, {
    name: 'setting-effect',
    title,
    subtitle,
    x: {
      type: isLog ? 'log' : 'linear',
      label: setting,
      ...(numbers.length <= 8 && { ticks: numbers.toSorted((a, b) => a - b) }),
    },
    y: { label: metric },
    mostDots: 24,
  });
}

function dots(series: readonly SettingSeries[], values: readonly string[], options: SettingEffectOptions): Figure {
  const { metric, title = '', subtitle } = options;
  const all = series.flatMap(({ points }) => points.flatMap(({ mean, low = mean, high = mean }) => [mean, low, high]));
  const row = rowHeight + 12 * (series.length - 1);
  const left = Math.max(80, 24 + Math.max(...values.map(value => textWidth(value, 12))));
  const margin = { top: 10, right: 24, bottom: 42, left };
  const marks = series.map(
    ({ name, points }, i): DotMark => ({
      kind: 'dots',
      name,
      data: points.map(({ value, mean, low, high }) => ({
        x: mean,
        y: String(value),
        ...(low !== undefined && high !== undefined && { low, high }),
        tooltip: `${name ? `${name}, ` : ''}${value}: ${mean.toPrecision(4)}`,
      })),
      colour: seriesColour(i),
      radius: 4,
      dy: 12 * (i - (series.length - 1) / 2),
    }),
  );
  const height = margin.top + margin.bottom + row * values.length;
  const samples = series.map(({ name }, i) => ({ label: name, colour: seriesColour(i), shape: 'dot' as const }));
  return {
    name: 'setting-effect',
    title,
    ...(subtitle !== undefined && { subtitle }),
    width,
    height,
    legends: series.length > 1 ? [{ kind: 'samples', samples }] : [],
    panels: [
      {
        left: 0,
        top: 0,
        width,
        height,
        margin,
        x: { ...fittedAxis(all, { label: metric }), grid: true },
        y: { type: 'band', domain: values },
        frame: false,
        marks,
      },
    ],
  };
}
