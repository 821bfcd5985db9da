import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { expect } from 'chai';
import { parseHTML } from 'linkedom';
import { FileWriteError, InvalidValueError } from '../../src/errors.ts';
import { plotFeatureDirections, plotTrainingCurves, toHtml, toPng, toSvg, writeFigure } from '../../src/plots/node.ts';
import { sampleFigures, star } from './sample-figures.ts';

/** Width, height and RGBA of a PNG, decoded by another program than wrote it. */
function decoded(png: Uint8Array): { readonly width: number; readonly height: number; readonly pixels: Uint8Array } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const data = Buffer.from(png).toString('base64');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" href="data:image/png;base64,${data}"/></svg>`;
  return { width, height, pixels: new Uint8Array(new Resvg(svg).render().pixels) };
}

function darkPixels(png: Uint8Array, box: { left: number; top: number; right: number; bottom: number }): number {
  const { width, pixels } = decoded(png);
  let dark = 0;
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) if (pixels[(y * width + x) * 4]! < 100) dark++;
  }
  return dark;
}

describe('toPng', () => {
  const figure = plotFeatureDirections(star(5), { title: 'Words' });

  it('has the size of the figure times the scale', () => {
    const svg = toSvg(figure);
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!;
    for (const scale of [1, 2, 3]) {
      const image = decoded(toPng(svg, { scale }));
      expect([image.width, image.height]).to.deep.equal([Number(width) * scale, Number(height) * scale]);
    }
  });

  it('draws words, in a font that comes with the package', () => {
    const box = { left: 16, top: 8, right: 120, bottom: 30 };
    expect(darkPixels(toPng(toSvg(figure), { scale: 1 }), box)).to.be.greaterThan(60);
    expect(darkPixels(toPng(toSvg({ ...figure, title: '' }), { scale: 1 }), box)).to.equal(0);
  });

  it('gives the same bytes for the same figure', () => {
    expect(toPng(toSvg(figure))).to.deep.equal(toPng(toSvg(figure)));
  });

  it('refuses a scale that is not positive', () => {
    expect(() => toPng(toSvg(figure), { scale: 0 })).to.throw(InvalidValueError, 'scale must be positive');
  });
});

describe('toHtml', () => {
  it('is one page that asks for nothing from a network', () => {
    const figures = Object.values(sampleFigures);
    const html = toHtml(figures, { title: 'Figures & <tables>' });
    const { document } = parseHTML(html);
    expect(document.querySelectorAll('figure > svg')).to.have.length(figures.length);
    expect(document.querySelector('h1')!.textContent).to.equal('Figures & <tables>');
    expect(document.querySelectorAll('script, link, img, iframe')).to.have.length(0);
    expect(new Set(html.match(/https?:\/\/[^"\s)]+/g))).to.deep.equal(new Set(['http://www.w3.org/2000/svg']));
  });

  it('keeps words of figures as words', () => {
    const figure = plotTrainingCurves([{ name: 'a', steps: [0, 1], loss: [2, 1] }], { title: '<b>"5" < 6 & 7</b>' });
    const { document } = parseHTML(toHtml([figure]));
    expect(document.querySelector('svg text')!.textContent).to.equal('<b>"5" < 6 & 7</b>');
    expect(document.querySelector('svg b')).to.equal(null);
  });
});

describe('writeFigure', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-figures-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('writes SVG and PNG and leaves nothing else behind', async () => {
    const figure = sampleFigures['recovery']!;
    const paths = await writeFigure(figure, join(folder, 'recovery'), { scale: 1 });
    expect(await readdir(folder)).to.have.members(['recovery.svg', 'recovery.png']);
    expect(await readFile(paths.svg, 'utf8')).to.equal(toSvg(figure));
    expect(new Uint8Array(await readFile(paths.png))).to.deep.equal(toPng(toSvg(figure), { scale: 1 }));
  });

  it('says which file cannot be written', async () => {
    const path = join(folder, 'absent', 'recovery');
    const error = await writeFigure(sampleFigures['recovery']!, path).catch((error: unknown) => error);
    expect(error).to.be.instanceOf(FileWriteError);
    expect((error as Error).message).to.include(`${path}.svg`);
  });
});
