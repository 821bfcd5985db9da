/** A person's own rows in a real browser: what the pages say is what NumPy says of the same files, and never of another model. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { createRandomSource } from '../../src/data/random-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import {
  downloaded,
  isIdle,
  openFiles,
  openView,
  probeOf,
  SINGLE_FILE,
  skipWithoutBrowser,
  startViewer,
  type Viewer,
} from './built-viewer.ts';
import { randomSae } from './random-sae.ts';

const python = process.env['MONOSEMANTIC_PYTHON'] || 'python3';
const script = fileURLToPath(new URL('./make_rows.py', import.meta.url));
const lacksNumpy = spawnSync(python, ['-c', 'import numpy']).status !== 0;

interface Expected {
  readonly l0: number;
  readonly explained: number;
  readonly without_sinks: number;
  readonly sinks: number;
  readonly silent: number;
  readonly latents: readonly {
    readonly latent: number;
    readonly count: number;
    readonly max: number;
    readonly top: readonly (readonly [number, number])[];
    readonly nearest: readonly (readonly [number, number])[];
    readonly histogram: readonly number[];
    /** Latent, correlation, rows on which both fire. */
    readonly together: readonly (readonly [number, number, number])[];
  }[];
}

interface LatentJson {
  readonly latent: number;
  readonly autoencoder: { readonly name: string };
  readonly rows: { readonly count: number };
  readonly density: number;
  readonly max: number;
  readonly top: readonly { readonly row: number; readonly value: number; readonly label?: string }[];
  readonly nearest: readonly { readonly latent: number; readonly cosine: number }[];
  readonly histogram: { readonly counts: readonly number[] };
  readonly together: readonly { readonly latent: number; readonly value: number; readonly rows: number }[];
  readonly labels: readonly { readonly name: string; readonly f1: number }[];
}

const tile = async (page: Page, name: string): Promise<number> =>
  Number((await page.locator(`[data-test=${name}]`).innerText()).replaceAll(',', '').replace('−', '-'));

async function latentJson(page: Page, latent: number): Promise<LatentJson> {
  const form = page.getByRole('form', { name: 'Go to a latent' });
  await form.getByLabel('Number of a latent').fill(String(latent));
  await form.getByLabel('Number of a latent').press('Enter');
  await page.getByRole('heading', { name: `Latent ${latent}`, level: 1 }).waitFor();
  await page.locator('[data-test=fires-on]').waitFor();
  await page.getByRole('region', { name: /^Nearest/ }).waitFor();
  return JSON.parse(
    await downloaded(page, () => page.getByRole('button', { name: 'JSON', exact: true }).click()),
  ) as LatentJson;
}

describe('own rows in the viewer', function () {
  if (process.env['MONOSEMANTIC_BIG_ROWS']) this.timeout(1_200_000);
  let viewer: Viewer;
  let folder: string;
  let made = false;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer();
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(async () => {
    await viewer?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  // MONOSEMANTIC_BIG_ROWS=1: the size of a real autoencoder, with fifty random latents; some minutes, and an idle machine for the limits.
  const isBig = Boolean(process.env['MONOSEMANTIC_BIG_ROWS']);
  const [rows, ...sizes] = isBig ? [50_000, 512, 16_384, 32] : [9000, 48, 640, 8];

  for (const where of ['the server', 'the single file']) {
    it(`says what NumPy says of weights, activations and labels that Python wrote, on ${where}`, async function () {
      if (lacksNumpy) {
        console.log(`      skipped: ${python} has no numpy (MONOSEMANTIC_PYTHON names another)`);
        this.skip();
      }
      if (!made) execFileSync(python, [script, folder, ...[...sizes, rows, isBig ? 50 : 12].map(String)]);
      made = true;
      const expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as Expected;
      const page = await viewer.page(where === 'the server' ? '' : pathToFileURL(SINGLE_FILE).href);
      const choose = (...names: string[]): Promise<void> =>
        page.getByLabel('Open files', { exact: true }).setInputFiles(names.map(name => join(folder, name)));
      await choose('cfg.json', 'sae_weights.safetensors');
      await page.getByRole('heading', { name: 'SAELens autoencoder', level: 1 }).waitFor();
      await isIdle(page);
      const started = performance.now();
      await choose('acts.npy', 'labels.csv');
      await page.locator('.tiles').waitFor();
      const sampled = (performance.now() - started) / 1000;
      if (isBig) expect(await page.getByRole('progressbar', { name: 'Rows that were run' }).count()).to.equal(1);
      await page.locator('.tiles[data-done=true]').waitFor();
      const all = (performance.now() - started) / 1000;
      await page.getByText('named by labels.csv').waitFor();
      if (isBig) {
        console.log(`      ${where}: overview from a sample ${sampled.toFixed(1)} s, all rows ${all.toFixed(1)} s`);
        expect(sampled).to.be.lessThan(10);
        expect(all).to.be.lessThan(60);
      }

      expect(await tile(page, 'l0')).to.be.closeTo(expected.l0, 0.005);
      expect(await tile(page, 'explained-variance')).to.be.closeTo(expected.explained, 1e-4);
      expect(await tile(page, 'explained-variance-without-sinks')).to.be.closeTo(expected.without_sinks, 1e-4);
      expect(await tile(page, 'silent')).to.equal(expected.silent);
      expect(expected.silent).to.be.at.least(20);
      await page.getByText(`without ${expected.sinks}`).waitFor();
      for (const wanted of expected.latents) {
        const shown = await latentJson(page, wanted.latent);
        expect(shown.latent).to.equal(wanted.latent);
        expect(Math.round(shown.density * rows!)).to.equal(wanted.count);
        expect(shown.max).to.be.closeTo(wanted.max, 1e-4 * Math.max(1, wanted.max));
        expect(shown.top.map(({ row }) => row)).to.deep.equal(wanted.top.map(([row]) => row));
        shown.top.forEach(({ value }, i) => {
          expect(value).to.be.closeTo(wanted.top[i]![1], 1e-4 * Math.max(1, value));
        });
        expect(shown.nearest.map(({ latent }) => latent)).to.deep.equal(wanted.nearest.map(([latent]) => latent));
        shown.nearest.forEach(({ cosine }, i) => {
          expect(cosine).to.be.closeTo(wanted.nearest[i]![1], 1e-4);
        });
        expect(shown.together.map(({ latent }) => latent)).to.have.members(wanted.together.map(([latent]) => latent));
        shown.together.forEach(({ value, rows: both }, i) => {
          expect(value).to.be.closeTo(wanted.together[i]![1], 1e-4);
          expect(both).to.equal(wanted.together.find(([latent]) => latent === shown.together[i]!.latent)![2]);
        });
        // A value at the edge of a bin may fall on either side.
        const moved = shown.histogram.counts.reduce((sum, bin, i) => sum + Math.abs(bin - wanted.histogram[i]!), 0);
        if (wanted.count > 0) expect(moved).to.be.at.most(4);
      }
      // What was planted is what is shown.
      const planted = await latentJson(page, 9);
      expect(planted.top.slice(0, 5).map(({ row }) => row)).to.have.members([200, 201, 202, 203, 204]);
      const labelled = await latentJson(page, 5);
      expect(labelled.labels[0]!.name).to.equal('planted, five');
      expect(labelled.top.slice(0, 20).every(({ label, row }) => label === 'planted, five' || row < 100)).to.equal(
        true,
      );

      // The sample page: the latents of a row, its error, and its name.
      await openView(page, 'Sample');
      const rowForm = page.getByRole('form', { name: 'Choose a row' });
      await rowForm.getByLabel('Number of a row').fill('101');
      await rowForm.getByRole('button', { name: 'Go to row' }).click();
      await page.getByText('planted, five').first().waitFor();
      const probe = await probeOf(page);
      const strongest = probe.features!.indexOf(Math.max(...probe.features!));
      expect(strongest).to.equal(5);
      await page.context().close();
    });
  }

  it('compares autoencoders block by block in several workers as a plain loop in float64 does', async () => {
    const [width, here, there] = [64, 3000, 2400];
    const random = createRandomSource(3);
    const a = Float32Array.from({ length: here * width }, () => random.normal());
    // The first half there is the last of here in reverse, a little off; the rest is its own.
    const b = Float32Array.from({ length: there * width }, (_, at) => {
      const [row, d] = [Math.floor(at / width), at % width];
      return row < there / 2 ? a[(here - 1 - row) * width + d]! + 0.3 * random.normal() : random.normal();
    });
    const norms = (rows: Float32Array): number[] =>
      Array.from({ length: rows.length / width }, (_, i) => Math.hypot(...rows.subarray(i * width, (i + 1) * width)));
    const [ofA, ofB] = [norms(a), norms(b)];
    const forward = Array.from({ length: here }, () => ({ at: -1, cosine: -2 }));
    const backward = Array.from({ length: there }, () => ({ at: -1, cosine: -2 }));
    for (let i = 0; i < here; i++) {
      for (let j = 0; j < there; j++) {
        let product = 0;
        for (let d = 0; d < width; d++) product += a[i * width + d]! * b[j * width + d]!;
        const cosine = product / (ofA[i]! * ofB[j]!);
        if (cosine > forward[i]!.cosine) forward[i] = { at: j, cosine };
        if (cosine > backward[j]!.cosine) backward[j] = { at: i, cosine };
      }
    }
    const mutual = forward
      .map(({ at, cosine }, i) => ({ a: i, b: at, cosine }))
      .filter(pair => backward[pair.b]!.at === pair.a)
      .sort((x, y) => y.cosine - x.cosine);

    const page = await viewer.page('');
    await openFiles(page, { name: 'b.onnx', bytes: randomSae(width, there, 4, 2, b) });
    await page.getByRole('heading', { name: 'b.onnx', level: 1 }).waitFor();
    await openFiles(page, { name: 'a.onnx', bytes: randomSae(width, here, 4, 1, a) });
    await page.getByRole('heading', { name: 'a.onnx', level: 1 }).waitFor();
    await openView(page, 'Compare');
    await page.getByLabel('Compare with').selectOption({ label: 'b.onnx' });
    await page.locator('[data-test=shared]').waitFor();
    const strong = mutual.filter(({ cosine }) => cosine > 0.7);
    expect(strong.length).to.be.greaterThan(1100);
    expect(await tile(page, 'shared')).to.equal(strong.length);
    const pairs = page.getByRole('region', { name: 'Mutual pairs', exact: true });
    expect(await pairs.getByRole('heading').innerText()).to.include(mutual.length.toLocaleString('en'));
    const shown = await pairs.locator('.grid-row.pairs:not(.head)').allInnerTexts();
    expect(shown.length).to.be.greaterThan(10);
    shown.forEach((text, i) => {
      const [left, right, cosine] = text.split(/\s+/).map(Number);
      expect([left, right]).to.deep.equal([mutual[i]!.a, mutual[i]!.b]);
      expect(cosine).to.be.closeTo(mutual[i]!.cosine, 1e-4);
    });
    const alone = forward.map(({ cosine }, i) => ({ i, cosine })).filter(({ cosine }) => cosine <= 0.7);
    const only = page.getByRole('region', { name: 'Only here', exact: true }).first();
    expect(await only.getByRole('heading').innerText()).to.include(alone.length.toLocaleString('en'));
    const least = alone.sort((x, y) => x.cosine - y.cosine)[0]!;
    expect(await only.locator('.grid-row').first().innerText()).to.match(new RegExp(`^${least.i}\\b`));
    await page.context().close();
  });

  it('shows tokens in their text, each as strongly as the latent fires on it', async () => {
    const page = await viewer.page('');
    await openFiles(page, { name: 'words.onnx', bytes: randomSae(8, 16, 1, 3) });
    await page.getByRole('heading', { name: 'words.onnx', level: 1 }).waitFor();
    const texts = Array.from({ length: 200 }, (_, i) => Array.from({ length: 6 }, (_, j) => ` word${i}-${j}`));
    const random = createRandomSource(5);
    const data = Float32Array.from({ length: 1200 * 8 }, () => random.normal());
    await openFiles(
      page,
      { name: 'acts.npy', bytes: writeNpy({ data, shape: [200, 6, 8] }) },
      { name: 'tokens.json', bytes: new TextEncoder().encode(JSON.stringify(texts)) },
    );
    await page.getByText('named by tokens.json').waitFor();
    await page.locator('.tiles[data-done=true]').waitFor();
    await openView(page, 'Latent');
    await latentJson(page, 2);
    const first = page.getByRole('list', { name: 'Top examples' }).getByRole('listitem').first();
    const row = Number(/row ([\d,]+)/.exec(await first.innerText())![1]!.replaceAll(',', ''));
    expect(await first.locator('.token.own').innerText()).to.equal(` word${Math.floor(row / 6)}-${row % 6}`);
    // The context does not leave the text.
    const words = await first.locator('.token').allInnerTexts();
    expect(words).to.have.length(6);
    expect(new Set(words.map(word => word.trim().split('-')[0]))).to.have.property('size', 1);
    await page.context().close();
  });

  it('calls no latent dead from noise, and makes no statistic where rows are too few', async () => {
    const page = await viewer.page('');
    await openFiles(page, { name: 'wide.onnx', bytes: randomSae(256, 8192, 8, 1) });
    await page.getByRole('heading', { name: 'wide.onnx', level: 1 }).waitFor();
    await page.getByText('No activations are open').waitFor();
    const text = await page.locator('main').innerText();
    expect(text).not.to.match(/\bdead\b/i);
    expect(await page.locator('[data-test=silent]').count()).to.equal(0);
    // Rows, but fewer than ten firings a latent: counted, and said to be too few.
    const data = Float32Array.from({ length: 512 * 256 }, (_, i) => Math.sin(i * i));
    await openFiles(page, { name: 'few.npy', bytes: writeNpy({ data, shape: [512, 256] }) });
    await page.getByText('Too few rows to tell').waitFor();
    expect(await page.locator('[data-test=silent]').innerText()).to.equal('–');
    // A small one gets noise, which is called that.
    await openFiles(page, { name: 'small.onnx', bytes: randomSae(12, 24, 4, 2) });
    await page.getByRole('heading', { name: 'small.onnx', level: 1 }).waitFor();
    await page.getByText('answers to noise').waitFor();
    await page.locator('.tiles[data-done=true]').waitFor();
    expect(await page.locator('[data-test=silent]').innerText()).to.equal('–');
    expect(await page.locator('main').innerText()).not.to.match(/\bdead\b/i);
    await page.context().close();
  });

  it('never shows one model’s results under another’s name, however fast one switches', async () => {
    const page = await viewer.page('?view=sample');
    await openFiles(
      page,
      { name: 'a.onnx', bytes: randomSae(64, 2048, 4, 1) },
      { name: 'b.onnx', bytes: randomSae(64, 2048, 16, 2) },
    );
    await page.getByRole('option', { name: 'b.onnx' }).waitFor({ state: 'attached' });
    await isIdle(page);
    await openView(page, 'Sample');
    const picker = page.getByLabel('Autoencoder', { exact: true });
    for (let turn = 0; turn < 12; turn++) {
      const [name, k] = turn % 2 === 0 ? ['a.onnx', 4] : ['b.onnx', 16];
      await picker.selectOption({ label: name as string });
      // Whatever is drawn now is of this model: it fires its own number of latents, or nothing is drawn yet.
      const drawn = await page.getByRole('region', { name: 'Latents', exact: true }).innerText();
      const fires = /(\d+) of 2,048 fire/.exec(drawn);
      if (fires) expect(Number(fires[1]), `${name} at turn ${turn}`).to.be.at.most(k as number);
      if (turn % 4 < 2) {
        const probe = await probeOf(page);
        expect(probe.autoencoder!.name).to.equal(name);
        expect(probe.features!.filter(value => value !== 0).length).to.be.at.most(k as number);
        if (name === 'b.onnx') expect(probe.features!.filter(value => value !== 0).length).to.be.greaterThan(4);
      }
    }
    await page.context().close();
  });

  it('takes a result away as soon as another model is in view, however long the next one takes', async () => {
    const open = ['toy-20-6', 'sae-collapsed', 'star', 'sae-found'].map(id => `model=${id}`).join('&');
    const page = await viewer.page(`?${open}&view=sample&features=1,0,0.5,0,0`);
    // While \`hold\` is set, calls to workers wait, as they would on a slow machine.
    await page.evaluate(`{
      const post = Worker.prototype.postMessage;
      globalThis.waiting = [];
      Worker.prototype.postMessage = function (...message) {
        if (globalThis.hold) waiting.push(() => post.apply(this, message));
        else post.apply(this, message);
      };
    }`);
    /** What the page says of a run: activations, latents, and how long it took. */
    const shown = (): Promise<string[]> =>
      page.evaluate(async () => {
        for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
        return [...document.querySelectorAll('[data-test^=hidden-], [data-test^=latent-], .compute')]
          .map(element => element.textContent ?? '')
          .filter(text => !/^(WASM|WebGPU)$/.test(text));
      });
    const choose = (kind: string, label: string) => page.getByLabel(kind, { exact: true }).selectOption({ label });
    for (const change of [
      () => choose('Autoencoder', 'SAE of seed 4: collapsed'),
      () => choose('Autoencoder', 'None'),
      () => choose('Toy model', '20 features in 6 dimensions'),
    ]) {
      await page.locator('[data-test=hidden-0]').waitFor();
      const before = await shown();
      expect(before).not.to.deep.equal([]);
      await page.evaluate('globalThis.hold = true');
      await change();
      expect(await shown()).to.deep.equal([]);
      await page.evaluate('globalThis.hold = false; for (const call of waiting.splice(0)) call();');
      await page.locator('[data-test=hidden-0]').waitFor();
      expect(await shown()).not.to.deep.equal(before);
    }
    await page.context().close();
  });

  it('answers a slider while many rows are still running, and stops running them for another model', async () => {
    const page = await viewer.page('?view=sample');
    await openFiles(page, { name: 'wide.onnx', bytes: randomSae(256, 8192, 8, 1) });
    await page.getByRole('heading', { name: 'Sample', level: 1 }).waitFor();
    await isIdle(page);
    const count = 24_000;
    const data = new Float32Array(count * 256).map((_, i) => ((i * 7919) % 2003) / 1000 - 1);
    await openFiles(page, { name: 'many.npy', bytes: writeNpy({ data, shape: [count, 256] }) });
    await openView(page, 'Overview');
    await page.locator('.tiles').waitFor();
    await openView(page, 'Sample');
    const before = await page.locator('[data-test=hidden-0]').innerText();
    await page.getByRole('slider', { name: 'Activation 0', exact: true }).fill('2.5');
    await page.waitForFunction(old => document.querySelector('[data-test=hidden-0]')?.textContent !== old, before);
    await openView(page, 'Overview');
    // The rows are not done: the slider did not wait for them.
    expect(await page.locator('.tiles').getAttribute('data-done')).to.equal('false');
    await page
      .getByLabel('Autoencoder', { exact: true })
      .selectOption({ label: 'SAE of seed 1: found every direction' });
    await page.locator('.tiles[data-done=true]').waitFor();
    await page.context().close();
  });

  it('had nothing to complain of', () => {
    expect(viewer.problems).to.deep.equal([]);
  });
});
