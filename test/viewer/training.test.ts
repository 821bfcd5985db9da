/** Training in a real browser: the compiled step on onnxruntime-web finds the star, and its file loads in Node. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { angularGaps } from '../../src/analysis/regular-polygon.ts';
import { loadSae, loadToyModel } from '../../src/inference/node.ts';
import { ACTIVATION_KINDS } from '../../src/models/architectures/registry.ts';
import { alertOf, skipWithoutBrowser, startViewer, type Viewer } from './built-viewer.ts';

describe('training in the viewer', () => {
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

  it('reaches the star with restarts; the downloaded file and history load in Node', async () => {
    const page = await viewer.page('?view=train');
    const form = page.getByRole('form', { name: 'Settings of the training' });
    await form.getByLabel('Restarts').fill('6');
    await form.getByLabel('Steps', { exact: true }).fill('6000');
    await form.getByLabel('First seed').fill('0');
    await form.getByLabel('First seed').blur();
    await form.getByRole('button', { name: 'Train' }).click();

    // It pauses, stands still, and goes on.
    await form.getByRole('button', { name: 'Pause' }).click();
    const state = page.locator('[data-test=training-state]');
    // The steps that were under way come to their end first, which a busy machine takes its time for.
    let paused = '';
    for (let tries = 0; tries < 60 && (await state.innerText()) !== paused; tries++) {
      paused = await state.innerText();
      await page.waitForTimeout(500);
    }
    expect(await state.innerText()).to.equal(paused);
    await form.getByRole('button', { name: 'Resume' }).click();

    await page.getByRole('button', { name: 'Download .onnx' }).waitFor();
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
    expect(await page.locator('[data-test=found]').innerText()).to.equal('5 of 5 features stored');
    // A change starts anew once something was trained; here the person starts it.
    await form.getByLabel('Start anew when a setting changes').uncheck();
    await form.getByText('Autoencoder', { exact: true }).click();
    await form.getByLabel('Steps', { exact: true }).fill('1500');
    await form.getByLabel('Steps', { exact: true }).blur();
    await form.getByRole('button', { name: 'Train' }).click();
    await page.getByText('Done 1,500').waitFor();
    expect(await page.locator('[data-test=found]').innerText()).to.match(/^\d of 5 directions found/);
    await page.getByRole('button', { name: 'Open it here' }).click();
    await page.getByText('Trained on this toy model.').waitFor();
    // A history that says where b_dec has been.
    await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: 'History' }).click();
    await page.locator('.b-dec').waitFor();
    expect(viewer.problems).to.deep.equal([]);
    await page.context().close();
  });

  it('trains several seeds, at a sparsity of .999, and starts anew when a setting changes', async () => {
    const page = await viewer.page('?view=train');
    const form = page.getByRole('form', { name: 'Settings of the training' });
    await form.getByLabel('Sparsity').fill('0.999');
    await form.getByLabel('Restarts').fill('2');
    await form.getByLabel('Steps', { exact: true }).fill('60');
    await form.getByLabel('How many seeds').fill('2');
    await form.getByLabel('How many seeds').blur();
    await form.getByRole('button', { name: 'Train' }).click();
    const seeds = page.getByRole('region', { name: 'Seeds' });
    await seeds.getByRole('button', { name: /^seed 0 \d of 5, loss/ }).waitFor();
    await seeds.getByRole('button', { name: /^seed 1 \d of 5, loss/ }).waitFor();
    await form.getByRole('button', { name: 'Train' }).waitFor();
    await form.getByLabel('How many seeds').fill('1');
    await form.getByLabel('First seed').fill('5');
    await form.getByLabel('First seed').blur();
    await page.getByText('Done 60').waitFor();
    const name = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download .onnx' }).click();
    expect((await name).suggestedFilename()).to.equal('toy-5-2-seed-5.onnx');
    await page.context().close();
  });

  it('trains every architecture that the library has, seeds side by side, and draws each term of the loss', async () => {
    const page = await viewer.page('?model=star&view=train');
    const form = page.getByRole('form', { name: 'Settings of the training' });
    await form.getByLabel('Start anew when a setting changes').uncheck();
    await form.getByText('Autoencoder', { exact: true }).click();
    const choice = form.getByLabel('Architecture');
    await choice.waitFor();
    const kinds = await choice
      .locator('option')
      .evaluateAll(options => options.map(o => (o as HTMLOptionElement).value));
    expect(kinds).to.deep.equal(ACTIVATION_KINDS);
    await form.getByLabel('Steps', { exact: true }).fill('60');
    await form.getByLabel('How many seeds').fill('2');
    await form.getByLabel('How many seeds').blur();
    /** Terms of the loss that each draws beside the total; none where it has one term alone. */
    const terms: Record<string, string[]> = {
      relu: ['total', 'mse', 'l1'],
      topk: [],
      jumprelu: ['total', 'mse', 'l0'],
      batchtopk: [],
      gated: ['total', 'mse', 'l1', 'via_gate'],
      matryoshka: ['total', 'mse', 'mse_2'],
    };
    for (const kind of kinds) {
      await choice.selectOption(kind);
      await form.getByRole('button', { name: 'Train' }).click();
      const seeds = page.getByRole('region', { name: 'Seeds' });
      await seeds.getByRole('button', { name: /^seed 1 \d of 5, loss/ }).waitFor();
      await page.getByText('Done 60').waitFor();
      const drawn = await page.getByRole('figure', { name: 'Loss' }).locator('svg text').allTextContents();
      expect([...terms[kind]!].sort(), kind).to.deep.equal(
        ['total', 'mse', 'l1', 'l0', 'via_gate', 'mse_2'].filter(name => drawn.includes(name)).sort(),
      );
      const losses = await seeds.getByRole('button').allInnerTexts();
      expect(losses[0]!.split('loss')[1], kind).not.to.equal(losses[1]!.split('loss')[1]);
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Download .onnx' }).click();
      const file = join(folder, `${kind}.onnx`);
      await (await downloading).saveAs(file);
      await using sae = await loadSae(file, { provider: 'cpu' });
      const { activation } = (sae.metadata.config?.['training'] ?? {}) as { activation?: { kind?: string } };
      expect(activation?.kind ?? sae.metadata.config?.['architecture'], kind).to.be.a('string');
      expect(sae.dSae).to.equal(5);
    }
    // What an architecture refuses is said in words, and nothing stays busy.
    await choice.selectOption('topk');
    await form.getByLabel('k', { exact: true }).fill('9');
    await form.getByLabel('k', { exact: true }).blur();
    await form.getByRole('button', { name: 'Train' }).click();
    expect(await alertOf(page)).to.match(/k must be less than or equal to d_sae 5/);
    await form.getByRole('button', { name: 'Train' }).waitFor();
    await page.context().close();
  });
});
