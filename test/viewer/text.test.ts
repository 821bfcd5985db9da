/** Live text in a real browser: a small language model with its autoencoder spliced in, against PyTorch's logits and features (test/host). */
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AxeResults } from 'axe-core';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { serveViewer } from '../../src/cli/serve-viewer.ts';
import { writeViewerPage } from '../../src/cli/write-viewer-page.ts';
import { type FileTensor, readNpy } from '../../src/files/index.ts';
import { openHost, splice } from '../../src/host/index.ts';
import { alertOf, DIST, openFiles, openView, skipWithoutBrowser, startViewer, type Viewer } from './built-viewer.ts';
import { tabTo, walk } from './by-keyboard.ts';

const pathOf = (name: string) => new URL(`../host/language-model/${name}`, import.meta.url).pathname;
const array = (name: string): FileTensor => readNpy(readFileSync(pathOf(`${name}.npy`)));
const { tensor } = JSON.parse(readFileSync(pathOf('scores.json'), 'utf8')) as { tensor: string };
const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const D_SAE = 64;
const LATENT = 7;

/** One word for each of the model's twelve tokens. */
const WORDS = ['ape', 'bee', 'cow', 'dog', 'eel', 'fox', 'gnu', 'hen', 'ibis', 'jay', 'kid', 'lark'];
const tokenizer = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: Object.fromEntries(WORDS.map((word, i) => [word, i])), unk_token: 'ape' },
};

/** Shares by word, of a row of logits. */
function softmax(logits: ArrayLike<number>): Map<string, number> {
  const powers = Array.from(logits, Math.exp);
  const total = powers.reduce((a, b) => a + b);
  return new Map(powers.map((power, i) => [WORDS[i]!, power / total]));
}

/** What a list of predictions on the page says: percent by word. */
async function sharesOf(page: Page, test: string): Promise<[string, number][]> {
  const texts = await page
    .locator(`[data-test=${test}] li`)
    .evaluateAll(items => items.map(item => [...item.querySelectorAll('span')].map(span => span.textContent ?? '')));
  return texts.map(([word, share]) => [word!, Number(share!.replace('%', ''))]);
}

describe('text in the viewer', () => {
  let viewer: Viewer;
  let merged: Uint8Array;
  const ids = array('ids');
  const seq = ids.shape[1]!;
  // The first row is padded at its end, or whole: its first five tokens are kept either way.
  const first = Array.from(ids.data.slice(0, 5), Number);

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer();
    const inputs = { input_ids: ids, attention_mask: array('mask') };
    merged = await (await splice(pathOf('model.onnx'), pathOf('sae.onnx'), { tensor, steer: true, inputs })).bytes();
  });
  after(() => viewer?.close());

  it('shows the latents of each token and the prediction as PyTorch has them, and follows what is typed', async () => {
    const page = await viewer.page('');
    const json = { name: 'tokenizer.json', bytes: new TextEncoder().encode(JSON.stringify(tokenizer)) };
    await openFiles(page, { name: 'merged.onnx', bytes: merged }, json);
    await page.getByRole('heading', { name: 'Text', level: 1 }).waitFor();
    const field = page.getByLabel('Text', { exact: true });
    await field.fill(first.map(id => WORDS[id]).join(' '));
    await page.getByText('5 tokens').waitFor();

    const features = array('features').data;
    const logits = array('logits_sae').data;
    for (const at of [4, 2]) {
      await page.getByRole('region', { name: 'Tokens' }).getByRole('button').nth(at).click();
      const row = Array.from(features.slice(at * D_SAE, (at + 1) * D_SAE), Number);
      const firing = row.map((value, latent) => ({ latent, value })).filter(({ value }) => value > 0);
      firing.sort((a, b) => b.value - a.value);
      const shown = await page.locator('.text-latents li').allInnerTexts();
      expect(shown).to.have.length(firing.length);
      for (const [i, text] of shown.entries()) {
        const [latent, value] = text
          .split('\n')
          .map(part => part.trim())
          .filter(Boolean)
          .map(Number) as [number, number];
        expect(latent).to.equal(firing[i]!.latent);
        expect(value).to.be.closeTo(firing[i]!.value, 6e-4);
      }
      const expected = softmax(logits.slice(at * WORDS.length, (at + 1) * WORDS.length));
      const next = await sharesOf(page, 'next');
      expect(next).to.have.length(8);
      for (const [word, share] of next)
        expect(share / 100, word).to.be.closeTo(expected.get(word)!, 6e-4 * (1 + share));
      expect(next.map(([, share]) => share)).to.deep.equal(next.map(([, share]) => share).sort((a, b) => b - a));
    }
    // With everything on it: tokens in their colours, bars, a latent to steer.
    await page.locator('.text-latents button').first().click();
    await page.getByRole('slider', { name: /^Add to latent/ }).waitFor();
    await page.evaluate(await readFile(axeSource, 'utf8'));
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(300);
      const { violations } = (await page.evaluate('axe.run()')) as AxeResults;
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(serious.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`)).to.deep.equal([]);
    }
    // Live: one word fewer, one token fewer.
    await field.fill('ape bee cow');
    await page.getByText('3 tokens').waitFor();
    expect(viewer.problems).to.deep.equal([]);
    await page.context().close();
  });

  it('steers: what the page adds to a latent changes the prediction as ONNX Runtime in Node says', async () => {
    const page = await viewer.page('');
    await openFiles(page, { name: 'merged.onnx', bytes: merged });
    // Without a tokenizer the text is token ids.
    await page.getByText('No tokenizer is open').waitFor();
    await page.getByLabel('Token ids').fill(first.join(' '));
    await page.getByText('5 tokens').waitFor();
    const form = page.getByRole('form', { name: 'Steer a latent by number' });
    await form.getByLabel('Latent to steer').fill(String(LATENT));
    await form.getByRole('button', { name: 'Take it' }).click();
    const slider = page.getByRole('slider', { name: `Add to latent ${LATENT}` });
    await slider.focus();
    await page.keyboard.press('End');
    await page.locator('[data-test=steered] li').first().waitFor();
    const added = Number(await slider.inputValue());
    expect(added).to.be.greaterThan(1);

    await using host = await openHost(merged);
    const delta = new Float32Array(5 * D_SAE);
    for (let at = LATENT; at < delta.length; at += D_SAE) delta[at] = added;
    const { logits } = await host.run({
      input_ids: { data: first, shape: [1, 5] },
      features_delta: { data: delta, shape: [1, 5, D_SAE] },
    });
    const expected = softmax(Array.from(logits!.data as ArrayLike<number>).slice(4 * WORDS.length));
    const steered = await sharesOf(page, 'steered');
    for (const [id, share] of steered) {
      expect(share / 100, id).to.be.closeTo(expected.get(WORDS[Number(id)]!)!, 6e-4 * (1 + share));
    }
    expect(steered).not.to.deep.equal(await sharesOf(page, 'next'));
    await page.getByRole('button', { name: 'Let go' }).click();
    await page.locator('[data-test=steered]').waitFor({ state: 'detached' });
    // A word is no token id, and is told so.
    await page.getByLabel('Token ids').fill('1 lark');
    expect(await alertOf(page)).to.match(/"lark" is no token id/);
    expect(seq).to.be.greaterThan(5);
    await page.context().close();
  });

  it('can be used by keyboard alone: a text, its tokens, a latent to steer', async () => {
    const page = await viewer.page('');
    const json = { name: 'tokenizer.json', bytes: new TextEncoder().encode(JSON.stringify(tokenizer)) };
    await openFiles(page, { name: 'merged.onnx', bytes: merged }, json);
    await page.getByRole('heading', { name: 'Text', level: 1 }).waitFor();
    await tabTo(page, page.getByLabel('Text', { exact: true }));
    await page.keyboard.type('ape bee cow dog');
    await page.getByText('4 tokens').waitFor();
    const token = page.getByRole('region', { name: 'Tokens' }).getByRole('button').nth(1);
    await tabTo(page, token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /^Latents on “bee”/ }).waitFor();
    await tabTo(page, page.locator('.text-latents button').first());
    await page.keyboard.press('Enter');
    await tabTo(page, page.getByRole('slider', { name: /^Add to latent/ }));
    await page.keyboard.press('End');
    await page.locator('[data-test=steered] li').first().waitFor();
    expect(await walk(page)).to.deep.equal([]);
    await page.context().close();
  });

  it('opens from an address, and from a single file without a network, with the tokenizer beside the model', async () => {
    const files = {
      'merged.onnx': merged,
      'tokenizer.json': new TextEncoder().encode(JSON.stringify(tokenizer)),
    };
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    const server = await serveViewer({
      folder: DIST,
      files: await Promise.all(
        Object.entries(files).map(async ([name, bytes]) => {
          await writeFile(join(folder, name), bytes);
          return join(folder, name);
        }),
      ),
    });
    const context = await viewer.browser.newContext();
    const offline = await viewer.browser.newContext({ offline: true });
    try {
      const output = join(folder, 'page.html');
      await writeViewerPage(
        output,
        Object.keys(files).map(name => join(folder, name)),
        DIST,
      );
      for (const [from, address] of [
        [context, server.url],
        [offline, pathToFileURL(output).href],
      ] as const) {
        const page = await from.newPage();
        await page.goto(address);
        await page.getByRole('heading', { name: 'Text', level: 1 }).waitFor();
        await page.getByLabel('Text', { exact: true }).fill('ape bee cow');
        await page.getByText('3 tokens').waitFor();
      }
    } finally {
      await context.close();
      await offline.close();
      await server.close();
      await rm(folder, { recursive: true });
    }
  });

  it('says what the page needs where nothing is open', async () => {
    const page = await viewer.page('');
    await openView(page, 'Text');
    await page.getByText('Open a language model with an autoencoder inside it').waitFor();
    await page.context().close();
  });
});
