/** Figures in Node: SVG strings, PNG bytes, a self-contained HTML file, files on disk, and Plotly in a browser. */
import { createRequire } from 'node:module';
import type * as resvg from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';
import { InvalidValueError, MissingPackageError } from '../errors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { drawFigure } from './draw.ts';
import type { Figure } from './figure.ts';
import { toPlotly } from './plotly.ts';

export * from './index.ts';

/** The figure as the text of an SVG file that needs nothing outside itself; the same figure gives the same text. */
export function toSvg(figure: Figure): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return `${drawFigure(figure, { document: document as unknown as Document }).toString()}\n`;
}

/**
 * PNG bytes of an SVG made by `toSvg`.
 *
 * Words are set in Inter from the optional package `@expo-google-fonts/inter` (OFL 1.1) and in no other font, so that a
 * picture is the same on every machine.
 * @param options.scale pixels for each of the SVG's, above 0. Default 2
 * @throws InvalidValueError where `scale` is not a positive number
 * @throws MissingPackageError where one of the optional packages `@resvg/resvg-js` and `@expo-google-fonts/inter` is
 *   not installed
 */
export function toPng(svg: string, options: { readonly scale?: number } = {}): Uint8Array {
  const { scale = 2 } = options;
  if (!(scale > 0 && Number.isFinite(scale))) throw new InvalidValueError(`scale must be positive, got ${scale}`);
  const { Resvg } = loadResvg();
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: { loadSystemFonts: false, fontFiles: fontFiles(), defaultFontFamily: 'Inter' },
  });
  return new Uint8Array(image.render().asPng());
}

/**
 * Writes `PATH.svg` and `PATH.png`, each whole or not at all.
 * @param pathWithoutExtension such as `runs/demo/directions`; its folder must exist
 * @returns the two paths
 * @throws FileWriteError where a file cannot be written
 * @throws MissingPackageError as `toPng`
 */
export async function writeFigure(
  figure: Figure,
  pathWithoutExtension: string,
  options: { readonly scale?: number } = {},
): Promise<{ readonly svg: string; readonly png: string }> {
  const svg = toSvg(figure);
  const png = toPng(svg, options);
  const paths = { svg: `${pathWithoutExtension}.svg`, png: `${pathWithoutExtension}.png` };
  await writeFileAtomic(paths.svg, svg);
  await writeFileAtomic(paths.png, png);
  return paths;
}

/**
 * One HTML file that holds the figures and needs nothing else, not even a network: for a paper's supplement.
 * Details of points, cells and arrows appear under the pointer.
 *
 * @param options.title the page's title and heading; default `Figures`.
 */
export function toHtml(figures: readonly Figure[], options: { readonly title?: string } = {}): string {
  const title = escapeHtml(options.title ?? 'Figures');
  const body = figures.map(figure => `<figure>\n${toSvg(figure)}</figure>`).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 16px/1.5 Inter, system-ui, sans-serif; color: #1b1f24; background: #fff; }
h1 { font-size: 1.5rem; }
figure { margin: 2rem 0; overflow-x: auto; }
</style>
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;
}

/**
 * Opens the figure's interactive form in the default browser, through nodeplotlib.
 *
 * Only for a person at a terminal: nodeplotlib is loaded now, serves the page on localhost until the process is stopped,
 * and the page loads Plotly from the network (cdn.plot.ly). Nothing else in this package does any of that; `toHtml` is the
 * form that works offline.
 *
 * @throws MissingPackageError where the optional package nodeplotlib is not installed.
 */
export async function show(figure: Figure): Promise<void> {
  const { plot } = await import('nodeplotlib').catch((cause: unknown) => {
    throw new MissingPackageError('show() needs the package nodeplotlib: npm install nodeplotlib', { cause });
  });
  const { data, layout } = toPlotly(figure);
  plot([...data], { ...layout });
}

function escapeHtml(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

const require = createRequire(import.meta.url);
const PAINTERS = ['@resvg/resvg-js', '@expo-google-fonts/inter'];

/** The renderer is loaded by whoever asks for pixels: an SVG needs none. */
function loadResvg(): typeof resvg {
  try {
    return require('@resvg/resvg-js') as typeof resvg;
  } catch (cause) {
    throw withoutPainter(cause);
  }
}

function fontFiles(): string[] {
  try {
    return ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf'].map(file =>
      require.resolve(`@expo-google-fonts/inter/${file}`),
    );
  } catch (cause) {
    throw withoutPainter(cause);
  }
}

const withoutPainter = (cause: unknown): MissingPackageError =>
  new MissingPackageError(
    `PNG figures need the packages ${PAINTERS.join(' and ')}: npm install ${PAINTERS.join(' ')}`,
    {
      cause,
    },
  );
