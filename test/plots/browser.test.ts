/** The figures' public entry has to work in a browser: no module of Node's may come with it. */
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';
import { parseHTML } from 'linkedom';

const entry = fileURLToPath(new URL('../../src/plots/index.ts', import.meta.url));

describe('plots in a browser', () => {
  it('bundle for a browser without Node, fonts, PNG or Plotly', async () => {
    const { metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      platform: 'browser',
      format: 'esm',
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    const inputs = Object.keys(metafile.inputs).join('\n');
    expect(inputs).to.include('@observablehq/plot');
    expect(inputs).not.to.match(/resvg|linkedom|nodeplotlib|expo-google-fonts|src\/plots\/node\.ts|src\/files/);
  });

  it('draw with the page’s own document', async () => {
    const { drawFigure, plotFeatureDirections } = await import('../../src/plots/index.ts');
    const { document } = parseHTML('<!doctype html><html><body></body></html>');
    const scope = globalThis as { document?: unknown };
    scope.document = document;
    try {
      const svg = drawFigure(plotFeatureDirections([[1, 0]]));
      document.body.append(svg as unknown as string);
      expect(document.querySelectorAll('body > svg.figure.feature-directions')).to.have.length(1);
    } finally {
      delete scope.document;
    }
  });
});
