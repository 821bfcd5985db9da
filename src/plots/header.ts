/** The head of a figure: title, subtitle and legends, and how high they are. */
import { ink } from './colours.ts';
import type { Figure, Legend, LegendSample } from './figure.ts';
import { svgElement, textWidth } from './svg-element.ts';

const side = 16;
const titleSize = 16;
const subtitleSize = 12;
const legendSize = 11;
const subtitleLine = 17;
const rampWidth = 140;
const sampleWidth = 18;

type Header = Pick<Figure, 'title' | 'subtitle' | 'legends' | 'width'>;

/** Height in pixels of the header: panels start below it. */
export function headerHeight(header: Header): number {
  const legends = legendRows(header);
  const rows = legends.reduce((height, row) => height + rowHeight(row), 0);
  return 34 + subtitleLines(header).length * subtitleLine + (rows > 0 ? rows + 6 : 0);
}

/** Draws the header at the top left of the figure. */
export function drawHeader(document: Document, header: Header): SVGElement {
  const group = svgElement(document, 'g', { class: 'header', 'text-anchor': 'start' });
  const text = (words: string, x: number, y: number, attributes: Record<string, string | number>): void => {
    group.append(svgElement(document, 'text', { x, y, ...attributes }, [words]));
  };
  text(header.title, side, 25, { 'font-size': titleSize, 'font-weight': 600, fill: ink.title });
  let y = 25;
  for (const line of subtitleLines(header)) {
    y += subtitleLine;
    text(line, side, y, { 'font-size': subtitleSize, fill: ink.muted });
  }
  y += 9;
  for (const row of legendRows(header)) {
    let x = side;
    for (const legend of row) {
      const drawn = drawLegend(document, legend);
      drawn.setAttribute('transform', `translate(${x},${y})`);
      group.append(drawn);
      x += legendWidth(legend) + 28;
    }
    y += rowHeight(row);
  }
  return group;
}

function subtitleLines({ subtitle, width }: Header): string[] {
  if (subtitle === undefined) return [];
  const lines: string[] = [];
  let line = '';
  for (const word of subtitle.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && textWidth(longer, subtitleSize) > width - 2 * side) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

/** Legends side by side while they fit, then on a new row; a legend of samples that is too long is split. */
function legendRows({ legends, width }: Header): Legend[][] {
  const available = width - 2 * side;
  const rows: Legend[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const legend of legends.flatMap(legend => splitLegend(legend, available))) {
    const needed = legendWidth(legend);
    if (used + needed > available) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push(legend);
    used += needed + 28;
  }
  return rows;
}

function splitLegend(legend: Legend, available: number): Legend[] {
  if (legend.kind === 'ramp' || legendWidth(legend) <= available) return [legend];
  const parts: LegendSample[][] = [[]];
  let used = textWidth(legend.label ?? '', legendSize);
  for (const sample of legend.samples) {
    const needed = entryWidth(sample);
    if (used + needed > available && parts.at(-1)!.length > 0) {
      parts.push([]);
      used = 0;
    }
    parts.at(-1)!.push(sample);
    used += needed;
  }
  return parts.map((samples, i) =>
    i === 0 && legend.label !== undefined
      ? { kind: 'samples', label: legend.label, samples }
      : { kind: 'samples', samples },
  );
}

function rowHeight(row: readonly Legend[]): number {
  return row.some(legend => legend.kind === 'ramp') ? 40 : 21;
}

function entryWidth(sample: LegendSample): number {
  return sampleWidth + 6 + textWidth(sample.label, legendSize) + 14;
}

function legendWidth(legend: Legend): number {
  if (legend.kind === 'ramp') return Math.max(rampWidth + 10, textWidth(legend.label, legendSize));
  const label = legend.label === undefined ? 0 : textWidth(legend.label, legendSize) + 10;
  return label + legend.samples.reduce((width, sample) => width + entryWidth(sample), 0) - 14;
}

function drawLegend(document: Document, legend: Legend): SVGElement {
  return legend.kind === 'ramp' ? drawRamp(document, legend) : drawSamples(document, legend);
}

function drawRamp(document: Document, legend: Legend & { kind: 'ramp' }): SVGElement {
  const group = svgElement(document, 'g', { class: 'legend', 'font-size': legendSize });
  group.append(svgElement(document, 'text', { x: 0, y: 11, fill: ink.text }, [legend.label]));
  const [low, high] = legend.ramp.domain;
  const { colours } = legend.ramp;
  // Two gradients with the same name have the same colours, so that figures can share a page.
  const id = `ramp-${colours[0]}-${colours.at(-1)}`.replace(/[^\w-]+/g, '');
  const stops = Array.from({ length: 17 }, (_, i) =>
    svgElement(document, 'stop', {
      offset: `${(i * 100) / 16}%`,
      'stop-color': colours[Math.round((i * (colours.length - 1)) / 16)],
    }),
  );
  group.append(
    svgElement(document, 'linearGradient', { id }, stops),
    svgElement(document, 'rect', { x: 0, y: 17, width: rampWidth, height: 8, fill: `url(#${id})` }),
  );
  for (const tick of legend.ticks) {
    const x = ((tick - low) / (high - low)) * rampWidth;
    const anchor = tick === low ? 'start' : tick === high ? 'end' : 'middle';
    const words = String(Number(tick.toPrecision(2))).replace('-', '−');
    group.append(
      svgElement(document, 'text', { x, y: 36, 'font-size': 10, 'text-anchor': anchor, fill: ink.muted }, [words]),
    );
  }
  return group;
}

function drawSamples(document: Document, legend: Legend & { kind: 'samples' }): SVGElement {
  const group = svgElement(document, 'g', { class: 'legend', 'font-size': legendSize, fill: ink.text });
  let x = 0;
  if (legend.label !== undefined) {
    group.append(svgElement(document, 'text', { x, y: 14, 'font-weight': 600 }, [legend.label]));
    x += textWidth(legend.label, legendSize) + 10;
  }
  for (const sample of legend.samples) {
    group.append(drawSample(document, sample, x));
    group.append(svgElement(document, 'text', { x: x + sampleWidth + 6, y: 14 }, [sample.label]));
    x += entryWidth(sample);
  }
  return group;
}

function drawSample(document: Document, { shape, colour }: LegendSample, x: number): SVGElement {
  const middle = 10;
  const centre = x + sampleWidth / 2;
  if (shape === 'square') {
    return svgElement(document, 'rect', {
      x: centre - 5.5,
      y: middle - 5.5,
      width: 11,
      height: 11,
      rx: 2,
      fill: colour,
    });
  }
  if (shape === 'dot') return svgElement(document, 'circle', { cx: centre, cy: middle, r: 4, fill: colour });
  if (shape === 'ring') {
    const ring = { cx: centre, cy: middle, r: 3.6, fill: '#ffffff', stroke: colour, 'stroke-width': 1.8 };
    return svgElement(document, 'circle', ring);
  }
  const dash = shape === 'dashed' ? '4,3' : undefined;
  return svgElement(document, 'line', {
    x1: x,
    x2: x + sampleWidth,
    y1: middle,
    y2: middle,
    stroke: colour,
    'stroke-width': 2,
    'stroke-dasharray': dash,
  });
}
