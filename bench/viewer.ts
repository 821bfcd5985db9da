/**
 * `npm run bench:viewer`: how soon the page shows what a slider changed, in the bundled Chromium on WASM. From the input event to
 * the frame that is painted after the new bars are in the page: for the star (one frame is the aim) and for an autoencoder of
 * 16,384 latents on 512 activations (50 ms is the aim). Also how soon the page shows the story.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { createRandomSource } from '../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import type { HostTensor } from '../src/tensor.ts';
import { isIdle, startViewer } from '../test/viewer/built-viewer.ts';

const MOVES = 40;
const D_IN = 512;
const D_SAE = 16_384;

/** A TopK autoencoder with random weights. */
function wideSae(): Uint8Array {
  const random = createRandomSource(0);
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
  await story.getByText('5 of 5').first().waitFor();
  const told = performance.now() - started;
  await isIdle(story);
  console.log(
    `address to story, to open models:  ${told.toFixed(0)} ms, ${(performance.now() - started).toFixed(0)} ms`,
  );
  await context.close();

  const toy = await viewer.page('?model=star&model=sae-found&view=probe');
  await toy.waitForTimeout(1500);
  const small = await measure(toy, 'Feature 0', '[data-test=hidden-0]');
  console.log(`star, slider to bars:              median ${quantile(small, 0.5)} ms, 90% ${quantile(small, 0.9)} ms`);
  await toy.context().close();

  const file = join(folder, 'wide.onnx');
  await writeFile(file, wideSae());
  const wide = await viewer.page('?view=probe');
  const opening = performance.now();
  await wide.getByLabel('Open model').setInputFiles(file);
  await wide.getByRole('slider', { name: 'Activation 0', exact: true }).waitFor();
  await isIdle(wide);
  console.log(`${D_SAE} latents, file to probe:     ${(performance.now() - opening).toFixed(0)} ms`);
  await wide
    .getByText('Fires on', { exact: false })
    .first()
    .waitFor({ timeout: 1 })
    .catch(() => {});
  await wide.waitForTimeout(15_000);
  const large = await measure(wide, 'Activation 0', '[data-test=hidden-0]');
  console.log(`${D_SAE} latents, slider to bars:    median ${quantile(large, 0.5)} ms, 90% ${quantile(large, 0.9)} ms`);
  await wide.context().close();
} finally {
  await viewer.close();
  await rm(folder, { recursive: true });
}
