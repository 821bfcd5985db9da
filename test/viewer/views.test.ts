/** Each view in a real browser: what it says, that it can be used by keyboard and screen reader, and on a phone. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { createRandomSource } from '../../src/data/random-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { downloaded, openFiles, openView, skipWithoutBrowser, startViewer, type Viewer } from './built-viewer.ts';
import { randomSae } from './random-sae.ts';

const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const TITLES = [
  'Story',
  'Overview',
  'Latent',
  'Sample',
  'Text',
  'Plane',
  'Matches',
  'Compare',
  'Toy model',
  'Train',
  'History',
  'Seeds',
];
const PAIR = '?model=star&model=sae-found';
const COLLAPSED = '?model=star&model=sae-collapsed';

/** The table of latents, once it is sorted and its rows were run. */
async function densities(page: Page): Promise<number[]> {
  const table = page.getByRole('table', { name: 'Latents' });
  await page.locator('.tiles[data-done=true]').waitFor();
  const at = (await table.getByRole('columnheader').allInnerTexts()).findIndex(text => text.startsWith('Density'));
  const cells = table.getByRole('row').locator(`[role=cell]:nth-child(${at + 1})`);
  return (await cells.allInnerTexts()).map(text => Number(text.replace('%', '')));
}

describe('the views of the viewer', () => {
  let viewer: Viewer;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer();
  });
  after(() => viewer?.close());

  it('opens on superposition: the slider turns two orthogonal features into digons and a pentagon', async () => {
    const page = await viewer.page('');
    await page.getByRole('button', { name: 'superposition' }).first().waitFor();
    const slider = page.getByRole('slider', { name: 'Sparsity' });
    const stored = page.locator('[data-test=stored]');
    expect(await stored.innerText()).to.match(/^2 of 5/);
    const angles = async (): Promise<number[]> => {
      await page.waitForTimeout(50);
      return page.locator('.true-direction').evaluateAll(lines =>
        lines
          .map(line => ['x1', 'y1', 'x2', 'y2'].map(name => Number(line.getAttribute(name))))
          .filter(([x1, y1, x2, y2]) => Math.hypot(x2! - x1!, y2! - y1!) > 60)
          .map(([x1, y1, x2, y2]) => (Math.atan2(y1! - y2!, x2! - x1!) * 180) / Math.PI)
          .sort((a, b) => a - b),
      );
    };
    const gaps = (list: number[]): number[] =>
      list.map((angle, i) => (list[(i + 1) % list.length]! - angle + 360) % 360 || 360);
    const [first] = gaps(await angles());
    expect(Math.min(first!, 360 - first!)).to.be.closeTo(90, 3);
    // By keyboard to the end.
    await slider.focus();
    await page.keyboard.press('End');
    await page.getByText('5 of 5', { exact: false }).first().waitFor();
    const five = gaps(await angles());
    expect(five).to.have.length(5);
    for (const gap of five) expect(gap).to.be.closeTo(72, 6);
    await slider.fill('8');
    await page.getByText('4 of 5', { exact: false }).first().waitFor();
    for (const gap of gaps(await angles())) expect(gap).to.be.closeTo(90, 4);
    await page.context().close();
  });

  it('explains a term where it stands, by keyboard', async () => {
    const page = await viewer.page('');
    const term = page.getByRole('button', { name: 'Sparsity' }).first();
    const tip = page.getByRole('tooltip').filter({ hasText: 'probability that a feature is absent' });
    expect(await tip.count()).to.equal(0);
    await term.focus();
    await tip.waitFor();
    await page.keyboard.press('Escape');
    await tip.waitFor({ state: 'hidden' });
    await page.context().close();
  });

  it('reads a thing back from two numbers', async () => {
    const page = await viewer.page('?view=story&scene=2');
    await page.getByRole('button', { name: 'Only dog' }).click();
    await page.waitForFunction(
      () => Number((document.querySelector('[data-test=read-0]') as HTMLElement | null)?.dataset['value']) > 0.5,
    );
    for (const other of [1, 2, 3, 4]) {
      expect(Number(await page.locator(`[data-test=read-${other}]`).getAttribute('data-value'))).to.equal(0);
    }
    await page.context().close();
  });

  it('draws the failed seed truly: rays from b_dec, which has left the cloud', async () => {
    const page = await viewer.page('?view=story&scene=3');
    const panels = page.getByRole('figure');
    await panels.nth(1).locator('.b-dec').waitFor();
    expect(await panels.nth(0).innerText()).to.match(/5 of 5\s+directions found/);
    expect(await panels.nth(1).innerText()).to.match(/[0-2] of 5\s+directions found/);
    const history = JSON.parse(
      await readFile(new URL('../../viewer/public/models/sae-collapsed.history.json', import.meta.url), 'utf8'),
    ) as { b_dec: number[][] };
    const [x, y] = history.b_dec.at(-1)!;
    expect(Math.hypot(x!, y!)).to.be.greaterThan(0.9);
    const name = await panels.nth(1).locator('svg[role=group]').getAttribute('aria-label');
    expect(name).to.include(`b_dec at ${x!.toFixed(2)}, ${y!.toFixed(2)}`);
    // Every ray starts at the mark, and all of it is inside the figure.
    const starts = await panels.nth(1).evaluate(figure => {
      const svg = figure.querySelector('svg[role=group]')!;
      const size = Number(svg.getAttribute('width'));
      const mark = /^M([\d.-]+) ([\d.-]+)/.exec(figure.querySelector('.b-dec')!.getAttribute('d')!)!;
      const center = [Number(mark[1]) + 5, Number(mark[2]) + 5];
      return [...figure.querySelectorAll('.latent line')].map(line => ({
        off: Math.hypot(Number(line.getAttribute('x1')) - center[0]!, Number(line.getAttribute('y1')) - center[1]!),
        inside: ['x1', 'y1', 'x2', 'y2'].every(key => {
          const at = Number(line.getAttribute(key));
          return at >= 0 && at <= size;
        }),
      }));
    });
    expect(starts).to.have.length(5);
    for (const { off, inside } of starts) {
      expect(off).to.be.lessThan(0.5);
      expect(inside).to.equal(true);
    }
    // No arrow has the colour of a feature that was not found.
    const strokes = await panels
      .nth(1)
      .locator('.latent line')
      .evaluateAll(lines => lines.map(line => line.getAttribute('stroke')));
    const coloured = strokes.filter(stroke => stroke !== 'var(--unmatched)').length;
    expect(coloured).to.be.at.most(Number(/(\d) of 5/.exec(await panels.nth(1).innerText())![1]));
    await page.context().close();
  });

  it('plays by itself once; for less motion only when asked, from snapshot to snapshot', async () => {
    const moving = await viewer.page('?view=story&scene=3', { reducedMotion: 'no-preference' });
    const slider = moving.getByRole('slider', { name: 'Snapshot' });
    const end = Number(await slider.getAttribute('max'));
    await moving.waitForFunction(
      last => Number((document.querySelector('input[aria-label=Snapshot]') as HTMLInputElement).value) === last,
      end,
    );
    await moving.context().close();

    const still = await viewer.page('?view=story&scene=3');
    const own = still.getByRole('slider', { name: 'Snapshot' });
    await own.waitFor();
    expect(Number(await own.inputValue())).to.equal(end);
    await still.getByRole('button', { name: 'Play' }).click();
    await still.waitForFunction(last => {
      const value = Number((document.querySelector('input[aria-label=Snapshot]') as HTMLInputElement).value);
      return value > 0 && value < last;
    }, end);
    await still.getByRole('button', { name: 'Pause' }).click();
    await own.focus();
    await still.keyboard.press('Home');
    await still.getByText('step 0', { exact: true }).waitFor();
    await still.keyboard.press('ArrowRight');
    await still.getByText('step 1', { exact: true }).waitFor();
    await still.context().close();
  });

  it('moves nothing between two states where less motion was asked for, in any view', async () => {
    /** The different drawings of the page's arrows while something happens, frame by frame. */
    const drawings = (page: Page, happen: string, frames: number): Promise<string[]> =>
      page.evaluate(`(async () => {
        const drawn = () => [...document.querySelectorAll('.true-direction, .latent line')]
          .map(line => line.getAttribute('x2') + ' ' + line.getAttribute('y2')).join();
        const seen = new Set([drawn()]);
        ${happen};
        for (let i = 0; i < ${frames}; i++) {
          await new Promise(requestAnimationFrame);
          seen.add(drawn());
        }
        return [...seen];
      })()`);
    const slideTo = (position: number): string => `const slider = document.querySelector('input[aria-label=Sparsity]');
      slider.value = ${position};
      slider.dispatchEvent(new Event('input', { bubbles: true }))`;
    const play = `[...document.querySelectorAll('button')].find(button => button.textContent === 'Play').click()`;
    /** What a style sheet moves: elements with a transition or an animation of some length. */
    const styled = (page: Page): Promise<number> =>
      page.evaluate(
        () =>
          [...document.querySelectorAll('*')].filter(element => {
            const { animationName, transitionDuration } = getComputedStyle(element);
            return animationName !== 'none' || transitionDuration.split(',').some(time => Number.parseFloat(time) > 0);
          }).length,
      );
    const ends: string[] = [];
    for (const reducedMotion of ['reduce', 'no-preference'] as const) {
      const isStill = reducedMotion === 'reduce';
      const page = await viewer.page('', { reducedMotion });
      const slid: string[][] = [];
      for (const position of [8, 15, 0, 5, 15]) slid.push(await drawings(page, slideTo(position), 60));
      expect(await page.locator('.true-direction').count()).to.equal(5);
      // On a busy machine a glide may be over before the second frame, but not each of them.
      const most = Math.max(...slid.map(({ length }) => length));
      if (isStill) expect(most).to.equal(2);
      else expect(most).to.be.greaterThan(2);
      await page.waitForTimeout(500);
      ends.push((await drawings(page, '', 1)).at(-1)!);
      let moved = 0;
      for (const title of TITLES) {
        await openView(page, title);
        await page.waitForTimeout(50);
        moved += await styled(page);
      }
      if (isStill) expect(moved).to.equal(0);
      else expect(moved).to.be.greaterThan(0);
      // A history shows a dozen of its snapshots in turn, and nothing between them.
      await openView(page, 'History');
      await page.getByRole('button', { name: 'Play' }).waitFor();
      const played = await drawings(page, play, 120);
      if (isStill) expect(played.length).to.be.within(2, 14);
      else expect(played.length).to.be.greaterThan(14);
      await page.context().close();
    }
    // Either way leads to the same drawing.
    expect(ends[1]).to.equal(ends[0]);
  });

  it('sorts and filters the latents, saves some, goes to one by its number', async () => {
    const page = await viewer.page('?model=toy-20-6&model=sae-20-6&view=overview');
    const table = page.getByRole('table', { name: 'Latents' });
    await page.locator('.tiles[data-done=true]').waitFor();
    await table.getByRole('columnheader', { name: 'Density' }).getByRole('button').click();
    await page.waitForFunction(() =>
      document.querySelector('[role=columnheader][aria-sort=descending]')?.textContent?.startsWith('Density'),
    );
    await page.waitForURL(/sort=-density/);
    const sorted = await densities(page);
    expect(sorted.length).to.be.greaterThan(10);
    expect(sorted).to.deep.equal(sorted.toSorted((a, b) => b - a));
    // The histogram's range leaves those within it.
    await page.getByRole('slider', { name: 'log₁₀ density, from' }).fill('-1');
    await page.getByText('of 24', { exact: false }).first().waitFor();
    const left = await densities(page);
    expect(left.length).to.equal(sorted.filter(density => density >= 10).length);
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByRole('button', { name: 'Save latent 3', exact: true }).click();
    await page.getByLabel('Saved (1)').check();
    await page.locator('[data-test=table-count]').getByText('1 of 24').waitFor();
    await page.reload();
    await page.getByLabel('Saved (1)').waitFor();
    const form = page.getByRole('form', { name: 'Go to a latent' });
    await form.getByLabel('Number of a latent').fill('17');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Latent 17', level: 1 }).waitFor();
    await page.context().close();
  });

  it('shows a latent: examples, numbers, neighbours, direction, and its JSON', async () => {
    const page = await viewer.page(`${PAIR}&view=latent&latent=1`);
    await page.getByRole('list', { name: 'Top examples' }).waitFor();
    const json = JSON.parse(
      await downloaded(page, () => page.getByRole('button', { name: 'JSON', exact: true }).click()),
    ) as {
      latent: number;
      top: { row: number; value: number }[];
      density: number;
      nearest: { latent: number; cosine: number }[];
      direction: number[];
      autoencoder: { name: string };
    };
    expect(json.latent).to.equal(1);
    expect(json.top).to.have.length(20);
    expect(json.top.map(({ value }) => value)).to.deep.equal(
      json.top.map(({ value }) => value).toSorted((a, b) => b - a),
    );
    expect(json.nearest).to.have.length(4);
    expect(Math.hypot(...json.direction)).to.be.closeTo(1, 1e-5);
    await page.getByRole('region', { name: /^Nearest/ }).waitFor();
    await page.getByRole('button', { name: 'Next', exact: true }).click();
    await page.getByRole('heading', { name: 'Latent 2', level: 1 }).waitFor();
    await page.context().close();
  });

  it('saves every file that is asked for, however fast', async () => {
    const page = await viewer.page(`${PAIR}&view=latent&latent=1`);
    await page.getByRole('list', { name: 'Top examples' }).waitFor();
    const names: string[] = [];
    page.on('download', download => names.push(download.suggestedFilename()));
    const asked = 24;
    await page.evaluate(async clicks => {
      const json = [...document.querySelectorAll('button')].find(({ textContent }) => textContent === 'JSON')!;
      for (let i = 0; i < clicks; i++) {
        json.click();
        await new Promise(requestAnimationFrame);
      }
    }, asked);
    for (let tries = 0; tries < 100 && names.length < asked; tries++) await page.waitForTimeout(100);
    expect(names).to.deep.equal(new Array(asked).fill('latent-1.json'));
    await page.context().close();
  });

  it('goes back and forward, and keeps axes, layers and order in the link', async () => {
    const page = await viewer.page('?model=toy-20-6&model=sae-20-6&view=overview');
    await openView(page, 'Plane');
    await page.getByLabel('First direction').selectOption('3');
    await page.getByLabel('Regions where each latent wins').uncheck();
    await page.waitForURL(/axes=3,0.*hide=regions|hide=regions.*axes=3,0/);
    await openView(page, 'Sample');
    await page.getByRole('heading', { name: 'Sample', level: 1 }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Plane', level: 1 }).waitFor();
    expect(await page.getByLabel('First direction').inputValue()).to.equal('3');
    expect(await page.getByLabel('Regions where each latent wins').isChecked()).to.equal(false);
    await page.goBack();
    await page.getByRole('region', { name: 'Table of latents' }).waitFor();
    await page.goForward();
    await page.getByRole('heading', { name: 'Plane', level: 1 }).waitFor();
    // A model in view is a place as well.
    await page.getByLabel('Autoencoder', { exact: true }).selectOption({ label: 'None' });
    await page.goBack();
    await page.waitForFunction(() =>
      [...document.querySelectorAll('select')].some(select =>
        select.selectedOptions[0]?.textContent?.startsWith('SAE with 24'),
      ),
    );
    const again = await viewer.page(new URL(page.url()).search);
    expect(await again.getByLabel('First direction').inputValue()).to.equal('3');
    expect(await again.getByLabel('Regions where each latent wins').isChecked()).to.equal(false);
    await page.context().close();
    await again.context().close();
  });

  it('opens a run of the seed strip, with every event of its training', async () => {
    const page = await viewer.page(`${PAIR}&view=seeds`);
    const runs = page.getByRole('button', { name: /^seed \d+ \d of 5$/ });
    await runs.first().waitFor();
    expect(await runs.count()).to.equal(16);
    await runs.nth(3).click();
    await page.getByRole('heading', { name: 'History', level: 1 }).waitFor();
    expect(await page.getByLabel('Autoencoder', { exact: true }).locator('option:checked').innerText()).to.equal(
      'seed 3',
    );
    await page.getByRole('img', { name: /Loss against step/ }).waitFor();
    await page.getByText(/\d+ events/).waitFor();
    // It is still there after a reload: this browser keeps it.
    await page.waitForURL(/kept:/);
    await page.reload();
    await page.getByRole('option', { name: 'seed 3' }).waitFor({ state: 'attached' });
    await page.context().close();
  });

  it('compares two autoencoders', async () => {
    const page = await viewer.page(`${PAIR}&view=compare`);
    await page.getByLabel('Compare with').selectOption({ label: 'SAE of seed 4: collapsed' });
    await page.locator('[data-test=shared]').waitFor();
    const rows = page.getByRole('region', { name: 'Mutual pairs' }).locator('.grid-row.pairs:not(.head)');
    expect(Number(await page.locator('[data-test=shared]').innerText())).to.be.at.most(await rows.count());
    await page
      .getByRole('button', { name: /^Count rows/ })
      .first()
      .click();
    await page.getByText(/fire together on \d/).waitFor();
    await page.waitForURL(/with=sae-collapsed/);
    await page.getByRole('button', { name: /here$/ }).first().click();
    await page.getByRole('heading', { name: /^Latent \d/, level: 1 }).waitFor();
    await page.context().close();
  });

  it('saves figures that stand alone: title, legend and scale, in light, with the numbers', async () => {
    const page = await viewer.page(`${PAIR}&view=plane`, { colorScheme: 'dark' });
    await page.locator('image').first().waitFor();
    const figure = page.getByRole('figure').first();
    const saved = (item: string): Promise<string> => {
      return downloaded(page, async () => {
        await figure.locator('summary').click();
        await figure.getByRole('button', { name: item }).click();
      });
    };
    const svg = await saved('Save SVG');
    expect(svg).to.match(/^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).not.to.include('var(--');
    expect(svg).to.include('SAE of seed');
    expect(svg).to.include('b_dec, where latents start from');
    expect(svg).to.match(/fill="#fff(fff)?"/);
    expect(await page.locator('html').getAttribute('data-theme')).to.equal('dark');
    expect((await saved('Save PNG')).slice(1, 4)).to.equal('PNG');
    const csv = (await saved('Save CSV')).trim().split('\n');
    expect(csv[0]).to.equal('Direction,x,y,from x,from y');
    expect(csv).to.have.length(11);
    await figure.locator('summary').click();
    await figure.getByRole('button', { name: 'Show as table' }).click();
    expect(await figure.getByRole('row').count()).to.equal(11);
    await openView(page, 'Matches');
    const matrix = page.getByRole('figure').first();
    const heat = await downloaded(page, async () => {
      await matrix.locator('summary').click();
      await matrix.getByRole('button', { name: 'Save SVG' }).click();
    });
    expect(heat).to.include('linearGradient');
    expect(heat).to.include('cosine');
    await page.context().close();
  });

  it('can be reached by keyboard: the skip link leads to the page', async () => {
    const page = await viewer.page(`${PAIR}&view=overview`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.tagName)).to.equal('H1');
    // A slider says a number that a person can hear.
    await openView(page, 'Sample');
    const back = page.locator('[data-test=back-0] .visually-hidden');
    await back.waitFor({ state: 'attached' });
    expect(await back.innerText()).not.to.match(/\d\.\d{5}/);
    await page.context().close();
  });

  for (const theme of ['light', 'dark'] as const) {
    for (const width of [1280, 390]) {
      it(`has no serious accessibility problem in any view, ${theme}, ${width} pixels`, async () => {
        const page = await viewer.page(`${COLLAPSED}&view=story&latent=1`, {
          colorScheme: theme,
          viewport: { width, height: 900 },
        });
        await page.evaluate(await readFile(axeSource, 'utf8'));
        const told: string[] = [];
        const scene = (name: string) => async () => {
          await openView(page, 'Story');
          await page.getByRole('navigation', { name: 'Scenes' }).getByRole('button', { name }).click();
        };
        const compare = async (other: string): Promise<void> => {
          await openView(page, 'Compare');
          await page.getByLabel('Compare with').selectOption({ label: other });
          await page.locator('[data-test=shared]').waitFor();
        };
        const ownRows = async (): Promise<void> => {
          const random = createRandomSource(1);
          const data = Float32Array.from({ length: 2000 * 16 }, () => random.normal());
          const labels = Array.from({ length: 2000 }, (_, i) => `label ${i % 7}`).join('\n');
          await openView(page, 'Overview');
          await openFiles(
            page,
            { name: 'own.onnx', bytes: randomSae(16, 64, 4, 1) },
            { name: 'acts.npy', bytes: writeNpy({ data, shape: [2000, 16] }) },
            { name: 'labels.txt', bytes: new TextEncoder().encode(labels) },
          );
          await page.getByText('named by labels.txt').waitFor();
          await page.locator('.tiles[data-done=true]').waitFor();
        };
        const go = (view: string) => () => openView(page, view);
        const stations: (readonly [string, () => Promise<void>])[] = [
          ...TITLES.map(title => [title, go(title)] as const),
          ...['Reading them back', 'Two seeds', 'Try it'].map(name => [name, scene(name)] as const),
          ['Compare, with another', () => compare('SAE of seed 1: found every direction')],
          ['Overview of own rows', ownRows],
          ...['Latent', 'Sample', 'Plane'].map(view => [`${view} of own rows`, go(view)] as const),
        ];
        for (const [title, open] of stations) {
          await open();
          await page.waitForTimeout(250);
          const results = (await page.evaluate('axe.run()')) as AxeResults;
          const serious = results.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
          told.push(
            ...serious.map(
              ({ id, nodes }) => `${title}: ${id}: ${nodes[0]?.html.slice(0, 160)} ${nodes[0]?.failureSummary}`,
            ),
          );
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          if (wide > width) told.push(`${title}: scrolls sideways, ${wide} pixels`);
        }
        expect(told).to.deep.equal([]);
        await page.context().close();
      });
    }
  }

  it('draws features that stand out from the page by 3 to 1, in either theme', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await viewer.page(`${PAIR}&view=plane`, { colorScheme });
      const ratios = await page.evaluate(() => {
        const luminance = (colour: string): number => {
          const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
          probe.fillStyle = colour;
          probe.fillRect(0, 0, 1, 1);
          const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data]
            .slice(0, 3)
            .map(value => value / 255)
            .map(value => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
        };
        const style = getComputedStyle(document.documentElement);
        const of = (name: string): number => luminance(style.getPropertyValue(name).trim());
        const ratio = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const names = [
          ...Array.from({ length: 8 }, (_, i) => `--feature-${i}`),
          '--unmatched',
          '--accent',
          '--negative',
        ];
        return names.flatMap(name =>
          ['--page', '--surface'].map(ground => ({ name, ratio: ratio(of(name), of(ground)) })),
        );
      });
      for (const { name, ratio } of ratios) expect(ratio, `${name} in ${colorScheme}`).to.be.at.least(3);
      await page.context().close();
    }
  });

  it('keeps the point’s numbers in sight on a phone', async () => {
    const page = await viewer.page(`${PAIR}&view=plane`, { viewport: { width: 390, height: 844 } });
    const readout = page.getByRole('region', { name: 'Point' });
    await readout.waitFor();
    const plane = (await page.getByRole('group', { name: 'Plane of activations' }).boundingBox())!;
    expect((await readout.boundingBox())!.y).to.be.lessThan(plane.y);
    await page.context().close();
  });

  it('had nothing to complain of', () => {
    expect(viewer.problems).to.deep.equal([]);
  });
});
