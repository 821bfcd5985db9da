/** Saves what is on the page: a figure as an SVG that needs no other file or as PNG, or any text as a file. */

/** The properties that the page's style sheet sets and that a saved file must carry itself. */
const CARRIED = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-opacity',
  'stroke-dasharray',
  'stroke-linecap',
  'stroke-linejoin',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
  'text-anchor',
  'dominant-baseline',
];
const PNG_SCALE = 3;
const SVG = 'http://www.w3.org/2000/svg';
/** The pixels around a saved figure, and the heights of its title and legend. */
const MARGIN = 16;
const TITLE = 30;
const LINE = 20;

/** A mark of a legend. */
export type Mark = 'arrow' | 'dashed' | 'band' | 'dot' | 'diamond' | 'cross' | 'square' | 'outline' | 'line';

/** A mark of a figure and its meaning. */
export interface LegendEntry {
  readonly mark: Mark;
  readonly colour: string;
  readonly text: string;
}

/** A scale of colours from one number to another. */
export interface ColourScale {
  readonly title: string;
  readonly from: string;
  readonly to: string;
  readonly colours: readonly string[];
}

/** The text of a saved figure. */
export interface Caption {
  readonly title: string;
  readonly legend?: readonly LegendEntry[] | undefined;
  readonly scale?: ColourScale | undefined;
}

/**
 * The least milliseconds between two downloads. Chromium begins ten downloads of a page in one second and drops further
 * ones without a word (kBurstDownloadLimit in its local_frame.cc).
 */
const BETWEEN_DOWNLOADS = 110;
/** When the next download may begin, on the clock of performance.now(). */
let nextDownload = 0;

/** Saves a blob as a file, as the browser saves any download. Of several in a row each waits for its turn. */
export function saveBlob(name: string, blob: Blob): void {
  const now = performance.now();
  const start = Math.max(now, nextDownload);
  nextDownload = start + BETWEEN_DOWNLOADS;
  const download = (): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  if (start > now) setTimeout(download, start - now);
  else download();
}

/** Saves text of a media type as a file. */
export function saveText(name: string, type: string, text: string): void {
  saveBlob(name, new Blob([text], { type }));
}

/** Saves bytes as a file. */
export function saveBytes(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  saveBlob(name, new Blob([bytes], { type: 'application/octet-stream' }));
}

/** Runs `work` while the page has the styles of the light theme. The page is not painted meanwhile. */
function inLight<T>(work: () => T): T {
  const { dataset } = document.documentElement;
  const before = dataset['theme'];
  dataset['theme'] = 'light';
  try {
    return work();
  } finally {
    if (before === undefined) delete dataset['theme'];
    else dataset['theme'] = before;
  }
}

/** A copy of a drawing that needs no style sheet. */
function selfContained(svg: SVGSVGElement): SVGSVGElement {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const originals = [svg, ...svg.querySelectorAll('*')];
  const copies = [copy, ...copy.querySelectorAll('*')];
  originals.forEach((original, index) => {
    const style = getComputedStyle(original);
    const target = copies[index]! as SVGElement;
    target.removeAttribute('class');
    for (const property of CARRIED) {
      const value = style.getPropertyValue(property);
      if (value) target.setAttribute(property, value);
    }
    target.removeAttribute('style');
    target.removeAttribute('tabindex');
  });
  for (const script of copy.querySelectorAll('style')) script.remove();
  return copy;
}

function element(name: string, attributes: Readonly<Record<string, string | number>>, text?: string): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The shape of a mark in a box of 26 by 10 at the origin. */
export function markPath(mark: Mark): {
  readonly d: string;
  readonly filled: boolean;
  readonly width: number;
  readonly opacity: number;
} {
  switch (mark) {
    case 'arrow':
    case 'dashed':
      return { d: 'M1 5H24M18 1l6 4l-6 4', filled: false, width: 2, opacity: 1 };
    case 'band':
      return { d: 'M5 5H21', filled: false, width: 8, opacity: 0.35 };
    case 'line':
      return { d: 'M1 5H25', filled: false, width: 2, opacity: 1 };
    case 'dot':
      return { d: 'M13 0.5a4.5 4.5 0 1 0 0.01 0z', filled: true, width: 0, opacity: 1 };
    case 'diamond':
      return { d: 'M13 0l5 5l-5 5l-5-5z', filled: false, width: 1.5, opacity: 1 };
    case 'cross':
      return { d: 'M8.5 0.5l9 9M17.5 0.5l-9 9', filled: false, width: 2, opacity: 1 };
    case 'square':
      return { d: 'M6 0.5h14v9h-14z', filled: true, width: 0, opacity: 1 };
    case 'outline':
      return { d: 'M6 1h14v8h-14z', filled: false, width: 1.5, opacity: 1 };
  }
}

/**
 * The figure as an SVG file that looks the same without this page: title, drawing, legend and scale, in the light
 * theme.
 */
export function standaloneSvg(svg: SVGSVGElement, { title, legend = [], scale }: Caption): string {
  const { width, height } = svg.getBoundingClientRect();
  return inLight(() => {
    const root = getComputedStyle(document.documentElement);
    const colour = (name: string): string => root.getPropertyValue(name).trim();
    const font = { 'font-family': 'Inter, system-ui, sans-serif', 'font-size': 12, fill: colour('--quiet') };
    const wide = Math.round(width) + 2 * MARGIN;
    const foot: SVGElement[] = [];
    let [x, y] = [MARGIN, Math.round(height) + MARGIN + TITLE + 12];
    for (const { mark, colour: given, text } of legend) {
      const length = 34 + 6.6 * text.length + 14;
      if (x > MARGIN && x + length > wide - MARGIN) {
        x = MARGIN;
        y += LINE;
      }
      const { d, filled, width: stroke, opacity } = markPath(mark);
      const paint = resolveIn(svg, given);
      foot.push(
        element('path', {
          d,
          transform: `translate(${x} ${y})`,
          fill: filled ? paint : 'none',
          stroke: filled ? 'none' : paint,
          'stroke-width': stroke,
          'stroke-opacity': opacity,
          'stroke-linecap': mark === 'band' ? 'round' : 'butt',
          ...(mark === 'dashed' && { 'stroke-dasharray': '4 3' }),
        }),
        element('text', { x: x + 34, y: y + 9, ...font }, text),
      );
      x += length;
    }
    if (legend.length > 0) y += LINE;
    if (scale) {
      const gradient = element('linearGradient', { id: 'scale' });
      scale.colours.forEach((stop, i) => {
        const offset = i / Math.max(1, scale.colours.length - 1);
        gradient.append(element('stop', { offset, 'stop-color': resolveIn(svg, stop) }));
      });
      foot.push(
        gradient,
        element('text', { x: MARGIN, y: y + 9, ...font }, scale.from),
        element('rect', { x: MARGIN + 44, y, width: 120, height: 10, rx: 3, fill: 'url(#scale)' }),
        element('text', { x: MARGIN + 172, y: y + 9, ...font }, `${scale.to}   ${scale.title}`),
      );
      y += LINE;
    }
    const high = y + MARGIN - 4;
    const page = element('svg', { xmlns: SVG, width: wide, height: high, viewBox: `0 0 ${wide} ${high}` });
    const inner = selfContained(svg);
    if (!inner.hasAttribute('viewBox')) inner.setAttribute('viewBox', `0 0 ${width} ${height}`);
    for (const [key, value] of Object.entries({
      x: MARGIN,
      y: TITLE + MARGIN / 2,
      width: Math.round(width),
      height: Math.round(height),
    })) {
      inner.setAttribute(key, String(value));
    }
    page.append(
      element('title', {}, title),
      element('rect', { width: wide, height: high, fill: colour('--surface') }),
      element(
        'text',
        { ...font, x: MARGIN, y: MARGIN + 10, 'font-size': 15, 'font-weight': 620, fill: colour('--ink') },
        title,
      ),
      inner,
      ...foot,
    );
    return new XMLSerializer().serializeToString(page);
  });
}

/** A CSS colour as the browser resolves it at `place` in the present theme. */
function resolveIn(place: SVGElement, colour: string): string {
  const probe = element('g', {});
  probe.style.color = colour;
  place.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Saves the figure as a PNG of three times its width and height. */
export async function savePng(name: string, svg: SVGSVGElement, caption: Caption): Promise<void> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standaloneSvg(svg, caption))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(image.naturalWidth * PNG_SCALE);
  canvas.height = Math.round(image.naturalHeight * PNG_SCALE);
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>(done => canvas.toBlob(done, 'image/png'));
  if (!blob) throw new Error('the browser could not encode the picture');
  saveBlob(name, blob);
}

/** Rows as CSV. Numbers are written in full, and text is quoted where it must be. */
export function csvOf(columns: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const field = (value: string | number): string => {
    const text = String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[columns, ...rows].map(row => row.map(field).join(',')).join('\n')}\n`;
}
