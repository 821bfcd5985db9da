/** A chart of Observable Plot, as wide as its place, drawn again when its options change. */
import { type PlotOptions, plot } from '@observablehq/plot';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { useWidth } from './use-width.ts';

interface PlotChartProps {
  readonly label: string;
  /** Gives the options of the chart for a width in pixels. */
  readonly options: (width: number) => PlotOptions;
  /** The values on which `options` depends: the chart is drawn again when one of them changes. */
  readonly inputs: readonly unknown[];
  readonly height?: number;
}

/** The chart as one picture, which screen readers call by `label`. */
export function PlotChart({ label, options, inputs, height = 200 }: PlotChartProps) {
  const [ref, width] = useWidth(320);
  const holder = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const given = options(width);
    const chart = plot({
      width,
      height,
      style: {
        background: 'none',
        color: 'var(--ink)',
        fontFamily: 'var(--font)',
        fontSize: '12px',
        overflow: 'visible',
      },
      ...given,
      // The page's typeface has no arrows for the labels of axes.
      x: { labelArrow: 'none', ...given.x },
      y: { labelArrow: 'none', ...given.y },
    });
    // The chart is one picture with one name; its groups must not carry names of their own.
    for (const group of chart.querySelectorAll('g[aria-label]')) group.removeAttribute('aria-label');
    chart.setAttribute('role', 'img');
    chart.setAttribute('aria-label', label);
    holder.current?.replaceChildren(chart);
  }, [width, height, label, ...inputs]);
  return (
    <div ref={ref}>
      <div ref={holder} />
    </div>
  );
}
