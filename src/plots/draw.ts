/**
 * Draws a figure as one SVG element with Observable Plot: each panel is a plot, set into the figure at its place.
 * Works with any document, linkedom's in Node or the browser's own. The SVG needs nothing outside itself, and the same
 * figure always gives the same bytes.
 */
import * as Plot from '@observablehq/plot';
import { cellMark } from './cell-mark.ts';
import { ink, paper } from './colours.ts';
import type { ArrowMark, Axis, DotMark, Figure, Mark, Panel } from './figure.ts';
import { drawHeader, headerHeight } from './header.ts';
import { roundCoordinates, svgElement } from './svg-element.ts';

/** The fonts of all words, in the order of preference. */
export const fontFamily = 'Inter, system-ui, sans-serif';

/**
 * Draws a figure as an SVG element.
 * @param options.document the document in which elements are made. Default: the browser's
 */
export function drawFigure(figure: Figure, options: { readonly document?: Document } = {}): SVGSVGElement {
  const document = options.document ?? globalThis.document;
  const top = headerHeight(figure);
  const height = top + figure.height;
  const svg = svgElement(document, 'svg', {
    xmlns: 'http://www.w3.org/2000/svg',
    class: `figure ${figure.name}`,
    width: figure.width,
    height,
    viewBox: `0 0 ${figure.width} ${height}`,
    role: 'img',
    'aria-label': figure.title,
    'font-family': fontFamily,
    'font-size': 11,
    fill: ink.text,
    color: ink.text,
    style: 'max-width: 100%; height: auto',
  });
  if (figure.subtitle !== undefined) svg.append(svgElement(document, 'desc', {}, [figure.subtitle]));
  svg.append(svgElement(document, 'rect', { width: figure.width, height, fill: paper }));
  svg.append(drawHeader(document, figure));
  for (const panel of figure.panels) svg.append(drawPanel(document, panel, top));
  roundCoordinates(svg);
  return svg as SVGSVGElement;
}

function drawPanel(document: Document, panel: Panel, headerBottom: number): SVGElement {
  const { margin } = panel;
  const plot = Plot.plot({
    document,
    className: 'panel-plot',
    width: panel.width,
    height: panel.height,
    marginTop: margin.top,
    marginRight: margin.right,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    x: scaleOptions(panel.x),
    y: scaleOptions(panel.y),
    color: { type: 'identity' },
    marks: [
      ...axisMarks(panel),
      ...panel.marks.flatMap(mark => plotMarks(mark, panel, document)),
      panel.frame ? Plot.frame({ stroke: ink.line, strokeWidth: 1 }) : null,
    ],
  });
  const group = svgElement(document, 'g', {
    class: 'panel',
    'text-anchor': 'middle',
    transform: `translate(${panel.left},${headerBottom + panel.top})`,
  });
  if (panel.title !== undefined) {
    const x = margin.left + (panel.width - margin.left - margin.right) / 2;
    const title = { class: 'panel-title', x, y: margin.top - 7, 'font-weight': 600, fill: ink.title };
    group.append(svgElement(document, 'text', title, [panel.title]));
  }
  if (panel.rowLabel !== undefined) {
    const y = margin.top + (panel.height - margin.top - margin.bottom) / 2;
    const place = { class: 'row-label', x: 0, y, dy: '0.32em', 'text-anchor': 'start', 'font-weight': 600 };
    group.append(svgElement(document, 'text', { ...place, fill: ink.title }, [panel.rowLabel]));
  }
  // Plot's own style sheet only sets what the figure's root already says, and a selector that not every renderer knows.
  for (const child of [...plot.children]) if (child.localName !== 'style') group.append(child);
  return group;
}

function scaleOptions(axis: Axis): Plot.ScaleOptions {
  const domain = [...axis.domain] as number[] | string[];
  return axis.type === 'band' ? { type: 'band', domain, axis: null } : { type: axis.type, domain, axis: null };
}

function axisMarks({ x, y, margin }: Panel): Plot.Markish[] {
  const style = { color: ink.muted, fontSize: 10, tickSize: 0, tickPadding: 6, label: null } as const;
  const marks: Plot.Markish[] = [];
  if (x.grid) marks.push(Plot.gridX({ ...ticksOf(x), stroke: ink.grid, strokeOpacity: 1 }));
  if (y.grid) marks.push(Plot.gridY({ ...ticksOf(y), stroke: ink.grid, strokeOpacity: 1 }));
  // The labels are passed as text, because Plot would let a logarithmic scale drop some of them.
  marks.push(Plot.axisX({ ...style, ...ticksOf(x), text: (tick, i) => x.tickLabels?.[i] ?? formatTick(tick, x) }));
  marks.push(Plot.axisY({ ...style, ...ticksOf(y), text: (tick, i) => y.tickLabels?.[i] ?? formatTick(tick, y) }));
  // The labels are marks of their own: an axis colours its label like its ticks, and the label should be stronger.
  const label = { color: ink.text, fontSize: 11, labelAnchor: 'center', labelArrow: 'none', ticks: [] } as const;
  if (x.label !== undefined) marks.push(Plot.axisX({ ...label, label: x.label, labelOffset: margin.bottom - 6 }));
  if (y.label !== undefined) marks.push(Plot.axisY({ ...label, label: y.label, labelOffset: margin.left - 10 }));
  return marks;
}

function ticksOf({ ticks }: Axis): { readonly ticks?: number | number[] } {
  if (ticks === undefined) return {};
  return { ticks: typeof ticks === 'number' ? ticks : [...ticks] };
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

function formatTick(tick: number | string, axis: Axis): string {
  if (typeof tick === 'string') return tick;
  if (axis.format === 'percent') return `${Number((tick * 100).toPrecision(4))}%`;
  if (axis.format === 'power') {
    const power = Math.round(Math.log10(tick));
    if (Math.abs(Math.log10(tick) - power) > 1e-9) return '';
    const digits = String(Math.abs(power)).replace(/\d/g, digit => superscripts[Number(digit)]!);
    return `10${power < 0 ? '⁻' : ''}${digits}`;
  }
  const rounded = Number(tick.toPrecision(6));
  return (Math.abs(rounded) >= 1000 ? rounded.toLocaleString('en-US') : String(rounded)).replace('-', '−');
}

function plotMarks(mark: Mark, panel: Panel, document: Document): Plot.Markish[] {
  switch (mark.kind) {
    case 'arrows':
      return arrowMarks(mark);
    case 'text':
      return [
        Plot.text(mark.data, {
          x: 'x',
          y: 'y',
          text: 'text',
          textAnchor: mark.anchor ?? 'middle',
          dx: mark.dx ?? 0,
          dy: mark.dy ?? 0,
          fontSize: mark.size ?? 11,
          fill: mark.colour ?? ink.text,
          stroke: paper,
          strokeWidth: 3,
        }),
      ];
    case 'line': {
      const options = { x: '0', y: '1' } as const;
      const dash = mark.dash === undefined ? {} : { strokeDasharray: mark.dash };
      const points = mark.points.map(([x, y]) => [x, y]);
      return [
        Plot.line(points, { ...options, stroke: mark.colour, strokeWidth: mark.width ?? 1.8, ...dash }),
        mark.dots ? Plot.dot(points, { ...options, r: 2.6, fill: mark.colour, stroke: paper, strokeWidth: 0.8 }) : null,
      ];
    }
    case 'band':
      return [Plot.areaY(mark.points, { x: 'x', y1: 'low', y2: 'high', fill: mark.colour, fillOpacity: 0.16 })];
    case 'dots':
      return dotMarks(mark);
    case 'bars':
      return [
        Plot.rect(mark.data, {
          x1: 0,
          x2: 'value',
          y1: d => d.y - 0.5,
          y2: d => d.y + 0.5,
          fill: 'colour',
          insetTop: barInset(panel),
          insetBottom: barInset(panel),
          ...(mark.data.some(d => d.tooltip !== undefined) ? { title: 'tooltip' } : {}),
        }),
      ];
    case 'cells':
      return [cellMark(mark, document)];
    case 'rule': {
      const style = { stroke: mark.colour, strokeWidth: mark.width ?? 1 };
      const dash = mark.dash === undefined ? {} : { strokeDasharray: mark.dash };
      return [
        mark.along === 'y'
          ? Plot.ruleY([mark.at], { ...style, ...dash })
          : Plot.ruleX([mark.at], { ...style, ...dash }),
      ];
    }
  }
}

function arrowMarks(mark: ArrowMark): Plot.Markish[] {
  const headPixels = mark.head ? 9 : 0;
  const arrows = (width: number, style: { stroke: string; strokeOpacity?: number; title?: string }): Plot.Markish =>
    Plot.arrow(mark.data, {
      x1: d => d.from[0],
      y1: d => d.from[1],
      x2: d => d.to[0],
      y2: d => d.to[1],
      strokeWidth: width,
      // Plot measures heads in widths of the line.
      headLength: (headPixels * 1.5) / width,
      headAngle: 50,
      ...(mark.dash === undefined ? {} : { strokeDasharray: mark.dash }),
      ...style,
    });
  return [
    mark.outlined ? arrows(mark.width + 1.2, { stroke: ink.title, strokeOpacity: 0.35 }) : null,
    arrows(mark.width, {
      stroke: 'colour',
      ...(mark.opacity === undefined ? {} : { strokeOpacity: mark.opacity }),
      ...(mark.data.some(d => d.tooltip !== undefined) ? { title: 'tooltip' } : {}),
    }),
  ];
}

function dotMarks(mark: DotMark): Plot.Markish[] {
  const place = { x: 'x', y: 'y', dy: mark.dy ?? 0 } as const;
  const withInterval = mark.data.filter(d => d.low !== undefined && d.high !== undefined);
  const interval = { y: 'y', x1: 'low', x2: 'high', dy: mark.dy ?? 0, stroke: mark.colour, strokeWidth: 2 } as const;
  return [
    withInterval.length === 0 ? null : Plot.link(withInterval, { ...interval, y1: 'y', y2: 'y', strokeOpacity: 0.55 }),
    Plot.dot(mark.data, {
      ...place,
      r: mark.radius,
      fill: mark.hollow ? paper : mark.colour,
      fillOpacity: mark.opacity ?? 1,
      ...(mark.hollow ? { stroke: mark.colour, strokeWidth: 1.8 } : { stroke: 'none' }),
      ...(mark.data.some(d => d.tooltip !== undefined) ? { title: 'tooltip' } : {}),
    }),
  ];
}

/** Half the gap between bars: a tenth of a bar, or nothing where bars are thin. */
function barInset({ height, margin, y }: Panel): number {
  const [first, last] = y.domain as readonly [number, number];
  const pitch = (height - margin.top - margin.bottom) / Math.abs(last - first);
  return pitch >= 5 ? Math.min(1.5, pitch * 0.1) : 0;
}
