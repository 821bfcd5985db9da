/** How many true features a dictionary recovers: over training, and as rates over seeds. */
import { InvalidValueError } from '../errors.ts';
import { seriesColour } from './colours.ts';
import type { DotMark, Figure, FigureText, Panel } from './figure.ts';
import { lineChart } from './line-chart.ts';
import { textWidth } from './svg-element.ts';

/** Recovery by step: one line of `plotRecovery`. */
export interface RecoverySeries {
  readonly name: string;
  readonly steps: readonly number[];
  /** Fraction of true features recovered at each step, in [0, 1]. */
  readonly fraction: readonly number[];
  /** Ends of an interval over seeds, drawn as a band. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
}

/** Axes and the line of chance of `plotRecovery`. */
export interface RecoveryOptions extends FigureText {
  /** The fraction that chance gives, as a dashed line. */
  readonly chance?: number;
  /** Whether steps are on a logarithmic axis, without step 0. Default false. */
  readonly logSteps?: boolean;
}

/**
 * Fraction of recovered features against the training step.
 *
 * @throws InvalidShapeError where a series' arrays differ in length.
 */
export function plotRecovery(series: readonly RecoverySeries[], options: RecoveryOptions = {}): Figure {
  const { title = 'Recovered features', subtitle, chance, logSteps = false } = options;
  return lineChart(
    series.map(({ steps, fraction, ...rest }) => ({ ...rest, x: steps, y: fraction })),
    {
      name: 'recovery',
      title,
      subtitle,
      x: { type: logSteps ? 'log' : 'linear', label: 'training step' },
      y: { domain: [0, 1], label: 'true features recovered', format: 'percent' },
      reference: chance === undefined ? undefined : { label: 'chance', at: chance, along: 'y' },
    },
  );
}

/** A share with its interval: one bar of `plotRecoveryRates`. */
export interface RecoveryRate {
  /** What varies down the figure, such as the initialisation. */
  readonly group: string;
  /** What colours mean, such as `step 0` and `step 20,000`. */
  readonly series: string;
  /** The title of the panel, such as `all five features`. Default: one panel without a title. */
  readonly measure?: string;
  /** A rate in [0, 1], and the ends of its interval. */
  readonly rate: number;
  readonly low: number;
  readonly high: number;
}

const rowHeight = 40;
const panelWidth = 320;
const right = 40;

/**
 * Rates as points with their (Wilson) intervals: a row for each group, a colour for each series, a panel for each
 * measure, all in order of first appearance.
 *
 * @throws InvalidValueError for a rate or interval outside [0, 1].
 */
export function plotRecoveryRates(rates: readonly RecoveryRate[], options: FigureText = {}): Figure {
  const { title = 'Recovery by initialisation', subtitle } = options;
  for (const { group, rate, low, high } of rates) {
    if (![rate, low, high].every(value => value >= 0 && value <= 1)) {
      throw new InvalidValueError(`${group}: rate and interval must be between 0 and 1, got ${rate} [${low}, ${high}]`);
    }
  }
  const groups = distinct(rates.map(({ group }) => group));
  const series = distinct(rates.map(({ series }) => series));
  const measures = distinct(rates.map(({ measure }) => measure ?? ''));
  const left = 22 + Math.ceil(Math.max(...groups.map(group => textWidth(group, 11)), 20));
  const top = measures.some(measure => measure !== '') ? 26 : 10;
  const height = top + groups.length * rowHeight + 44;
  const panels = measures.map((measure, i): Panel => {
    const marginLeft = i === 0 ? left : 14;
    return {
      left: i === 0 ? 0 : left + i * (panelWidth + right) - 14,
      top: 0,
      width: marginLeft + panelWidth + right,
      height,
      margin: { top, right, bottom: 44, left: marginLeft },
      ...(measure === '' ? {} : { title: measure }),
      x: {
        type: 'linear',
        domain: [0, 1],
        ticks: [0, 0.25, 0.5, 0.75, 1],
        format: 'percent',
        grid: true,
        label: 'rate',
      },
      y: { type: 'band', domain: groups, ...(i === 0 ? {} : { ticks: [] }) },
      frame: false,
      marks: series.flatMap((name, at) => rateMarks(rates, { measure, name, at, count: series.length })),
    };
  });
  return {
    name: 'recovery-rates',
    title,
    ...(subtitle === undefined ? {} : { subtitle }),
    width: Math.max(420, left + measures.length * (panelWidth + right)),
    height,
    legends: [
      {
        kind: 'samples',
        samples: series.map((label, i) => ({ label, colour: seriesColour(i), shape: 'dot' })),
      },
    ],
    panels,
  };
}

function rateMarks(
  rates: readonly RecoveryRate[],
  series: { readonly measure: string; readonly name: string; readonly at: number; readonly count: number },
): DotMark[] {
  const data = rates.filter(rate => rate.series === series.name && (rate.measure ?? '') === series.measure);
  if (data.length === 0) return [];
  const percent = (value: number): string => `${(value * 100).toFixed(0)}%`;
  return [
    {
      kind: 'dots',
      name: series.name,
      data: data.map(({ group, rate, low, high }) => ({
        x: rate,
        y: group,
        low,
        high,
        tooltip: `${group}, ${series.name}: ${percent(rate)} (${percent(low)} to ${percent(high)})`,
      })),
      colour: seriesColour(series.at),
      radius: 4.5,
      dy: (series.at - (series.count - 1) / 2) * Math.min(12, rowHeight / (series.count + 1)),
    },
  ];
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}
