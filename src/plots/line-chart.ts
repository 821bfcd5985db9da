/** A chart of lines against one number, with a legend where there is more than one: the form of several figures. */
import { median } from 'd3-array';
import { InvalidShapeError } from '../errors.ts';
import { type AxisRequest, canShow, fittedAxis } from './axes.ts';
import { ink, seriesColour } from './colours.ts';
import type { Axis, BandMark, Colour, Figure, Legend, LineMark, Mark, Panel } from './figure.ts';

/** One line of a chart. */
export interface Line {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Ends of an interval at each x. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
  readonly colour?: Colour;
  readonly dashed?: boolean;
}

/** Axes and words of a chart. */
export interface LineChart {
  readonly name: string;
  readonly title: string;
  readonly subtitle?: string | undefined;
  readonly x: AxisRequest;
  readonly y: AxisRequest;
  /** A line with at most this many points has a dot at each. Default 12. */
  readonly mostDots?: number;
  readonly height?: number;
  /** A dashed line across the panel at one x or y, beneath the others and named in the legend. */
  readonly reference?: { readonly label: string; readonly at: number; readonly along: 'x' | 'y' } | undefined;
}

const width = 760;
/** Width of the columns that a line with very many points is condensed to. */
const pixelsPerColumn = 3;
const margin = { top: 10, right: 24, bottom: 42, left: 66 };

/**
 * Lines in one panel. Points that an axis cannot show (not finite, or not positive on a logarithmic one) break the line;
 * a line with far more points than pixels is drawn as its median, with a band from the lowest to the highest.
 *
 * @throws InvalidShapeError where x, y, low and high of a line differ in length.
 */
export function lineChart(lines: readonly Line[], chart: LineChart): Figure {
  const { mostDots = 12, height = 340, reference } = chart;
  for (const line of lines) checkLengths(line);
  const shown = { x: chart.x.type ?? 'linear', y: chart.y.type ?? 'linear' } as const;
  const x = fittedAxis(
    lines.flatMap(line => line.x),
    chart.x,
  );
  const y = fittedAxis(
    lines.flatMap(line => [...line.y, ...(line.low ?? []), ...(line.high ?? [])]),
    chart.y,
  );
  const bands: Mark[] = [];
  const strokes: Mark[] = [];
  for (const [i, whole] of lines.entries()) {
    const line = condensed(whole, x);
    const colour = line.colour ?? seriesColour(i);
    const band = bandOf(line, colour, shown);
    if (band.points.length > 0) bands.push(band);
    const points = line.x.flatMap((at, j): [number, number][] =>
      canShow(at, shown.x) ? [[at, canShow(line.y[j]!, shown.y) ? line.y[j]! : Number.NaN]] : [],
    );
    strokes.push({
      kind: 'line',
      name: line.name,
      points,
      colour,
      ...(line.dashed ? { dash: '5,4' } : {}),
      dots: points.length <= mostDots,
    } satisfies LineMark);
  }
  const panel: Panel = {
    left: 0,
    top: 0,
    width,
    height,
    margin,
    x,
    y,
    frame: false,
    marks: [...(reference ? [referenceRule(reference)] : []), ...bands, ...strokes],
  };
  return {
    name: chart.name,
    title: chart.title,
    ...(chart.subtitle === undefined ? {} : { subtitle: chart.subtitle }),
    width,
    height,
    legends: lines.length > 1 || reference ? [lineLegend(lines, reference?.label)] : [],
    panels: [panel],
  };
}

function referenceRule({ at, along }: { readonly at: number; readonly along: 'x' | 'y' }): Mark {
  return { kind: 'rule', at, along, colour: ink.muted, dash: '5,4' };
}

/** The legend; a single line is named by the title. */
function lineLegend(lines: readonly Line[], reference: string | undefined): Legend {
  const samples = lines.map(({ name, colour, dashed }, i) => ({
    label: name,
    colour: colour ?? seriesColour(i),
    shape: dashed ? ('dashed' as const) : ('line' as const),
  }));
  const referenceSample = { label: reference ?? '', colour: ink.muted, shape: 'dashed' as const };
  return {
    kind: 'samples',
    samples: [...(lines.length > 1 ? samples : []), ...(reference === undefined ? [] : [referenceSample])],
  };
}

function bandOf(
  line: Line,
  colour: Colour,
  shown: { readonly x: 'linear' | 'log'; readonly y: 'linear' | 'log' },
): BandMark {
  const { low, high } = line;
  if (low === undefined || high === undefined) return { kind: 'band', points: [], colour };
  const points = line.x.map((x, j) => ({ x, low: low[j]!, high: high[j]! }));
  const drawable = points.filter(p => canShow(p.x, shown.x) && canShow(p.low, shown.y) && canShow(p.high, shown.y));
  return { kind: 'band', points: drawable, colour };
}

/**
 * The line with one point for each column of pixels: the median there, and an interval from the lowest to the highest.
 */
function condensed(line: Line, axis: Axis): Line {
  const columns = Math.floor((width - margin.left - margin.right) / pixelsPerColumn);
  if (line.low !== undefined || line.x.length <= 3 * columns) return line;
  const scale = axis.type === 'log' ? Math.log : (value: number) => value;
  const [first, last] = (axis.domain as readonly [number, number]).map(scale) as [number, number];
  const cells = new Map<number, number[]>();
  for (const [i, x] of line.x.entries()) {
    const column = Math.floor(((scale(x) - first) / (last - first)) * columns);
    const cell = cells.get(column);
    if (cell === undefined) cells.set(column, [i]);
    else cell.push(i);
  }
  const columnsInOrder = [...cells.values()];
  const values = columnsInOrder.map(cell => cell.map(i => line.y[i]!).sort((a, b) => a - b));
  // The line still starts and ends where the data do.
  const middles = columnsInOrder.map(cell => line.x[cell[Math.floor(cell.length / 2)]!]!);
  return {
    ...line,
    x: [line.x[0]!, ...middles.slice(1, -1), line.x.at(-1)!],
    y: values.map(sorted => median(sorted) ?? Number.NaN),
    low: values.map(sorted => sorted[0]!),
    high: values.map(sorted => sorted.at(-1)!),
  };
}

function checkLengths({ name, x, y, low, high }: Line): void {
  for (const values of [y, low, high]) {
    if (values !== undefined && values.length !== x.length) {
      throw new InvalidShapeError(`series "${name}": ${x.length} positions, but ${values.length} values`);
    }
  }
  if ((low === undefined) !== (high === undefined)) {
    throw new InvalidShapeError(`series "${name}": an interval needs both low and high`);
  }
}
