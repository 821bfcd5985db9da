/** A figure in Plotly's form, for its interactive view: the same panels, marks and colours as the drawn one. */
import { ink } from './colours.ts';
import type { Axis, CellMark, Coordinate, Figure, Mark, Panel } from './figure.ts';
import { headerHeight } from './header.ts';

/** What Plotly draws: `data` and `layout` as its `newPlot` takes them. */
export interface PlotlyFigure {
  readonly data: readonly PlotlyObject[];
  readonly layout: PlotlyObject;
}

/** An object of Plotly's, by its attributes' names. */
export type PlotlyObject = Readonly<Record<string, unknown>>;

const sides = { left: 10, right: 170 };
const bottom = 70;

/** `figure` for Plotly. Coordinates are the figure's own; names of lines and points appear in its legend once. */
export function toPlotly(figure: Figure): PlotlyFigure {
  const header = headerHeight(figure);
  const data: PlotlyObject[] = [];
  const annotations: PlotlyObject[] = [];
  const axes: Record<string, PlotlyObject> = {};
  const named = new Set<string>();
  for (const [i, panel] of figure.panels.entries()) {
    const place = domains(panel, figure);
    const suffix = i === 0 ? '' : String(i + 1);
    axes[`xaxis${suffix}`] = { ...axisLayout(panel.x), domain: place.x, anchor: `y${suffix}` };
    axes[`yaxis${suffix}`] = { ...axisLayout(panel.y), domain: place.y, anchor: `x${suffix}` };
    const on = { xaxis: `x${suffix}`, yaxis: `y${suffix}` };
    for (const mark of panel.marks) {
      for (const trace of traces(mark, panel)) data.push({ ...legendEntry(mark, named), ...trace, ...on });
      if (mark.kind === 'arrows' && mark.head) annotations.push(...heads(mark, on));
    }
    annotations.push(...panelWords(panel, place));
  }
  const subtitle = figure.subtitle === undefined ? '' : `<br><sub>${escaped(figure.subtitle)}</sub>`;
  return {
    data: [...data, ...legendSamples(figure, named), ...colourBars(figure)],
    layout: {
      title: { text: escaped(figure.title) + subtitle, x: 0.02, xanchor: 'left' },
      width: figure.width + sides.left + sides.right,
      height: figure.height + header + bottom,
      margin: { t: header, l: sides.left, r: sides.right, b: bottom },
      legend: { orientation: 'h', x: 0, y: -20 / figure.height, yanchor: 'top' },
      font: { family: 'Inter, system-ui, sans-serif', size: 11, color: ink.text },
      plot_bgcolor: '#ffffff',
      hovermode: 'closest',
      annotations,
      ...axes,
    },
  };
}

interface Place {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** A panel's data area in fractions of the figure's, up and right. */
function domains({ left, top, width, height, margin }: Panel, figure: Figure): Place {
  const fraction = (value: number): number => Math.min(1, Math.max(0, value));
  return {
    x: [fraction((left + margin.left) / figure.width), fraction((left + width - margin.right) / figure.width)],
    y: [fraction(1 - (top + height - margin.bottom) / figure.height), fraction(1 - (top + margin.top) / figure.height)],
  };
}

function panelWords(panel: Panel, { x, y }: Place): PlotlyObject[] {
  const common = { xref: 'paper', yref: 'paper', showarrow: false };
  const words: PlotlyObject[] = [];
  if (panel.title !== undefined) {
    const text = `<b>${escaped(panel.title)}</b>`;
    words.push({ ...common, text, x: (x[0] + x[1]) / 2, y: y[1], xanchor: 'center', yanchor: 'bottom' });
  }
  if (panel.rowLabel !== undefined) {
    const text = `<b>${escaped(panel.rowLabel)}</b>`;
    words.push({ ...common, text, x: 0, y: (y[0] + y[1]) / 2, xanchor: 'left', yanchor: 'middle' });
  }
  return words;
}

function axisLayout(axis: Axis): PlotlyObject {
  const title = axis.label === undefined ? {} : { title: { text: escaped(axis.label) } };
  const common = {
    ...title,
    showgrid: axis.grid === true,
    gridcolor: ink.grid,
    zeroline: false,
    showticklabels: !(Array.isArray(axis.ticks) && axis.ticks.length === 0),
  };
  if (axis.type === 'band') {
    const categories = [...(axis.domain as readonly string[])].reverse();
    return { ...common, type: 'category', categoryorder: 'array', categoryarray: categories };
  }
  const domain = axis.domain as readonly number[];
  return {
    ...common,
    type: axis.type,
    range: axis.type === 'log' ? domain.map(Math.log10) : [...domain],
    ...(axis.format === 'percent' ? { tickformat: ',.0%' } : {}),
    ...(Array.isArray(axis.ticks) ? { tickvals: axis.ticks } : {}),
    ...(axis.tickLabels === undefined ? {} : { ticktext: axis.tickLabels }),
  };
}

function legendEntry(mark: Mark, named: Set<string>): PlotlyObject {
  if (!('name' in mark) || mark.name === undefined) return { showlegend: false };
  const first = !named.has(mark.name);
  named.add(mark.name);
  return { name: mark.name, legendgroup: mark.name, showlegend: first };
}

function traces(mark: Mark, panel: Panel): PlotlyObject[] {
  switch (mark.kind) {
    case 'arrows':
      return mark.data.map(({ from, to, colour, tooltip }) => ({
        type: 'scatter',
        mode: 'lines',
        x: [from[0], to[0]],
        y: [from[1], to[1]],
        opacity: mark.opacity ?? 1,
        line: { color: colour, width: mark.width, dash: mark.dash === undefined ? 'solid' : 'dash' },
        ...hover(tooltip === undefined ? undefined : [tooltip, tooltip]),
      }));
    case 'text':
      return [
        { type: 'scatter', mode: 'text', ...columns(mark.data), text: mark.data.map(d => d.text), hoverinfo: 'skip' },
      ];
    case 'line':
      return [
        {
          type: 'scatter',
          mode: mark.dots ? 'lines+markers' : 'lines',
          x: mark.points.map(([x]) => x),
          y: mark.points.map(([, y]) => y),
          line: { color: mark.colour, width: mark.width ?? 1.8, dash: mark.dash === undefined ? 'solid' : 'dash' },
        },
      ];
    case 'band': {
      const edge = {
        type: 'scatter',
        mode: 'lines',
        line: { width: 0 },
        hoverinfo: 'skip',
        fillcolor: `${mark.colour}29`,
      };
      const x = mark.points.map(point => point.x);
      return [
        { ...edge, x, y: mark.points.map(point => point.low) },
        { ...edge, x, y: mark.points.map(point => point.high), fill: 'tonexty' },
      ];
    }
    case 'dots':
      return [
        {
          type: 'scatter',
          mode: 'markers',
          cliponaxis: false,
          ...columns(mark.data),
          marker: { color: mark.colour, size: mark.radius * 2, opacity: mark.opacity ?? 1 },
          ...(mark.data.some(d => d.low !== undefined) ? { error_x: intervals(mark.data) } : {}),
          ...hover(mark.data.map(d => d.tooltip)),
        },
      ];
    case 'bars':
      return [
        {
          type: 'bar',
          orientation: 'h',
          x: mark.data.map(d => d.value),
          y: mark.data.map(d => d.y),
          marker: { color: mark.data.map(d => d.colour) },
          ...hover(mark.data.map(d => d.tooltip)),
        },
      ];
    case 'cells':
      return [heatMap(mark)];
    case 'rule': {
      const [x, y] = [panel.x.domain, panel.y.domain];
      const ends =
        mark.along === 'y'
          ? { x: [x[0], x.at(-1)], y: [mark.at, mark.at] }
          : { x: [mark.at, mark.at], y: [y[0], y.at(-1)] };
      const line = { color: mark.colour, width: mark.width ?? 1, dash: mark.dash === undefined ? 'solid' : 'dash' };
      return [{ type: 'scatter', mode: 'lines', ...ends, line, hoverinfo: 'skip' }];
    }
  }
}

function heatMap({ xEdges, yEdges, values, ramp, tooltips }: CellMark): PlotlyObject {
  const across = xEdges.length - 1;
  const rows = <T>(flat: readonly T[]): T[][] =>
    Array.from({ length: yEdges.length - 1 }, (_, row) => flat.slice(row * across, (row + 1) * across));
  const last = ramp.colours.length - 1;
  return {
    type: 'heatmap',
    x: xEdges,
    y: yEdges,
    z: rows(values),
    zmin: ramp.domain[0],
    zmax: ramp.domain[1],
    colorscale: ramp.colours.map((colour, i) => [i / last, colour]),
    showscale: false,
    ...(tooltips === undefined ? {} : { text: rows(tooltips), hoverinfo: 'text' }),
  };
}

/** Plotly draws heads as annotations; the shaft is there already, so each is only the last part of its arrow. */
function heads(
  mark: Mark & { kind: 'arrows' },
  on: { readonly xaxis: string; readonly yaxis: string },
): PlotlyObject[] {
  return mark.data.map(({ from, to, colour }) => ({
    text: '',
    showarrow: true,
    arrowhead: 3,
    arrowwidth: mark.width,
    arrowcolor: colour,
    x: to[0],
    y: to[1],
    ax: from[0],
    ay: from[1],
    xref: on.xaxis,
    yref: on.yaxis,
    axref: on.xaxis,
    ayref: on.yaxis,
  }));
}

/** Empty traces for what the legend names and no trace does. */
function legendSamples(figure: Figure, named: ReadonlySet<string>): PlotlyObject[] {
  const samples = figure.legends.flatMap(legend => (legend.kind === 'samples' ? legend.samples : []));
  return samples
    .filter(({ label }) => !named.has(label))
    .map(({ label, colour, shape }) => ({
      type: 'scatter',
      x: [null],
      y: [null],
      name: label,
      mode: shape === 'line' || shape === 'dashed' ? 'lines' : 'markers',
      line: { color: colour, dash: shape === 'dashed' ? 'dash' : 'solid' },
      marker: { color: colour, size: 10, symbol: shape === 'square' ? 'square' : 'circle' },
      showlegend: true,
    }));
}

/** A colour bar for each ramp: an empty trace that owns one. */
function colourBars(figure: Figure): PlotlyObject[] {
  const ramps = figure.legends.filter(legend => legend.kind === 'ramp');
  return ramps.map(({ label, ramp, ticks }, i) => ({
    type: 'scatter',
    mode: 'markers',
    x: [null],
    y: [null],
    showlegend: false,
    marker: {
      color: [ramp.domain[0]],
      cmin: ramp.domain[0],
      cmax: ramp.domain[1],
      colorscale: ramp.colours.map((colour, at) => [at / (ramp.colours.length - 1), colour]),
      showscale: true,
      colorbar: {
        title: { text: label, side: 'right' },
        tickvals: ticks,
        x: 1 + (10 + 75 * i) / figure.width,
        thickness: 12,
        len: 180,
        lenmode: 'pixels',
        y: 1,
        yanchor: 'top',
      },
    },
  }));
}

function columns(points: readonly { readonly x: Coordinate; readonly y: Coordinate }[]): PlotlyObject {
  return { x: points.map(({ x }) => x), y: points.map(({ y }) => y) };
}

function intervals(
  points: readonly { readonly x: number; readonly low?: number; readonly high?: number }[],
): PlotlyObject {
  return {
    type: 'data',
    symmetric: false,
    array: points.map(({ x, high = x }) => high - x),
    arrayminus: points.map(({ x, low = x }) => x - low),
  };
}

function hover(words: readonly (string | undefined)[] | undefined): PlotlyObject {
  if (words === undefined || words.every(word => word === undefined)) return {};
  return { text: words.map(word => escaped(word ?? '')), hoverinfo: 'text' };
}

/** Plotly reads some HTML in words. */
function escaped(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
