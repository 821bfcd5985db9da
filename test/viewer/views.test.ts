/** Each view in a real browser: what it says, that it can be used by keyboard and screen reader, and on a phone. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { expect } from 'chai';
import { browserLacks, openView, startViewer, type Viewer } from './built-viewer.ts';

const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const TITLES = ['Story', 'Plane', 'Probe', 'Matches', 'Training', 'Toy model', 'Seeds', 'Train'];

describe('the views of the viewer', function () {
  this.timeout(120_000);
  let viewer: Viewer;

  before(async function () {
    const lack = browserLacks();
    if (lack) {
      console.log(`      skipped: ${lack}`);
      this.skip();
    }
    viewer = await startViewer();
  });
  after(() => viewer?.close());

  it('opens on the story: one autoencoder found all five directions, the other collapsed', async () => {
    const page = await viewer.page('');
    const panels = page.getByRole('figure');
    expect(await panels.nth(0).innerText()).to.match(/5 of 5\s+directions found/);
    expect(await panels.nth(1).innerText()).to.match(/[0-2] of 5\s+directions found/);
    // Stands still for those who asked for less motion; the slider still moves it.
    const slider = page.getByRole('slider', { name: 'Snapshot' });
    expect(await slider.inputValue()).to.equal(await slider.getAttribute('max'));
    await slider.fill('0');
    await page.getByText('step 0', { exact: true }).waitFor();
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText('step 1', { exact: true }).waitFor();
    await page.context().close();

    const moving = await viewer.page('', { reducedMotion: 'no-preference' });
    const play = moving.getByRole('slider', { name: 'Snapshot' });
    const end = Number(await play.getAttribute('max'));
    await moving.getByRole('button', { name: /Play|Pause/ }).waitFor();
    await moving.waitForFunction(
      last => Number((document.querySelector('input[aria-label=Snapshot]') as HTMLInputElement).value) === last,
      end,
      { timeout: 8000 },
    );
    await moving.getByRole('button', { name: 'Play' }).click();
    const value = Number(await play.inputValue());
    expect(value).to.be.lessThan(end);
    await moving.getByRole('button', { name: 'Pause' }).click();
    await moving.context().close();
  });

  it('sorts the latents, opens one, and highlights it in every view', async () => {
    const page = await viewer.page('?model=star&model=sae-collapsed&view=matches');
    const table = page.getByRole('region', { name: 'Latents' });
    await table.getByRole('button', { name: 'Cosine' }).click();
    const header = table.getByRole('columnheader', { name: 'Cosine' });
    expect(await header.getAttribute('aria-sort')).to.equal('ascending');
    const cosines = (await table.locator('tbody tr td:nth-child(4)').allInnerTexts()).map(text =>
      Number(text.replace('−', '-')),
    );
    expect(cosines).to.deep.equal(cosines.toSorted((a, b) => a - b));
    await page.getByRole('region', { name: 'Latents' }).getByRole('button', { name: 'Latent 3' }).press('Enter');
    await page.getByRole('heading', { name: 'Latent 3' }).waitFor();
    await page.getByText('Strongest samples').waitFor();
    await openView(page, 'Probe');
    expect(await page.getByRole('button', { name: 'Select latent 3' }).getAttribute('aria-pressed')).to.equal('true');
    await page.context().close();
  });

  it('opens a run of the seed strip with its training', async () => {
    const page = await viewer.page('?model=star&model=sae-found&view=seeds');
    const runs = page.getByRole('button', { name: /^seed \d+ \d of 5$/ });
    await runs.first().waitFor();
    expect(await runs.count()).to.equal(16);
    await runs.nth(3).click();
    await page.getByRole('heading', { name: 'Training', level: 1 }).waitFor();
    expect(await page.getByLabel('Autoencoder').locator('option:checked').innerText()).to.equal('seed 3');
    await page.getByRole('img', { name: /Loss against step/ }).waitFor();
    await page.context().close();
  });

  it('saves figures as SVG and PNG and shows the table behind them', async () => {
    const page = await viewer.page('?model=star&model=sae-found&view=plane');
    await page.locator('image').first().waitFor();
    const figure = page.getByRole('figure').first();
    const saved = async (item: string): Promise<Buffer> => {
      await figure.locator('summary').click();
      const downloading = page.waitForEvent('download');
      await figure.getByRole('button', { name: item }).click();
      return readFile(await (await downloading).path());
    };
    const svg = (await saved('Save SVG')).toString();
    expect(svg).to.match(/^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).not.to.include('var(--');
    expect([...(await saved('Save PNG')).subarray(0, 4)]).to.deep.equal([0x89, 0x50, 0x4e, 0x47]);
    await figure.locator('summary').click();
    await figure.getByRole('button', { name: 'Show as table' }).click();
    expect(await figure.getByRole('row').count()).to.equal(11);
    await page.context().close();
  });

  for (const theme of ['light', 'dark'] as const) {
    it(`has no serious accessibility problem in any view, ${theme}`, async () => {
      const page = await viewer.page('?model=star&model=sae-found&view=story&latent=1', { colorScheme: theme });
      await page.evaluate(await readFile(axeSource, 'utf8'));
      const told: string[] = [];
      for (const title of TITLES) {
        await openView(page, title);
        await page.waitForTimeout(250);
        const results = (await page.evaluate('axe.run()')) as AxeResults;
        const serious = results.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        told.push(
          ...serious.map(
            ({ id, nodes }) => `${title}: ${id}: ${nodes[0]?.html.slice(0, 160)} ${nodes[0]?.failureSummary}`,
          ),
        );
      }
      expect(told).to.deep.equal([]);
      await page.context().close();
    });
  }

  it('fits a phone: no view scrolls sideways at 390 pixels', async () => {
    const page = await viewer.page('?model=toy-20-6&model=sae-20-6&latent=1', {
      viewport: { width: 390, height: 844 },
    });
    for (const title of TITLES) {
      await openView(page, title);
      await page.waitForTimeout(200);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width, title).to.be.at.most(390);
    }
    await page.context().close();
  });

  it('had nothing to complain of', () => {
    expect(viewer.problems).to.deep.equal([]);
  });
});
