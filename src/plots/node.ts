/** Figures in Node: SVG strings, PNG bytes, a self-contained HTML file, files on disk, and Plotly in a browser. */
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';
import { InvalidValueError, MissingPackageError } from '../errors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { drawFigure } from './draw.ts';
import type { Figure } from './figure.ts';

export * from './index.ts';

/** The figure as the text of an SVG file that needs nothing outside itself; the same figure gives the same text. */
export function toSvg(figure: Figure): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return `${drawFigure(figure, { document: document as unknown as Document }).toString()}\n`;
}

/**
 * PNG bytes of an SVG made by `toSvg`.
 *
 * Words are set in Inter from the optional package `@expo-google-fonts/inter` (OFL 1.1) and in nothing else, so that a
 * picture is the same on every machine, with or without fonts of its own.
 *
 * @param options.scale pixels for each of the SVG's, > 0; default 2.
 */
export function toPng(svg: string, options: { readonly scale?: number } = {}): Uint8Array {
  const { scale = 2 } = options;
  if (!(scale > 0 && Number.isFinite(scale))) throw new InvalidValueError(`scale must be positive, got ${scale}`);
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: { loadSystemFonts: false, fontFiles: fontFiles(), defaultFontFamily: 'Inter' },
  });
  return new Uint8Array(image.render().asPng());
}

/**
 * Writes `PATH.svg` and `PATH.png`, each whole or not at all.
 *
 * @param pathWithoutExtension as `runs/demo/directions`; its folder must exist.
 * @returns the two paths.
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

function fontFiles(): string[] {
  const { resolve } = createRequire(import.meta.url);
  try {
    return ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf'].map(file =>
      resolve(`@expo-google-fonts/inter/${file}`),
    );
  } catch (cause) {
    throw new MissingPackageError('PNG figures need the font package @expo-google-fonts/inter: npm install it', {
      cause,
    });
  }
}
