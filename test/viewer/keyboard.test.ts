/** Every view by keyboard alone, in a real browser: Tab reaches all of it and one sees where one is, and keys do what a view is for. */
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { createRandomSource } from '../../src/data/random-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { openFiles, skipWithoutBrowser, startViewer, type Viewer } from './built-viewer.ts';
import { tabTo, walk } from './by-keyboard.ts';
import { randomSae } from './random-sae.ts';

const PAIR = '?model=star&model=sae-found';

/** Presses a key several times. */
async function press(page: Page, key: string, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) await page.keyboard.press(key);
}

const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name, level: 1 });
const focused = (page: Page): Promise<string> => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');

describe('the viewer by keyboard alone', () => {
  let viewer: Viewer;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer();
  });
  after(() => viewer?.close());

  for (const width of [1280, 390]) {
    it(`reaches everything in every view, and shows where it is, at ${width} pixels`, async () => {
      const told: string[] = [];
      const page = await viewer.page(`${PAIR}&view=story&latent=1`, { viewport: { width, height: 800 } });
      const views = page.getByRole('navigation', { name: 'Views' });
      const station = async (title: string): Promise<void> => {
        told.push(...(await walk(page)).map(fault => `${title}: ${fault}`));
      };
      for (const view of await views.getByRole('button').allInnerTexts()) {
        // From another view to this one, by keyboard as well.
        await tabTo(page, views.getByRole('button', { name: view, exact: true }));
        await press(page, 'Enter');
        await page.waitForTimeout(300);
        await station(view);
        if (view === 'Story') {
          for (const scene of ['Reading them back', 'Two seeds', 'Try it']) {
            await tabTo(page, page.getByRole('navigation', { name: 'Scenes' }).getByRole('button', { name: scene }));
            await press(page, 'Enter');
            await page.waitForTimeout(300);
            await station(`Story, ${scene}`);
          }
        }
      }
      expect(told).to.deep.equal([]);
      await page.context().close();
    });
  }

  it('reaches everything in the views of a person’s own rows', async () => {
    const page = await viewer.page('');
    const random = createRandomSource(1);
    const data = Float32Array.from({ length: 2000 * 16 }, () => random.normal());
    await openFiles(
      page,
      { name: 'own.onnx', bytes: randomSae(16, 24, 4, 1) },
      { name: 'acts.npy', bytes: writeNpy({ data, shape: [2000, 16] }) },
      { name: 'labels.txt', bytes: new TextEncoder().encode('a\nb\n'.repeat(1000)) },
    );
    await page.getByText('named by labels.txt').waitFor();
    await page.locator('.tiles[data-done=true]').waitFor();
    const told: string[] = [];
    for (const view of ['Overview', 'Latent', 'Sample', 'Plane']) {
      await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: view, exact: true }).click();
      await page.waitForTimeout(300);
      told.push(...(await walk(page)).map(fault => `${view} of own rows: ${fault}`));
    }
    expect(told).to.deep.equal([]);
    await page.context().close();
  });

  it('opens files, and the dialogs, which give the focus back', async () => {
    const page = await viewer.page(`${PAIR}&view=overview`);
    // Waited for from before the way there: where the page's thread is busy, a key that is pressed at once overtakes the request to catch
    // the choice of files, and is answered by no dialog at all.
    const [choice] = await Promise.all([
      page.waitForEvent('filechooser'),
      tabTo(page, page.getByLabel('Open files', { exact: true })).then(() => press(page, 'Enter')),
    ]);
    const buffer = Buffer.from(randomSae(16, 24, 4, 1));
    await choice.setFiles({ name: 'own.onnx', mimeType: 'application/octet-stream', buffer });
    await heading(page, 'own.onnx').waitFor();
    for (const name of ['Share', 'Settings']) {
      const button = page.getByRole('button', { name, exact: true });
      await tabTo(page, button);
      await press(page, 'Enter');
      await page.getByRole('dialog', { name }).waitFor();
      expect(await page.evaluate(() => document.activeElement?.closest('dialog') !== null)).to.equal(true);
      await press(page, 'Escape');
      await page.getByRole('dialog', { name }).waitFor({ state: 'hidden' });
      expect(await button.evaluate(element => element === document.activeElement)).to.equal(true);
    }
    await page.context().close();
  });

  it('goes through the story: the slider, the things, the playback', async () => {
    const page = await viewer.page('');
    await tabTo(page, page.getByRole('slider', { name: 'Sparsity' }));
    await press(page, 'End');
    await page.locator('[data-test=stored]').getByText('5 of 5').waitFor();
    await tabTo(page, page.getByRole('button', { name: /^Next:/ }));
    await press(page, 'Enter');
    await heading(page, 'An autoencoder reads them back').waitFor();
    await tabTo(page, page.getByRole('button', { name: 'Only dog' }));
    await press(page, 'Enter');
    await page.waitForFunction(
      () => Number((document.querySelector('[data-test=read-0]') as HTMLElement | null)?.dataset['value']) > 0.5,
    );
    await tabTo(page, page.getByRole('button', { name: /^Next:/ }));
    await press(page, 'Enter');
    await tabTo(page, page.getByRole('button', { name: 'Play' }));
    await press(page, 'Space');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await tabTo(page, page.getByRole('slider', { name: 'Snapshot' }));
    await press(page, 'Home');
    await page.getByText('step 0', { exact: true }).waitFor();
    // The button of the last scene goes with it; the heading takes the focus.
    await tabTo(page, page.getByRole('button', { name: /^Next:/ }));
    await press(page, 'Enter');
    await heading(page, 'Try it').waitFor();
    await page.waitForFunction(() => document.activeElement?.textContent === 'Try it');
    await tabTo(page, page.getByRole('button', { name: /^Drag a point/ }));
    await press(page, 'Enter');
    await heading(page, 'Plane').waitFor();
    await page.waitForFunction(() => document.activeElement?.textContent === 'Plane');
    await page.context().close();
  });

  it('goes from the table to a latent, from there to a row, and on from its heading', async () => {
    const page = await viewer.page(`${PAIR}&view=overview`);
    await page.locator('.tiles[data-done=true]').waitFor();
    const table = page.getByRole('table', { name: 'Latents' });
    await tabTo(page, table.getByRole('columnheader', { name: 'Density' }).getByRole('button'));
    await press(page, 'Enter');
    await table.locator('[role=columnheader][aria-sort=descending]').getByText('Density').waitFor();
    await tabTo(page, table.getByRole('button', { name: /^Save latent/ }).first());
    await press(page, 'Space');
    await page.getByLabel('Saved (1)').waitFor();
    await tabTo(page, table.locator('[role=cell] button:not(.star)').first());
    await press(page, 'Enter');
    await heading(page, /^Latent \d/).waitFor();
    await page.waitForFunction(() => document.activeElement?.localName === 'h1');
    const first = await focused(page);
    await tabTo(page, page.getByRole('button', { name: 'Next', exact: true }));
    await press(page, 'Enter');
    await page.waitForFunction(old => document.querySelector('h1')?.textContent?.trim() !== old, first);
    expect(await focused(page)).to.equal('Next');
    await tabTo(page, page.getByRole('button', { name: /^Open row/ }).first());
    await press(page, 'Enter');
    await heading(page, 'Sample').waitFor();
    await page.waitForFunction(() => document.activeElement?.textContent === 'Sample');
    await page.context().close();
  });

  it('changes a sample, ablates a latent and holds another', async () => {
    const page = await viewer.page(`${PAIR}&view=sample&features=1,0,0,0,0`);
    const hidden = page.locator('[data-test=hidden-0]');
    await hidden.waitFor();
    const before = await hidden.innerText();
    await tabTo(page, page.getByRole('slider', { name: 'Feature 0', exact: true }));
    await press(page, 'ArrowLeft', 10);
    await page.waitForFunction(old => document.querySelector('[data-test=hidden-0]')?.textContent !== old, before);
    const ablate = page.getByRole('button', { name: /^Ablate latent/ }).first();
    const latent = /\d+/.exec((await ablate.getAttribute('aria-label'))!)![0];
    await tabTo(page, ablate);
    await press(page, 'Enter');
    await page.waitForFunction(
      name => document.querySelector(`[data-test="${name}"]`)?.textContent === '0.000',
      `latent-${latent}`,
    );
    await tabTo(page, page.getByLabel('Latent to hold'));
    await page.keyboard.type('3');
    await press(page, 'Enter');
    await page.getByRole('slider', { name: 'Held value of latent 3' }).waitFor();
    await page.context().close();
  });

  it('moves the point of the plane key by key, and keeps the focus on it', async () => {
    const page = await viewer.page(`${PAIR}&view=plane`);
    const point = page.getByRole('application');
    await tabTo(page, point);
    const x = async (): Promise<number> => Number(/at (-?[\d.]+),/.exec((await point.getAttribute('aria-label'))!)![1]);
    const from = await x();
    await press(page, 'ArrowRight');
    const one = (await x()) - from;
    expect(one).to.be.greaterThan(0.01);
    await press(page, 'ArrowRight', 9);
    expect((await x()) - from).to.be.closeTo(10 * one, 0.06);
    expect(await point.evaluate(element => element === document.activeElement)).to.equal(true);
    await page.waitForFunction(
      wanted =>
        Math.abs(
          Number(document.querySelector('[data-test=hidden]')?.textContent?.replace('−', '-').split(',')[0]) - wanted,
        ) < 0.011,
      await x(),
    );
    await tabTo(page, page.getByRole('region', { name: 'Latents', exact: true }).getByRole('button').nth(2));
    await press(page, 'Enter');
    await page.waitForURL(/latent=2/);
    await page.context().close();
  });

  it('reads a figure as a table, and keeps the focus at its menu', async () => {
    for (const view of ['matches', 'toy']) {
      const page = await viewer.page(`${PAIR}&view=${view}`);
      const figure = page.getByRole('figure').first();
      await tabTo(page, figure.locator('summary'));
      await press(page, 'Enter');
      await tabTo(page, figure.getByRole('button', { name: 'Show as table' }));
      await press(page, 'Enter');
      await figure.getByRole('table').waitFor();
      expect(await figure.locator('summary').evaluate(element => element === document.activeElement)).to.equal(true);
      await press(page, 'Enter');
      const saving = page.waitForEvent('download');
      await tabTo(page, figure.getByRole('button', { name: 'Save CSV' }));
      await press(page, 'Enter');
      expect((await saving).suggestedFilename()).to.match(/\.csv$/);
      await page.context().close();
    }
  });

  it('chooses another autoencoder to compare with, and opens a pair', async () => {
    const page = await viewer.page(`${PAIR}&model=sae-collapsed&model=sae-found&view=compare`);
    const other = page.getByLabel('Compare with');
    await tabTo(page, other);
    await page.keyboard.type('SAE of seed 4');
    await page.locator('[data-test=shared]').waitFor();
    await tabTo(page, page.getByRole('button', { name: /^Count rows/ }).first());
    await press(page, 'Enter');
    await page.getByText(/fire together on \d/).waitFor();
    await tabTo(page, page.getByRole('button', { name: /here$/ }).first());
    await press(page, 'Enter');
    await heading(page, /^Latent \d/).waitFor();
    await page.waitForFunction(() => document.activeElement?.localName === 'h1');
    await page.context().close();
  });

  it('trains: chooses what, changes a setting, starts, pauses and goes on', async () => {
    const page = await viewer.page('?model=star&view=train');
    const form = page.getByRole('form', { name: 'Settings of the training' });
    await tabTo(page, form.getByLabel('Toy model'));
    await press(page, 'ArrowRight');
    await form.getByLabel('Architecture').waitFor();
    await press(page, 'ArrowLeft');
    await tabTo(page, form.getByLabel('Steps', { exact: true }));
    await press(page, 'ControlOrMeta+a');
    await page.keyboard.type('100000');
    await tabTo(page, form.getByRole('button', { name: 'Train' }));
    await press(page, 'Enter');
    // The button is gone; Tab goes on from where it was.
    await form.getByRole('button', { name: 'Pause' }).waitFor();
    await press(page, 'Tab');
    expect(await focused(page)).to.equal('Pause');
    await press(page, 'Enter');
    await form.getByRole('button', { name: 'Resume' }).waitFor();
    await tabTo(page, form.getByRole('button', { name: 'Resume' }));
    await press(page, 'Enter');
    await tabTo(page, form.getByRole('button', { name: 'Stop' }));
    await press(page, 'Enter');
    await page.getByRole('button', { name: 'Download .onnx' }).waitFor();
    await page.context().close();
  });

  it('opens a run of the seed strip, and moves through its history', async () => {
    const page = await viewer.page(`${PAIR}&view=seeds`);
    const runs = page.getByRole('button', { name: /^seed \d+ \d of 5$/ });
    await tabTo(page, runs.nth(1));
    await press(page, 'Enter');
    await heading(page, 'History').waitFor();
    await page.waitForFunction(() => document.activeElement?.textContent === 'History');
    await tabTo(page, page.getByRole('slider', { name: 'Snapshot' }));
    await press(page, 'Home');
    await page.getByText('step 0', { exact: true }).waitFor();
    await press(page, 'ArrowRight');
    await page.getByText('step 4', { exact: true }).waitFor();
    await page.context().close();
  });

  it('had nothing to complain of', () => {
    expect(viewer.problems).to.deep.equal([]);
  });
});
