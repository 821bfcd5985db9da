/** The single file from file:// with the network off: it shows, probes, and asks nobody for anything. */
import { copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { writeViewerPage } from '../../src/cli/write-viewer-page.ts';
import { writeNpy } from '../../src/files/npy.ts';
import {
  DIST,
  isIdle,
  MODELS,
  openView,
  probeOf,
  SINGLE_FILE,
  skipWithoutBrowser,
  startViewer,
  type Viewer,
} from './built-viewer.ts';

describe('the viewer as a single file', () => {
  let viewer: Viewer;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer();
  });
  after(() => viewer?.close());

  it('works without a network, and no request leaves it', async () => {
    const context = await viewer.browser.newContext({ offline: true, acceptDownloads: true });
    const requests: string[] = [];
    context.on('request', request => requests.push(request.url()));
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('pageerror', error => problems.push(error.message));
    page.on('console', message => {
      if (message.type() === 'error') problems.push(message.text());
    });
    const address = pathToFileURL(SINGLE_FILE).href;
    await page.goto(address);
    await isIdle(page);
    await page.getByRole('slider', { name: 'Sparsity' }).fill('15');
    await page.getByText('5 of 5', { exact: false }).first().waitFor();

    // A page from disk keeps its state behind the #, and Back works there too.
    await openView(page, 'Overview');
    await page.locator('.tiles[data-done=true]').waitFor();
    await openView(page, 'Sample');
    await page.getByRole('slider', { name: 'Feature 2', exact: true }).fill('0.8');
    const probe = await probeOf(page);
    expect(probe.input.features![2]).to.be.closeTo(0.8, 1e-6);
    expect(Math.max(...probe.features!)).to.be.greaterThan(0.5);

    // The training worker is inside as well.
    await openView(page, 'Train');
    const form = page.getByRole('form', { name: 'Settings of the training' });
    await form.getByLabel('Restarts').fill('2');
    await form.getByLabel('Steps').fill('50');
    await form.getByLabel('Steps').blur();
    await form.getByRole('button', { name: 'Train' }).click();
    await page.getByText('Done 50').waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Sample', level: 1 }).waitFor();
    expect(new URL(page.url()).hash).to.include('view=sample');

    const elsewhere = requests.filter(url => url.split('#')[0] !== address && !/^(blob|data):/.test(url));
    expect(elsewhere).to.deep.equal([]);
    expect(problems).to.deep.equal([]);
    await context.close();
  });

  it('is written with models, activations and labels inside, by the command line and by the page itself', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    const context = await viewer.browser.newContext({ offline: true, acceptDownloads: true });
    const requests: string[] = [];
    context.on('request', request => requests.push(request.url()));
    try {
      const sae = join(folder, 'inside.onnx');
      await copyFile(join(MODELS, 'sae-found.onnx'), sae);
      await copyFile(join(MODELS, 'sae-found.history.json'), join(folder, 'inside.history.json'));
      const data = Float32Array.from({ length: 400 }, (_, i) => Math.sin(7 * i));
      await writeFile(join(folder, 'acts.npy'), writeNpy({ data, shape: [200, 2] }));
      await writeFile(join(folder, 'labels.txt'), Array.from({ length: 200 }, (_, i) => `row-${i % 4}`).join('\n'));
      const output = join(folder, 'page.html');
      const files = [sae, join(folder, 'acts.npy'), join(folder, 'labels.txt')];
      const bytes = await writeViewerPage(output, files, DIST);
      expect((await stat(output)).size).to.equal(bytes);

      const page = await context.newPage();
      page.on('pageerror', error => viewer.problems.push(error.message));
      await page.goto(pathToFileURL(output).href);
      await page.getByRole('heading', { name: 'inside.onnx', level: 1 }).waitFor();
      await page.getByText('named by labels.txt').waitFor();
      await page.locator('.tiles[data-done=true]').waitFor();
      // The page writes itself again, as it stands.
      await openView(page, 'History');
      await page.getByRole('img', { name: /Loss against step/ }).waitFor();
      await page.getByRole('button', { name: 'Share' }).click();
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save page with models' }).click();
      const again = join(folder, 'again.html');
      await (await downloading).saveAs(again);
      const second = await context.newPage();
      second.on('pageerror', error => viewer.problems.push(error.message));
      await second.goto(pathToFileURL(again).href);
      await second.getByRole('heading', { name: 'History', level: 1 }).waitFor();
      await second.getByRole('img', { name: /Loss against step/ }).waitFor();
      await openView(second, 'Overview');
      await second.getByText('named by labels').waitFor();
      const elsewhere = requests.filter(url => !/^(blob|data|file):/.test(url));
      expect(elsewhere).to.deep.equal([]);
      expect(viewer.problems).to.deep.equal([]);
    } finally {
      await context.close();
      await rm(folder, { recursive: true });
    }
  });

  it('says that it connects to nothing when a link asks it to', async () => {
    const context = await viewer.browser.newContext();
    const page = await context.newPage();
    await page.goto(`${pathToFileURL(SINGLE_FILE).href}?model=https://models.invalid/sae.onnx`);
    await page.getByText('this single file connects to nothing').waitFor();
    await context.close();
  });
});
