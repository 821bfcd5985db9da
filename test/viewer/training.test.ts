/** Training in a real browser: the compiled step on onnxruntime-web finds the star, and its file loads in Node. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { angularGaps } from '../../src/analysis/regular-polygon.ts';
import { loadToyModel } from '../../src/inference/node.ts';
import { browserLacks, startViewer, type Viewer } from './built-viewer.ts';

describe('training in the viewer', function () {
  this.timeout(180_000);
  let viewer: Viewer;
  let folder: string;

  before(async function () {
    const lack = browserLacks();
    if (lack) {
      console.log(`      skipped: ${lack}`);
      this.skip();
    }
    viewer = await startViewer();
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(async () => {
    await viewer?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  it('reaches the star with restarts; the downloaded file and history load in Node', async () => {
    const page = await viewer.page('?view=train');
    const form = page.getByRole('form', { name: 'Settings of the training' });
    await form.getByLabel('Restarts').fill('6');
    await form.getByLabel('Steps').fill('6000');
    await form.getByLabel('Seed').fill('0');
    await form.getByLabel('Seed').blur();
    await form.getByRole('button', { name: 'Train' }).click();

    // It pauses, stands still, and goes on.
    await form.getByRole('button', { name: 'Pause' }).click({ timeout: 60_000 });
    await page.waitForTimeout(400);
    const state = page.locator('[data-test=training-state]');
    const paused = await state.innerText();
    await page.waitForTimeout(500);
    expect(await state.innerText()).to.equal(paused);
    await form.getByRole('button', { name: 'Resume' }).click();

    await page.getByRole('button', { name: 'Download .onnx' }).waitFor({ timeout: 120_000 });
    const save = async (button: string, name: string): Promise<string> => {
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: button }).click();
      const file = join(folder, name);
      await (await downloading).saveAs(file);
      return file;
    };
    const model = await loadToyModel(await save('Download .onnx', 'toy.onnx'), { provider: 'cpu' });
    const directions = await model.featureDirections();
    expect(directions.shape).to.deep.equal([5, 2]);
    for (const gap of angularGaps(directions)) expect(gap).to.be.closeTo(72, 10);
    for (let i = 0; i < 5; i++) {
      expect(Math.hypot(directions.data[2 * i]!, directions.data[2 * i + 1]!)).to.be.greaterThan(0.7);
    }
    const { reconstruction } = await model.forward(Float32Array.of(1, 0, 0, 0, 0), { shape: [1, 5] });
    expect(reconstruction.data[0]).to.be.greaterThan(0.6);
    await model.dispose();

    const history = JSON.parse(await readFile(await save('Download history', 'history.json'), 'utf8')) as {
      steps: number[];
      loss: number[];
      directions: number[][][];
    };
    expect(history.steps[0]).to.equal(0);
    expect(history.steps.at(-1)).to.equal(6000);
    expect(history.loss).to.have.length(history.steps.length);
    expect(history.loss.every(loss => loss > 0)).to.equal(true);
    expect(history.loss.at(-1)!).to.be.lessThan(history.loss[0]! / 2);
    expect(history.directions.at(-1)!.flat()[0]).to.be.closeTo(directions.data[0]!, 1e-6);

    // It opens in the page that trained it, and an autoencoder learns from it.
    await page.getByRole('button', { name: 'Open it here' }).click();
    await page.getByRole('heading', { name: 'Toy model', level: 1 }).waitFor();
    await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: 'Train', exact: true }).click();
    await form.getByText('Autoencoder', { exact: true }).click();
    await form.getByLabel('Steps').fill('1500');
    await form.getByLabel('Steps').blur();
    await form.getByRole('button', { name: 'Train' }).click();
    await page.getByText('Done 1,500').waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Open it here' }).click();
    await page.getByText('Trained on this toy model.').waitFor();
    expect(viewer.problems).to.deep.equal([]);
    await page.context().close();
  });
});
