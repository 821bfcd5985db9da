/** A person's own rows in a real browser: what the pages say is what NumPy says of the same files, and never of another model. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { createRandomSource } from '../../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { writeNpy } from '../../src/files/npy.ts';
import {
  browserLacks,
  downloaded,
  dropFiles,
  isIdle,
  openFiles,
  openView,
  probeOf,
  startViewer,
  type Viewer,
} from './built-viewer.ts';

const python = process.env['MONOSEMANTIC_PYTHON'] || 'python3';
const script = fileURLToPath(new URL('./make_rows.py', import.meta.url));
const lacksNumpy = spawnSync(python, ['-c', 'import numpy']).status !== 0;

/** A TopK autoencoder with random weights. */
function randomSae(dIn: number, dSae: number, k: number, seed: number): Uint8Array {
  const random = createRandomSource(seed);
  const tensor = (shape: number[], scale: number) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (random.float32() - 0.5) * scale),
  });
  const weights = {
    W_enc: tensor([dIn, dSae], 1),
    b_enc: tensor([dSae], 0.1),
    W_dec: tensor([dSae, dIn], 1),
    b_dec: tensor([dIn], 0.1),
  };
  const options = { applyBDecToInput: true, normalizeActivations: 'none', transcoder: false } as const;
  return frozenSaeToOnnx({ architecture: 'topk', k, dIn, dSae, dOut: dIn, ...options, weights });
}

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

  it('says what NumPy says of weights, activations and labels that Python wrote', async function () {
    if (lacksNumpy) {
      console.log(`      skipped: ${python} has no numpy (MONOSEMANTIC_PYTHON names another)`);
      this.skip();
    }
    // MONOSEMANTIC_BIG_ROWS=1: the size of a real autoencoder, with fifty random latents; some minutes.
    const [rows, ...sizes] = process.env['MONOSEMANTIC_BIG_ROWS'] ? [50_000, 512, 16_384, 32] : [9000, 48, 640, 8];
    const drawn = process.env['MONOSEMANTIC_BIG_ROWS'] ? 50 : 12;
    execFileSync(python, [script, folder, ...[...sizes, rows, drawn].map(String)]);
    const expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as Expected;
    const page = await viewer.page('');
    const names = ['cfg.json', 'sae_weights.safetensors'];
    await dropFiles(
      page,
      ...(await Promise.all(
        names.map(async name => ({ name: `python-sae/${name}`, bytes: await readFile(join(folder, name)) })),
      )),
    );
    await page.getByRole('heading', { name: 'python-sae', level: 1 }).waitFor();
    await isIdle(page);
    const given = ['acts.npy', 'labels.csv'].map(name => join(folder, name));
    await page.getByLabel('Open files', { exact: true }).setInputFiles(given);
    await page.getByText('named by labels.csv').waitFor();
    await page.locator('.tiles[data-done=true]').waitFor();

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
    }
    // What was planted is what is shown.
    const planted = await latentJson(page, 9);
    expect(planted.top.slice(0, 5).map(({ row }) => row)).to.have.members([200, 201, 202, 203, 204]);
    const labelled = await latentJson(page, 5);
    expect(labelled.labels[0]!.name).to.equal('planted, five');
    expect(labelled.top.slice(0, 20).every(({ label, row }) => label === 'planted, five' || row < 100)).to.equal(true);

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
