/** What autoencoders of different sparsity find and explain, against how many latents are active. */
import { seriesColour } from './colours.ts';
import type { Figure, FigureText } from './figure.ts';
import { lineChart } from './line-chart.ts';

/** A share by k: one line of `plotSparsitySweep`. */
export interface SparsitySweepSeries {
  readonly name: string;
  /** The number of active latents of a sample; positive, ascending. */
  readonly k: readonly number[];
  /** A share in [0, 1] at each. */
  readonly share: readonly number[];
  /** Ends of its spread over seeds, drawn as a band. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
  /** Whether this is the series before it under another condition: dashed, in the same colour. Default false. */
  readonly isVariant?: boolean;
}

/** The line of the true L0 in `plotSparsitySweep`. */
export interface SparsitySweepOptions extends FigureText {
  /** True features active in a sample, on average, as a dashed line. */
  readonly trueL0?: number;
}

/**
 * One line per share, with a dot at each k, on a logarithmic axis.
 *
 * @throws InvalidShapeError where a series' arrays differ in length.
 */
export function plotSparsitySweep(series: readonly SparsitySweepSeries[], options: SparsitySweepOptions = {}): Figure {
  const { title = 'How many latents should be active?', subtitle, trueL0 } = options;
  const ticks = [...new Set(series.flatMap(({ k }) => k))].sort((a, b) => a - b);
  let colours = 0;
  const lines = series.map(({ k: x, share: y, isVariant = false, ...rest }) => {
    const colour = seriesColour(isVariant ? Math.max(0, colours - 1) : colours++);
    return { ...rest, x, y, colour, dashed: isVariant };
  });
  return lineChart(lines, {
    name: 'sparsity-sweep',
    title,
    subtitle,
    x: { type: 'log', label: 'active latents a sample, k', ticks },
    y: { domain: [0, 1], label: 'share', format: 'percent' },
    reference: trueL0 === undefined ? undefined : { label: 'true features active', at: trueL0, along: 'x' },
    mostDots: Number.POSITIVE_INFINITY,
  });
}
