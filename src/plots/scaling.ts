/** Time per step against a size, on logarithmic axes: how engines scale. */
import type { Figure, FigureText } from './figure.ts';
import { lineChart } from './line-chart.ts';

/** Time per step by size: one line of `plotScaling`. */
export interface ScalingSeries {
  readonly name: string;
  /** The sizes, d_sae or the batch size for example; positive. */
  readonly sizes: readonly number[];
  /** Milliseconds per training step; positive. */
  readonly milliseconds: readonly number[];
  /** Ends of the spread over repeats. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
  /** Whether the line is dashed, for programs other than this package. */
  readonly dashed?: boolean;
}

/** Words of `plotScaling`. */
export interface ScalingOptions extends FigureText {
  /** Words at the x axis; default `d_sae`. */
  readonly sizeLabel?: string;
}

const MOST_TICKS = 8;

/**
 * One line per engine or program, with a dot at each measured size.
 *
 * @throws InvalidShapeError where sizes and times of a series differ in number.
 */
export function plotScaling(series: readonly ScalingSeries[], options: ScalingOptions = {}): Figure {
  const { title = 'Time per training step', subtitle, sizeLabel = 'd_sae' } = options;
  const sizes = [...new Set(series.flatMap(line => line.sizes))];
  return lineChart(
    series.map(({ sizes: x, milliseconds, ...rest }) => ({ ...rest, x, y: milliseconds })),
    {
      name: 'scaling',
      title,
      subtitle,
      // Sizes are powers of two, between which round numbers say nothing.
      x: { type: 'log', label: sizeLabel, ...(sizes.length <= MOST_TICKS && { ticks: sizes }) },
      y: { type: 'log', label: 'milliseconds per step' },
      mostDots: Number.POSITIVE_INFINITY,
    },
  );
}
