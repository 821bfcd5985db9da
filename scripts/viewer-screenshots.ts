/**
 * Takes the pictures of the viewer that the README shows (viewer/docs), from the built viewer in the bundled Chromium. The pages for
 * researchers show a synthetic dictionary: 512 features in 64 dimensions, the rarer the later, and an autoencoder that has them and as many
 * random directions. `example-ocr` shows what `npm run example` wrote before.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { createRandomSource } from '../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { readNpy, writeNpy } from '../src/files/npy.ts';
import { splice } from '../src/host/index.ts';
import { dropFiles, isIdle, openFiles, openView, startViewer } from '../test/viewer/built-viewer.ts';

const FOLDER = fileURLToPath(new URL('../viewer/docs/', import.meta.url));
const PAIR = '?model=star&model=sae-found';
const WIDE = '?model=toy-20-6&model=sae-20-6';

interface Shot {
  readonly name: string;
  readonly query: string;
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
  readonly prepare?: (page: Page) => Promise<void>;
}

const D_IN = 64;
const FEATURES = 512;
const ROWS = 20_000;
const WORDS = ['river', 'violin', 'tax', 'orbit', 'bread', 'verdict', 'moss', 'engine', 'sonnet', 'harbour'];

/** The dictionary, rows of it, and for each row the name of its strongest feature. */
function synthetic() {
  const random = createRandomSource(11);
  const directions = new Float32Array(2 * FEATURES * D_IN);
  for (let i = 0; i < 2 * FEATURES; i++) {
    const row = directions.subarray(i * D_IN, (i + 1) * D_IN);
    for (let d = 0; d < D_IN; d++) row[d] = random.normal();
    const norm = Math.hypot(...row);
    for (let d = 0; d < D_IN; d++) row[d]! /= norm;
  }
  const encoder = new Float32Array(D_IN * 2 * FEATURES);
  for (let i = 0; i < 2 * FEATURES; i++) {
    for (let d = 0; d < D_IN; d++) encoder[d * 2 * FEATURES + i] = directions[i * D_IN + d]!;
  }
  const rows = new Float32Array(ROWS * D_IN);
  const labels: string[] = [];
  for (let row = 0; row < ROWS; row++) {
    let [strongest, most] = [-1, 0];
    for (let feature = 0; feature < FEATURES; feature++) {
      if (random.float32() >= 0.12 * (1 + feature) ** -0.62) continue;
      const value = 0.4 + random.float32();
      if (value > most) [strongest, most] = [feature, value];
      for (let d = 0; d < D_IN; d++) rows[row * D_IN + d]! += value * directions[feature * D_IN + d]!;
    }
    const word = WORDS[strongest % WORDS.length]!;
    labels.push(strongest < 0 ? 'nothing' : `${word} ${Math.floor(strongest / WORDS.length) + 1}`);
  }
  const zeros = (size: number) => ({ data: new Float32Array(size), shape: [size] });
  const weights = {
    W_enc: { data: encoder, shape: [D_IN, 2 * FEATURES] },
    b_enc: { data: new Float32Array(2 * FEATURES).fill(-0.3), shape: [2 * FEATURES] },
    W_dec: { data: directions, shape: [2 * FEATURES, D_IN] },
    b_dec: zeros(D_IN),
  };
  const shape = { dIn: D_IN, dSae: 2 * FEATURES, dOut: D_IN };
  const options = { applyBDecToInput: true, normalizeActivations: 'none', transcoder: false } as const;
  const config = { hook_name: 'blocks.3.hook_resid_post', model_name: 'synthetic' };
  return [
    {
      name: 'dictionary.onnx',
      bytes: frozenSaeToOnnx({ architecture: 'topk', k: 4, ...shape, ...options, weights }, { config }),
    },
    { name: 'acts.npy', bytes: writeNpy({ data: rows, shape: [ROWS, D_IN] }) },
    { name: 'labels.txt', bytes: new TextEncoder().encode(labels.join('\n')) },
  ];
}

/** The tests' language model of twelve tokens with its autoencoder spliced in, and a tokenizer that gives each a word. */
async function languageModel() {
  const pathOf = (name: string) => fileURLToPath(new URL(`../test/host/language-model/${name}`, import.meta.url));
  const array = async (name: string) => readNpy(await readFile(pathOf(name)));
  const { tensor } = JSON.parse(await readFile(pathOf('scores.json'), 'utf8')) as { tensor: string };
  const inputs = { input_ids: await array('ids.npy'), attention_mask: await array('mask.npy') };
  const merged = await splice(pathOf('model.onnx'), pathOf('sae.onnx'), { tensor, steer: true, inputs });
  const words = ['ape', 'bee', 'cow', 'dog', 'eel', 'fox', 'gnu', 'hen', 'ibis', 'jay', 'kid', 'lark'];
  const vocab = Object.fromEntries(words.map((word, i) => [word, i]));
  const tokenizer = {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab, unk_token: 'ape' },
  };
  return [
    { name: 'merged.onnx', bytes: await merged.bytes() },
    { name: 'tokenizer.json', bytes: new TextEncoder().encode(JSON.stringify(tokenizer)) },
  ];
}

const files = synthetic();
const withRows = (view?: string, latent?: number) => async (page: Page) => {
  await openFiles(page, ...files);
  await page.getByRole('heading', { name: 'dictionary.onnx', level: 1 }).waitFor({ timeout: 120_000 });
  await page.locator('.tiles[data-done=true]').waitFor({ timeout: 240_000 });
  await page.getByRole('columnheader', { name: 'Density' }).getByRole('button').click();
  if (latent !== undefined) {
    await page.getByRole('form', { name: 'Go to a latent' }).getByLabel('Number of a latent').fill(String(latent));
    await page.keyboard.press('Enter');
  }
  if (view) await openView(page, view);
};

/** The pages of `npm run example`, on a latent that follows a letter. */
const EXAMPLE = fileURLToPath(new URL('../runs/example/', import.meta.url));
const withExample = async (page: Page) => {
  const names = await readdir(`${EXAMPLE}pages`);
  const given = names.map(async name => ({ name: `ocr/${name}`, bytes: await readFile(`${EXAMPLE}pages/${name}`) }));
  await dropFiles(page, ...(await Promise.all(given)));
  await page.locator('.tiles[data-done=true]').waitFor();
  await page.getByRole('form', { name: 'Go to a latent' }).getByLabel('Number of a latent').fill('604');
  await page.keyboard.press('Enter');
  await page.getByRole('list', { name: 'Top examples' }).waitFor();
};

const END = async (page: Page) => page.getByRole('slider', { name: 'Sparsity' }).fill('15');

const SHOTS: readonly Shot[] = [
  { name: 'story', query: '', height: 980, prepare: END },
  { name: 'story-dark', query: '', theme: 'dark', height: 980, prepare: END },
  { name: 'story-phone', query: '', width: 390, height: 1500, prepare: END },
  { name: 'read-back', query: '?view=story&scene=2', height: 960 },
  { name: 'two-seeds', query: '?view=story&scene=3', height: 1000 },
  { name: 'plane', query: '?model=star&model=sae-collapsed&view=plane&activations=-0.35,-0.75', height: 940 },
  { name: 'plane-projection', query: `${WIDE}&view=plane`, height: 1120 },
  { name: 'sample', query: `${PAIR}&view=sample&features=0.9,0,0.4,0,0&pins=1:0`, height: 760 },
  { name: 'matches', query: `${WIDE}&view=matches`, height: 960 },
  { name: 'history', query: '?model=star&model=sae-collapsed&view=training&position=0.8', height: 940 },
  { name: 'toy-model', query: `${PAIR}&view=toy`, height: 960 },
  { name: 'seeds', query: `${PAIR}&view=seeds`, height: 930 },
  { name: 'compare', query: `${PAIR}&with=sae-collapsed&view=compare`, height: 900 },
  { name: 'overview', query: '', height: 1180, prepare: withRows() },
  { name: 'overview-dark', query: '', theme: 'dark', height: 1180, prepare: withRows() },
  { name: 'latent', query: '', height: 1180, prepare: withRows(undefined, 21) },
  { name: 'latent-phone', query: '', width: 390, height: 1500, prepare: withRows(undefined, 21) },
  { name: 'example-ocr', query: '', height: 1100, prepare: withExample },
  { name: 'map', query: '', height: 900, prepare: withRows('Plane') },
];

await mkdir(FOLDER, { recursive: true });
const viewer = await startViewer();
const wanted = new Set(process.argv.slice(2));
try {
  for (const { name, query, theme = 'light', width = 1280, height = 900, prepare } of SHOTS) {
    if (wanted.size > 0 && !wanted.has(name)) continue;
    const page = await viewer.page(query, { colorScheme: theme, viewport: { width, height } });
    await prepare?.(page);
    await isIdle(page);
    await page.waitForTimeout(2500);
    await page.screenshot({ path: `${FOLDER}${name}.png` });
    await page.context().close();
    console.log(`viewer/docs/${name}.png`);
  }
  if (wanted.size === 0 || wanted.has('text')) {
    const page = await viewer.page('', { viewport: { width: 1280, height: 980 } });
    await openFiles(page, ...(await languageModel()));
    await page.getByLabel('Text', { exact: true }).fill('ape eel fox lark bee kid kid dog cow');
    await page.getByText('9 tokens').waitFor();
    await page.locator('.text-latents button').first().click();
    await page.getByRole('slider', { name: /^Add to latent/ }).focus();
    await page.keyboard.press('End');
    await page.locator('[data-test=steered]').waitFor();
    await page.evaluate(() => scrollTo({ top: 0 }));
    await page.screenshot({ path: `${FOLDER}text.png` });
    console.log('viewer/docs/text.png');
  }
  if (wanted.size === 0 || wanted.has('train')) {
    const page = await viewer.page(`${PAIR}&view=train`, { viewport: { width: 1280, height: 1000 } });
    await page.getByText('Autoencoder', { exact: true }).last().click();
    await page.getByLabel('How many seeds').fill('3');
    await page.getByLabel('Steps', { exact: true }).fill('3000');
    await page.getByRole('button', { name: 'Train', exact: true }).last().click();
    await page.getByRole('button', { name: /^seed 2 \d of 5/ }).waitFor({ timeout: 300_000 });
    await page.getByRole('button', { name: 'Download .onnx' }).waitFor({ timeout: 300_000 });
    await page.screenshot({ path: `${FOLDER}train.png` });
    console.log('viewer/docs/train.png');
  }
} finally {
  await viewer.close();
}
