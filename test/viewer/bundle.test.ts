/** Feature bundles in a real browser: the folder that `monosemantic dashboard` writes, dropped alone and beside its autoencoder. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { startStaticServer } from '../../src/cli/static-server.ts';
import { buildFeatureBundle } from '../../src/features/build-bundle.ts';
import { rowsOf } from '../../src/features/feature-rows.ts';
import { openFeatureBundle } from '../../src/features/open-bundle.ts';
import { writeCase } from '../features/bundle-cases.ts';
import {
  DIST,
  downloaded,
  dropFiles,
  openFiles,
  openView,
  skipWithoutBrowser,
  startViewer,
  type Viewer,
} from './built-viewer.ts';

const LATENT = 123;

describe('feature bundles in the viewer', () => {
  let viewer: Viewer;
  let folder: string;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer();
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(async () => {
    await viewer?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  it('shows what the bundle holds, and goes on to run samples once the autoencoder is open as well', async () => {
    const data = writeCase(join(folder, 'case'), { seed: 7, rows: 2000, dIn: 16, dSae: 400, k: 8, silent: [9, 10] });
    const tokens = Int32Array.from({ length: 2000 }, (_, i) => i % 60);
    const texts = Array.from({ length: 60 }, (_, i) => ` t${i}`);
    const rows = rowsOf({ activations: data.activations, width: 16, tokens, positions: tokens });
    const tokenizer = { name: 'tokenizer.json', sha256: '', texts };
    const { manifest } = await buildFeatureBundle({ sae: data.sae, rows, out: join(folder, 'pages'), tokenizer });
    const names = await readdir(join(folder, 'pages'));
    const files = await Promise.all(
      names.map(async name => ({ name: `my-pages/${name}`, bytes: await readFile(join(folder, 'pages', name)) })),
    );
    const bundle = await openFeatureBundle(new Map(files.map(({ name, bytes }) => [name.slice(9), bytes])));
    const expected = await bundle.feature(LATENT);

    const page = await viewer.page('');
    await dropFiles(page, ...files);
    await page.locator('.tiles[data-done=true]').waitFor();
    await page.getByText('my-pages', { exact: false }).first().waitFor();
    expect(Number(await page.locator('[data-test=l0]').innerText())).to.be.closeTo(manifest.statistics.l0.mean, 0.005);
    const text = await page.locator('[data-test=explained-variance]').innerText();
    const explained = Number(text.replace('−', '-'));
    expect(explained).to.be.closeTo(manifest.statistics.explained_variance!, 1e-4);
    expect(await page.locator('[data-test=silent]').innerText()).to.equal(String(manifest.statistics.never_fired));
    const form = page.getByRole('form', { name: 'Go to a latent' });
    await form.getByLabel('Number of a latent').fill(String(LATENT));
    await form.getByLabel('Number of a latent').press('Enter');
    await page.getByRole('list', { name: 'Top examples' }).waitFor();
    const json = JSON.parse(
      await downloaded(page, () => page.getByRole('button', { name: 'JSON', exact: true }).click()),
    ) as {
      top: { row: number; value: number; context: { tokens: string[]; qualifying: number } }[];
      nearest: { latent: number; cosine: number }[];
      together: { latent: number; value: number }[];
      density: number;
    };
    expect(json.top.map(({ row }) => row)).to.deep.equal(expected.top.map(({ row }) => row));
    json.top.forEach(({ value, row, context }, i) => {
      expect(value).to.be.closeTo(expected.top[i]!.value, 1e-6);
      expect(context.tokens[context.qualifying]).to.equal(` t${row % 60}`);
    });
    expect(json.nearest).to.deep.equal(expected.nearest);
    expect(json.together.map(({ latent }) => latent)).to.deep.equal(expected.coactive.map(({ latent }) => latent));
    expect(json.density * 2000).to.be.closeTo(expected.count, 1e-6);

    // The autoencoder itself: the pages stay, and samples run.
    await openFiles(page, { name: 'sae.onnx', bytes: await readFile(data.sae) });
    await page.getByRole('figure', { name: 'Direction', exact: true }).waitFor();
    await openView(page, 'Sample');
    await page.getByRole('slider', { name: 'Activation 0', exact: true }).waitFor();
    await page.locator('[data-test=hidden-0]').waitFor();
    await openView(page, 'Overview');
    await page.getByText('my-pages', { exact: false }).first().waitFor();
    expect(await page.getByRole('alert').innerText()).to.equal('');
    expect(viewer.problems).to.deep.equal([]);
    await page.context().close();
  });

  it('opens the same by the address of its folder', async () => {
    const server = await startStaticServer({ folders: [DIST, folder], named: new Map(), port: 0 });
    const context = await viewer.browser.newContext({ reducedMotion: 'reduce' });
    const page = await context.newPage();
    await page.goto(`${server.address}?bundle=pages`);
    await page.locator('.tiles[data-done=true]').waitFor();
    expect(Number(await page.locator('[data-test=l0]').innerText())).to.be.closeTo(8, 0.005);
    expect(decodeURIComponent(new URL(page.url()).search)).to.contain('pages/bundle.json');
    await context.close();
    await server.close();
  });
});
