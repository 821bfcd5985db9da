/** Opening files in a real browser: those we did not write, those that are broken, those that are large, and whole folders. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { serveViewer } from '../../src/cli/serve-viewer.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { freezeToyModel } from '../../src/export/freeze.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import type { Initializer } from '../../src/onnx/graph.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import {
  alertOf,
  autoencoderOf,
  DIST,
  dropFiles,
  type GivenFile,
  isIdle,
  MODELS,
  openFiles,
  probeOf,
  skipWithoutBrowser,
  startViewer,
  type Viewer,
} from './built-viewer.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** An autoencoder of the contract, ReLU, with weights that repeat a short pattern. */
function wideSae(dIn: number, dSae: number, trainedOn?: string): Uint8Array {
  const weight = (name: string, shape: number[]): Initializer => {
    const size = shape.reduce((a, b) => a * b, 1);
    return {
      name,
      type: 'float32',
      shape,
      data: Float32Array.from({ length: size }, (_, i) => ((i * 7) % 13) / 13 - 0.5),
    };
  };
  const value = (name: string, width: number) => ({ name, type: 'float32' as const, shape: ['batch', width] });
  return encodeModel(
    {
      name: 'sae',
      nodes: [
        { op: 'Gemm', inputs: ['activations', 'W_enc', 'b_enc'], outputs: ['pre'], attributes: {} },
        { op: 'Relu', inputs: ['pre'], outputs: ['features'], attributes: {} },
        { op: 'Gemm', inputs: ['features', 'W_dec', 'b_dec'], outputs: ['reconstruction'], attributes: {} },
      ],
      initializers: [
        weight('W_enc', [dIn, dSae]),
        weight('b_enc', [dSae]),
        weight('W_dec', [dSae, dIn]),
        weight('b_dec', [dIn]),
      ],
      inputs: [value('activations', dIn)],
      outputs: [value('reconstruction', dIn), value('features', dSae)],
    },
    {
      'monosemantic.schema': '1',
      'monosemantic.kind': 'sparse-autoencoder',
      'monosemantic.feature_directions': 'W_dec',
      ...(trainedOn && { 'monosemantic.trained_on': trainedOn }),
    },
  );
}

/** The same model with its decoder in a file beside it, as PyTorch's exporter writes large ones. */
function withExternalData(bytes: Uint8Array, location: string): { model: Uint8Array; data: Uint8Array } {
  const proto = onnx.ModelProto.decode(bytes);
  const tensor = proto.graph!.initializer!.find(({ name }) => name === 'W_dec')!;
  const data = Uint8Array.from(tensor.rawData!);
  tensor.rawData = new Uint8Array(0);
  tensor.dataLocation = 1;
  tensor.externalData = [
    { key: 'location', value: location },
    { key: 'offset', value: '0' },
    { key: 'length', value: String(data.length) },
  ];
  return { model: onnx.ModelProto.encode(proto).finish(), data };
}

/** Twenty files that are no model, or no longer one. */
async function brokenFiles(): Promise<GivenFile[]> {
  const good = new Uint8Array(await readFile(join(MODELS, 'sae-found.onnx')));
  const text = (value: string) => new TextEncoder().encode(value);
  const cut = (share: number) => good.slice(0, Math.floor(good.length * share));
  const flipped = (from: number) => good.map((byte, i) => (i >= from && i < from + 64 ? byte ^ 0xff : byte));
  const files: [string, Uint8Array][] = [
    ['empty.onnx', new Uint8Array(0)],
    ['one-byte.onnx', Uint8Array.of(8)],
    ['text.onnx', text('this is not a model')],
    ['page.onnx', text('<!doctype html><title>Not found</title>')],
    ['json.onnx', text('{"weight": [1, 2, 3]}')],
    ['zeros.onnx', new Uint8Array(4096)],
    ['ones.onnx', new Uint8Array(4096).fill(0xff)],
    ['zip.onnx', Uint8Array.of(0x50, 0x4b, 3, 4, ...new Array(200).fill(7))],
    ['npy.onnx', text('\u0093NUMPY and so on')],
    ['cut-10.onnx', cut(0.1)],
    ['cut-40.onnx', cut(0.4)],
    ['cut-70.onnx', cut(0.7)],
    ['cut-95.onnx', cut(0.95)],
    ['flipped-0.onnx', flipped(0)],
    ['flipped-100.onnx', flipped(100)],
    ['flipped-400.onnx', flipped(400)],
    ['picture.png', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10)],
    ['lonely.safetensors', new Uint8Array(64)],
    ['history.json', text('{"steps": [0, 1], "loss": [1]}')],
    ['bad.json', text('{"steps": ')],
  ];
  return files.map(([name, bytes]) => ({ name, bytes }));
}

/** Moves every slider of an autoencoder that stands alone, to more digits than a hand could. */
async function setActivations(page: Page, input: readonly number[]): Promise<void> {
  for (const [i, value] of input.entries()) {
    const slider = page.getByRole('slider', { name: `Activation ${i}`, exact: true });
    await slider.evaluate((element, to) => {
      const control = element as HTMLInputElement;
      control.step = 'any';
      control.value = String(to);
      control.dispatchEvent(new Event('input', { bubbles: true }));
    }, value);
  }
}

async function folderOf(path: string, name: string): Promise<GivenFile[]> {
  const files = await readdir(path);
  return Promise.all(files.map(async file => ({ name: `${name}/${file}`, bytes: await readFile(join(path, file)) })));
}

describe('opening files in the viewer', () => {
  let viewer: Viewer;
  let folder: string;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer({ 'other.onnx': wideSae(2, 6, '0'.repeat(64)) });
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(async () => {
    await viewer?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  it('leaves the story for the page of what is opened', async () => {
    const page = await viewer.page('');
    await page.getByRole('heading', { name: /five things fit/, level: 1 }).waitFor();
    await openFiles(page, { name: 'mine.onnx', bytes: wideSae(8, 32) });
    await page.getByRole('heading', { name: 'mine.onnx', level: 1 }).waitFor();
    expect(await autoencoderOf(page)).to.equal('mine.onnx');
    const toy = await readFile(join(MODELS, 'toy-20-6.onnx'));
    await openFiles(page, { name: 'toy.onnx', bytes: toy });
    await page.getByRole('heading', { name: 'Toy model', level: 1 }).waitFor();
    // Its width is not the autoencoder's, which stays in view.
    expect(await autoencoderOf(page)).to.equal('mine.onnx');
    await page.getByText('takes another number of inputs').waitFor();
    // Kept in this browser: a reload finds both.
    await page.waitForURL(/kept:.*kept:/);
    await page.reload();
    await isIdle(page);
    await page.getByRole('option', { name: 'toy.onnx' }).waitFor({ state: 'attached' });
    expect(await autoencoderOf(page)).to.equal('mine.onnx');
    await page.getByRole('button', { name: 'Share' }).click();
    await page.locator('[data-test=not-shareable]').waitFor();
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await page.getByRole('button', { name: 'Close mine.onnx' }).click();
    await page.getByRole('option', { name: 'mine.onnx' }).waitFor({ state: 'detached' });
    expect(await page.getByRole('alert').innerText()).to.equal('');
    await page.context().close();
  });

  it('opens an autoencoder that PyTorch exported under names of its own, and probes it as PyTorch does', async () => {
    const page = await viewer.page('?model=star&view=sample');
    const answers = JSON.parse(await readFile(fixture('fixtures/foreign/sae.json'), 'utf8')) as {
      input: number[][];
      recon: number[][];
      latents: number[][];
    };
    await openFiles(page, { name: 'sae.onnx', bytes: await readFile(fixture('fixtures/foreign/sae.onnx')) });
    await page.getByRole('slider', { name: 'Activation 0', exact: true }).waitFor();
    const input = answers.input[0]!;
    await setActivations(page, input);
    const probe = await probeOf(page);
    for (const [i, value] of input.entries()) expect(probe.hidden[i]).to.be.closeTo(value, 1e-6);
    for (const [i, value] of answers.latents[0]!.entries()) expect(probe.features![i]).to.be.closeTo(value, 1e-4);
    for (const [i, value] of answers.recon[0]!.entries()) expect(probe.reconstruction![i]).to.be.closeTo(value, 1e-4);
    await page.context().close();
  });

  it('asks which tensor is what where a stranger’s file leaves it open, and opens it by the names given', async () => {
    const page = await viewer.page('?model=star&view=sample');
    // A reconstruction that goes through a Relu names no decoder.
    const encoder = Float32Array.of(1, 0, 0.5, 0.25, 0, 1, 0.5, 0, 0, 0, 0, 1);
    const decoder = Float32Array.of(1, 0, 0, 0, 1, 0, 0.25, 0.5, 0, -1, 0, 1);
    const weight = (name: string, shape: number[], data: Float32Array): Initializer => ({
      name,
      type: 'float32',
      shape,
      data,
    });
    const node = (op: string, inputs: string[], output: string) => ({ op, inputs, outputs: [output], attributes: {} });
    const bytes = encodeModel({
      name: 'stranger',
      nodes: [
        node('MatMul', ['x', 'E'], 'before'),
        node('Relu', ['before'], 'code'),
        node('MatMul', ['code', 'D'], 'after'),
        node('Relu', ['after'], 'y'),
      ],
      initializers: [weight('E', [3, 4], encoder), weight('D', [4, 3], decoder)],
      inputs: [{ name: 'x', type: 'float32', shape: ['batch', 3] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['batch', 3] }],
    });
    await openFiles(page, { name: 'stranger.onnx', bytes });
    const form = page.getByRole('form', { name: 'Which tensor is what' });
    await form.waitFor();
    // Names that do not fit are refused in words, and the form stays.
    await form.getByLabel('Features').selectOption('y');
    await form.getByLabel('Reconstruction').selectOption('before');
    await form.getByLabel('Decoder').selectOption('D');
    await form.getByRole('button', { name: 'Open it so' }).click();
    expect(await alertOf(page)).to.match(/stranger\.onnx could not be opened by these names/);
    await form.getByLabel('Features').selectOption('code');
    await form.getByLabel('Reconstruction').selectOption('y');
    await form.getByRole('button', { name: 'Open it so' }).click();
    await form.waitFor({ state: 'detached' });
    expect(await autoencoderOf(page)).to.equal('stranger.onnx');
    await setActivations(page, [0.5, -0.25, 0.25]);
    const probe = await probeOf(page);
    // x E = [.5, −.25, .125, .375]; its positive part times D is [.15625, .0625, .375].
    expect(probe.features).to.deep.equal([0.5, 0, 0.125, 0.375]);
    expect(probe.reconstruction).to.deep.equal([0.15625, 0.0625, 0.375]);
    // A reload finds it again by the same names, and does not say before that there is nothing to wait for.
    await page.addInitScript(() => {
      new MutationObserver(() => {
        const button = document.querySelector('.open-button')?.textContent?.trim();
        const chosen = document.querySelector('[aria-label=Autoencoder] option:checked')?.textContent;
        if (button === 'Open files' && chosen === 'None') document.documentElement.dataset['idleTooSoon'] = 'true';
      }).observe(document, { childList: true, characterData: true, subtree: true });
    });
    await page.reload();
    await isIdle(page);
    expect(await autoencoderOf(page)).to.equal('stranger.onnx');
    expect(await page.locator('html').getAttribute('data-idle-too-soon')).to.equal(null);
    await page.context().close();
  });

  it('opens a SAELens folder with its side files under the folder’s name, and gives SAELens’s answers', async () => {
    const page = await viewer.page('?view=sample');
    const path = fixture('reference/saelens/topk');
    const files = (await folderOf(path, 'gpt2-res-jb')).filter(({ name }) => !name.endsWith('io.json'));
    // What SAELens writes beside: it must be passed over, and the scaler must not be lost.
    files.push({ name: 'gpt2-res-jb/sparsity.safetensors', bytes: new Uint8Array(16) });
    files.push({ name: 'gpt2-res-jb/runner_cfg.json', bytes: new TextEncoder().encode('{"lr": 0.1}') });
    await dropFiles(page, ...files);
    await page.getByRole('option', { name: 'gpt2-res-jb' }).waitFor({ state: 'attached' });
    await isIdle(page);
    expect(await autoencoderOf(page)).to.equal('gpt2-res-jb');
    const answers = JSON.parse(await readFile(join(path, 'io.json'), 'utf8')) as Record<
      'x' | 'features' | 'reconstruction',
      number[][]
    >;
    const row = answers.x.findIndex(values => values.every(value => Math.abs(value) < 3));
    await setActivations(page, answers.x[row]!);
    const probe = await probeOf(page);
    for (const [i, value] of answers.features[row]!.entries()) expect(probe.features![i]).to.be.closeTo(value, 1e-4);
    for (const [i, value] of answers.reconstruction[row]!.entries()) {
      expect(probe.reconstruction![i]).to.be.closeTo(value, 1e-4);
    }
    expect(await page.getByRole('alert').innerText()).to.equal('');
    // A second folder has a name of its own, and two of one name can be told apart.
    const jumprelu = (await folderOf(fixture('reference/saelens/jumprelu'), 'other')).filter(
      ({ name }) => !name.endsWith('io.json'),
    );
    await dropFiles(page, ...jumprelu);
    await page.getByRole('option', { name: 'other' }).waitFor({ state: 'attached' });
    await openFiles(page, { name: 'sae.onnx', bytes: wideSae(4, 8) });
    await page.getByRole('option', { name: 'sae.onnx' }).waitFor({ state: 'attached' });
    await openFiles(page, { name: 'sae.onnx', bytes: wideSae(4, 12) });
    await page.getByRole('option', { name: 'sae.onnx (2)' }).waitFor({ state: 'attached' });
    await page.context().close();
  });

  it('opens a run’s folder: the model with its history, its record passed over', async () => {
    const page = await viewer.page('');
    const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    await dropFiles(
      page,
      { name: 'run-7/sae.onnx', bytes: await readFile(join(MODELS, 'sae-found.onnx')) },
      { name: 'run-7/sae.json', bytes: json({ recovered: 5 }) },
      { name: 'run-7/run.json', bytes: json({ seed: 1 }) },
      { name: 'run-7/history.json', bytes: await readFile(join(MODELS, 'sae-found.history.json')) },
      { name: 'run-7/sae-directions.svg', bytes: json('') },
    );
    await page.getByRole('heading', { level: 1, name: /sae|SAE/ }).waitFor();
    expect(await page.getByRole('alert').innerText()).to.equal('');
    await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: 'History' }).click();
    await page.getByRole('img', { name: /Loss against step/ }).waitFor();
    await page.context().close();
  });

  it('opens a model and the file with its data together, and says so where that is missing', async () => {
    const page = await viewer.page('?view=sample');
    const whole = wideSae(6, 10);
    const { model, data } = withExternalData(whole, 'big.onnx.data');
    await openFiles(page, { name: 'big.onnx', bytes: model });
    expect(await alertOf(page)).to.include("its data is in 'big.onnx.data': open both together");
    await openFiles(page, { name: 'big.onnx', bytes: model }, { name: 'big.onnx.data', bytes: data });
    await page.getByRole('slider', { name: 'Activation 5', exact: true }).waitFor();
    await setActivations(page, [1, 0, 0, 0, 0, 0]);
    const probe = await probeOf(page);
    const weight = (i: number): number => ((i * 7) % 13) / 13 - 0.5;
    const features = Array.from({ length: 10 }, (_, j) => Math.max(0, weight(j) + weight(j)));
    const expected = Array.from({ length: 6 }, (_, d) =>
      features.reduce((sum, value, j) => sum + value * weight(j * 6 + d), weight(d)),
    );
    for (const [d, value] of expected.entries()) expect(probe.reconstruction![d]).to.be.closeTo(value, 1e-4);
    await page.context().close();
  });

  it('opens a model by its address with the data that lies beside it, as `view` serves both', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    const { model, data } = withExternalData(wideSae(6, 9), 'big.onnx.data');
    await writeFile(join(folder, 'big.onnx'), model);
    await writeFile(join(folder, 'big.onnx.data'), data);
    const server = await serveViewer({ folder: DIST, files: [join(folder, 'big.onnx')] });
    const context = await viewer.browser.newContext({ reducedMotion: 'reduce' });
    const page = await context.newPage();
    await page.goto(server.url);
    await page.getByRole('heading', { name: 'big.onnx', level: 1 }).waitFor();
    await isIdle(page);
    expect(await page.getByRole('alert').innerText()).to.equal('');
    // Its own address finds it again.
    expect(new URL(page.url()).searchParams.get('model')).to.match(/\/open\/0\/big\.onnx$/);
    await context.close();
    await server.close();
    await rm(folder, { recursive: true });
  });

  it('says so where the toy model in view is not the one that the autoencoder was trained on', async () => {
    const page = await viewer.page(`?model=star&model=${viewer.addressOf('other.onnx')}&view=plane`);
    await page.getByText('its hash differs').waitFor();
    const right = await viewer.page('?model=star&model=sae-found&view=plane');
    await right.getByText('Trained on this toy model.').waitFor();
    await page.context().close();
    await right.context().close();
  });

  it('opens a parallel toy model as one model for each instance', async () => {
    const page = await viewer.page('?view=toy');
    const model = new ParallelToyModel({ nInstances: 3, nFeatures: 6, nHidden: 2 }, createRandomSource(0));
    await openFiles(page, { name: 'parallel.onnx', bytes: freezeToyModel(model) });
    for (const instance of [0, 1, 2]) {
      await page.getByRole('option', { name: `parallel.onnx, instance ${instance}` }).waitFor({ state: 'attached' });
    }
    await page.getByLabel('Toy model', { exact: true }).selectOption({ label: 'parallel.onnx, instance 2' });
    await page.getByLabel('Autoencoder', { exact: true }).selectOption({ label: 'None' });
    await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: 'Sample' }).click();
    await page.getByRole('slider', { name: 'Feature 5', exact: true }).fill('0.6');
    await page.getByRole('slider', { name: 'Feature 0', exact: true }).fill('0');
    const probe = await probeOf(page);
    const { weight } = model.instance(2);
    for (const i of [0, 1]) expect(probe.hidden[i]).to.be.closeTo(0.6 * weight!.data[10 + i]!, 1e-5);
    await page.context().close();
  });

  it('asks before it fetches from another site, and does not without consent', async () => {
    const asked: string[] = [];
    const page = await viewer.page('?model=https://models.invalid/sae.onnx');
    page.on('request', request => asked.push(request.url()));
    await page.getByText('Fetch it from there?').waitFor();
    expect(asked.filter(url => url.includes('models.invalid'))).to.deep.equal([]);
    // With consent the page starts again, and may reach that one site.
    await page.route('https://models.invalid/**', async route =>
      route.fulfill({
        body: await readFile(join(MODELS, 'sae-found.onnx')),
        headers: { 'Access-Control-Allow-Origin': '*' },
      }),
    );
    await page.getByRole('button', { name: 'Fetch' }).click();
    await page.getByRole('option', { name: 'sae.onnx' }).waitFor({ state: 'attached' });
    await isIdle(page);
    expect(await page.getByRole('alert').innerText()).to.equal('');
    const refused = await page.evaluate(
      "fetch('https://elsewhere.invalid/').then(() => 'reached', error => String(error))",
    );
    expect(refused).to.include('Failed to fetch');
    expect(asked.some(url => url.includes('elsewhere'))).to.equal(false);
    await page.context().close();
  });

  it('starts whatever the address says', async () => {
    for (const query of ['?model=./%25', '?model=%00&view=nothing', '?latent=99999999&view=latent&pins=a:b&axes=1']) {
      const page = await viewer.page(query);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.context().close();
    }
  });

  it('answers each of twenty broken files with an alert, and goes on working', async () => {
    const page = await viewer.page('?model=star&model=sae-found&view=sample');
    const before = await probeOf(page);
    const files = await brokenFiles();
    expect(files).to.have.length(20);
    for (const file of files) {
      await openFiles(page, file);
      const text = await alertOf(page);
      expect(text, file.name).to.match(/\w.{10,}/);
      expect(text.length, file.name).to.be.lessThan(400);
      expect(text, file.name).not.to.match(/\n|undefined|\bat .*:\d+:\d+/);
      await page.getByRole('alert').getByRole('button', { name: 'Dismiss' }).click();
    }
    expect((await probeOf(page)).autoencoder).to.deep.equal(before.autoencoder);
    await page.getByRole('slider', { name: 'Feature 1', exact: true }).fill('0.5');
    await page.waitForFunction(
      old => document.querySelector('[data-test=hidden-0]')?.textContent !== old,
      before.hidden[0]!.toFixed(3).replace('-', '−'),
    );
    await page.context().close();
  });

  it('stays alive while it opens a file of 200 MB', async () => {
    const bytes = wideSae(768, 33_000);
    expect(bytes.length).to.be.greaterThan(200e6);
    const file = join(folder, 'large.onnx');
    await writeFile(file, bytes);
    const page = await viewer.page('?model=star&view=story');
    await page.evaluate(`
      globalThis.frames_ = { longest: 0, last: performance.now() };
      requestAnimationFrame(function tick(now) {
        frames_.longest = Math.max(frames_.longest, now - frames_.last);
        frames_.last = now;
        requestAnimationFrame(tick);
      });
    `);
    // What the machine keeps a page waiting for that has nothing to do.
    await page.waitForTimeout(1000);
    const hiccup = (await page.evaluate('frames_.longest')) as number;
    await page.getByLabel('Open files', { exact: true }).setInputFiles(file);
    await page.getByRole('option', { name: 'large.onnx' }).waitFor({ state: 'attached' });
    const longest = (await page.evaluate('frames_.longest')) as number;
    // A frozen page is one that does not answer for seconds.
    expect(longest).to.be.lessThan(2000 + 10 * hiccup);
    expect(await page.getByRole('alert').innerText()).to.equal('');
    await page.context().close();
  });
});
