/**
 * `npm run bench:viewer [-- ROWS]`: the page on an autoencoder of 16,384 latents on 512 activations with ROWS rows (default 50,000), in the
 * bundled Chromium on WASM. Prints how soon the overview stands on a sample and on all rows, and medians of: going to a latent, a
 * slider (from the input event to the frame after the text changed), the longest task of the main thread after the first paint, memory at
 * its most and at the end. Then the comparison with another autoencoder of that size.
 */
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { createRandomSource } from '../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { npyHeader } from '../src/files/npy.ts';
import type { HostTensor } from '../src/tensor.ts';
import { isIdle, openView, startViewer, type Viewer } from '../test/viewer/built-viewer.ts';

const MOVES = 40;
const D_IN = 512;
const D_SAE = 16_384;

/** A TopK autoencoder with random weights. */
function wideSae(seed: number): Uint8Array {
  const random = createRandomSource(seed);
  const tensor = (shape: number[], scale: number): HostTensor => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (random.float32() - 0.5) * scale),
  });
  const weights = {
    W_enc: tensor([D_IN, D_SAE], 0.15),
    b_enc: tensor([D_SAE], 0.01),
    W_dec: tensor([D_SAE, D_IN], 0.15),
    b_dec: tensor([D_IN], 0.01),
  };
  const options = { applyBDecToInput: true, normalizeActivations: 'none', transcoder: false } as const;
  return frozenSaeToOnnx({ architecture: 'topk', k: 32, dIn: D_IN, dSae: D_SAE, dOut: D_IN, ...options, weights });
}

/** Milliseconds from each input event to the frame after the text of `watched` has changed. */
async function measure(page: Page, slider: string, watched: string): Promise<number[]> {
  return (await page.evaluate(`(async () => {
    const slider = document.querySelector('input[aria-label="${slider}"]');
    const text = () => document.querySelector('${watched}').textContent;
    const frame = () => new Promise(requestAnimationFrame);
    const times = [];
    const [min, max] = [Number(slider.min), Number(slider.max)];
    for (let move = 0; move < ${MOVES}; move++) {
      await frame();
      await frame();
      const before = text();
      const start = performance.now();
      slider.value = String(min + (max - min) * (0.15 + 0.7 * ((move * 7) % 19) / 19));
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      while (text() === before) {
        if (performance.now() - start > 2000) break;
        await frame();
      }
      times.push(performance.now() - start);
    }
    return times;
  })()`)) as number[];
}

const quantile = (values: readonly number[], share: number): string =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!.toFixed(1);

/** Random rows as a .npy file, written in pieces. */
async function writeRows(path: string, rows: number): Promise<void> {
  const random = createRandomSource(1);
  const file = await open(path, 'w');
  try {
    await file.write(npyHeader([rows, D_IN], 'float32'));
    // The same 1,000 rows, each scaled anew: drawing all of them would take longer than running them.
    const block = Float32Array.from({ length: 1000 * D_IN }, () => random.normal());
    for (let done = 0; done < rows; done += 1000) {
      const count = Math.min(1000, rows - done);
      const scale = 0.5 + random.float32();
      const scaled = block.subarray(0, count * D_IN).map(value => value * scale);
      await file.write(new Uint8Array(scaled.buffer));
    }
  } finally {
    await file.close();
  }
}

/** Megabytes of the browser's processes, shared pages counted once (PSS). */
async function memory(browser: Viewer['browser']): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = (await session.send('SystemInfo.getProcessInfo')) as { processInfo: { id: number }[] };
  await session.detach();
  let total = 0;
  for (const { id } of processInfo) {
    const text = await readFile(`/proc/${id}/smaps_rollup`, 'utf8').catch(() => '');
    total += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
  }
  return total;
}

const rows = Number(process.argv[2] ?? 50_000);
const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
const viewer = await startViewer();
try {
  console.log(
    `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores; Chromium ${viewer.browser.version()}, WASM`,
  );
  const context = await viewer.browser.newContext({ reducedMotion: 'reduce' });
  const story = await context.newPage();
  const started = performance.now();
  await story.goto(viewer.url);
  await story.getByText('2 of 5').first().waitFor();
  const told = performance.now() - started;
  await isIdle(story);
  console.log(
    `address to story, to open models:     ${told.toFixed(0)} ms, ${(performance.now() - started).toFixed(0)} ms`,
  );
  await context.close();

  const toy = await viewer.page('?model=star&model=sae-found&view=sample');
  await toy.locator('[data-test=hidden-0]').waitFor();
  const small = await measure(toy, 'Feature 0', '[data-test=hidden-0]');
  console.log(
    `star, slider to bars:                 median ${quantile(small, 0.5)} ms, 90% ${quantile(small, 0.9)} ms`,
  );
  await toy.context().close();

  const model = join(folder, 'wide.onnx');
  const acts = join(folder, 'acts.npy');
  await writeFile(model, wideSae(0));
  const second = join(folder, 'second.onnx');
  await writeFile(second, wideSae(1));
  await writeRows(acts, rows);
  const page = await viewer.page('');
  let most = 0;
  const watching = setInterval(async () => {
    most = Math.max(most, await memory(viewer.browser).catch(() => 0));
  }, 1000);
  await page.evaluate(`
    globalThis.tasks_ = [];
    new PerformanceObserver(list => tasks_.push(...list.getEntries())).observe({ type: 'longtask' });
  `);
  const phases: { readonly name: string; readonly from: number }[] = [];
  const begin = async (name: string): Promise<void> => {
    phases.push({ name, from: (await page.evaluate('performance.now()')) as number });
  };
  /** The longest task of the page's thread since `name` began, and what was going on; tasks of 50 ms at most are not reported. */
  const longestTask = async (name: string): Promise<string> => {
    const since = phases.find(phase => phase.name === name)!.from;
    const tasks = (await page.evaluate('tasks_.map(({ startTime, duration }) => ({ startTime, duration }))')) as {
      readonly startTime: number;
      readonly duration: number;
    }[];
    const longest = tasks.filter(({ startTime }) => startTime >= since).sort((a, b) => b.duration - a.duration)[0];
    if (!longest) return 'under 50 ms';
    return `${longest.duration} ms, ${phases.findLast(({ from }) => from <= longest.startTime)?.name}`;
  };
  const seconds = (from: number): string => ((performance.now() - from) / 1000).toFixed(1);
  await begin('opening');
  const opening = performance.now();
  await page.getByLabel('Open files', { exact: true }).setInputFiles(model);
  await page.getByRole('heading', { name: 'wide.onnx', level: 1 }).waitFor({ timeout: 120_000 });
  console.log(`${D_SAE} latents, file to overview:     ${seconds(opening)} s`);
  await begin('the first rows');
  const running = performance.now();
  await page.getByLabel('Open files', { exact: true }).setInputFiles(acts);
  await page.locator('.tiles').waitFor({ timeout: 300_000 });
  console.log(`overview from a sample:               ${seconds(running)} s`);
  await begin('the slider while rows run');
  await openView(page, 'Sample');
  await page.locator('[data-test=hidden-0]').waitFor();
  const busy = await measure(page, 'Activation 0', '[data-test=hidden-0]');
  console.log(`slider while rows run:                median ${quantile(busy, 0.5)} ms, 90% ${quantile(busy, 0.9)} ms`);
  await begin('all rows');
  await openView(page, 'Overview');
  await page.locator('.tiles[data-done=true]').waitFor({ timeout: 600_000 });
  console.log(`all ${rows} rows:                      ${seconds(running)} s, the slider's turns among them`);
  await begin('going to latents');
  const goes: number[] = [];
  for (let i = 0; i < 25; i++) {
    const latent = (i * 641) % D_SAE;
    goes.push(
      (await page.evaluate(async wanted => {
        const frame = () => new Promise(requestAnimationFrame);
        const form = document.querySelector('form[aria-label="Go to a latent"]') as HTMLFormElement;
        const input = form.querySelector('input')!;
        input.value = String(wanted);
        input.dispatchEvent(new Event('input', { bubbles: true }));
        await frame();
        const start = performance.now();
        form.requestSubmit();
        const title = () => document.querySelector('h1')?.textContent?.trim();
        while (title() !== `Latent ${wanted}` || !document.querySelector('[data-test=fires-on]')) {
          if (performance.now() - start > 5000) break;
          await frame();
        }
        return performance.now() - start;
      }, latent)) as number,
    );
  }
  console.log(`go to latent:                         median ${quantile(goes, 0.5)} ms, 90% ${quantile(goes, 0.9)} ms`);
  await begin('the slider');
  await openView(page, 'Sample');
  await page.locator('[data-test=hidden-0]').waitFor();
  const idle = await measure(page, 'Activation 0', '[data-test=hidden-0]');
  console.log(`slider:                               median ${quantile(idle, 0.5)} ms, 90% ${quantile(idle, 0.9)} ms`);
  console.log(`longest task of the main thread:      ${await longestTask('opening')}`);
  const now = await memory(viewer.browser);
  console.log(`memory of the browser:                ${now.toFixed(0)} MB, at most ${most.toFixed(0)} MB`);

  await openView(page, 'Overview');
  await page.getByLabel('Open files', { exact: true }).setInputFiles(second);
  await page.getByRole('heading', { name: 'second.onnx', level: 1 }).waitFor({ timeout: 120_000 });
  await page.locator('.tiles[data-done=true]').waitFor({ timeout: 600_000 });
  most = 0;
  await begin('comparing');
  const comparing = performance.now();
  await openView(page, 'Compare');
  await page.getByLabel('Compare with').selectOption({ label: 'wide.onnx' });
  await page.locator('[data-test=shared]').waitFor({ timeout: 600_000 });
  console.log(`${D_SAE} latents compared with as many:  ${seconds(comparing)} s`);
  console.log(`longest task of the main thread:      ${await longestTask('comparing')}`);
  console.log(`memory of the browser, at most:       ${most.toFixed(0)} MB`);
  clearInterval(watching);
  await page.context().close();
} finally {
  await viewer.close();
  await rm(folder, { recursive: true });
}
