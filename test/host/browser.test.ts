/**
 * Merged models where browsers run them: onnxruntime-web's own files in Chromium, and a page with nothing of ours. The language model's
 * answers are PyTorch's (make_language_model.py), other graphs' what the same file gives in Node, which found-graphs.test.ts compares with NumPy.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { readNpy } from '../../src/files/index.ts';
import { type HostInputs, openHost, splice } from '../../src/host/index.ts';
import { loadSae } from '../../src/inference/node.ts';
import { type FolderServer, launchBrowser, serveFolder, skipWithoutBrowser } from '../support/browser.ts';
import { smallSae } from './small-sae.ts';

const RUNTIME = fileURLToPath(new URL('../../node_modules/onnxruntime-web/dist', import.meta.url));
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const read = (name: string) => readNpy(readFileSync(pathOf(`language-model/${name}.npy`)));
const SAE = pathOf('language-model/sae.onnx');
const LATENTS = 64;
const WIDTH = 24;

interface Packed {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

const packed = ({ data, shape }: { data: ArrayLike<number | bigint>; shape: readonly number[] }): Packed => ({
  data: Array.from<number | bigint, number>(data, Number),
  shape,
});

/** Runs in the page: a file and its inputs, as onnxruntime-web's documentation has it. Caches that are not given begin empty. */
async function runInPage({ url, inputs }: { url: string; inputs: Record<string, Packed> }) {
  const runtime = '/ort.wasm.min.mjs';
  const ort: typeof import('onnxruntime-web') = await import(runtime);
  ort.env.wasm.wasmPaths = '/';
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(url);
  const arrays = { float32: Float32Array, float64: Float64Array, float16: Uint16Array };
  const feeds: Record<string, InstanceType<typeof ort.Tensor>> = {};
  const batch = Object.values(inputs)[0]!.shape[0]!;
  for (const metadata of session.inputMetadata) {
    if (!metadata.isTensor) throw new Error(`${metadata.name} is no tensor`);
    const { name, type } = metadata;
    const { data, shape } = inputs[name] ?? {
      data: [],
      shape: metadata.shape.map((size, axis) => (typeof size === 'number' ? size : axis === 0 ? batch : 0)),
    };
    feeds[name] =
      type === 'int64'
        ? new ort.Tensor(type, BigInt64Array.from(data, BigInt), shape)
        : new ort.Tensor(type as 'float32', (arrays[type as 'float32'] ?? Float32Array).from(data), shape);
  }
  const outputs = await session.run(feeds);
  await session.release();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { dims, data }]) => [
      name,
      { shape: dims, data: Array.from(data as Float32Array, Number) },
    ]),
  ) as Record<string, Packed>;
}

describe('merged models in a browser', () => {
  let browser: Browser;
  let folder: string;
  let server: FolderServer;
  let page: Page;
  before(async function () {
    skipWithoutBrowser(this);
    folder = mkdtempSync(join(tmpdir(), 'merged-'));
    server = await serveFolder(folder, { 'index.html': '<!doctype html><title>merged models</title>' }, [RUNTIME]);
    browser = await launchBrowser();
    page = await browser.newPage();
    await page.goto(`${server.url}/`);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  let written = 0;
  /** Writes the merged model and runs it in the page. */
  async function merged(
    host: string,
    sae: string | Uint8Array,
    options: Parameters<typeof splice>[2],
    inputs: HostInputs,
  ): Promise<Record<string, Packed>> {
    const name = `${written++}.onnx`;
    await (await splice(host, sae, options)).write(join(folder, name));
    return runAt(name, inputs);
  }
  const runAt = (name: string, inputs: HostInputs) =>
    page.evaluate(runInPage, {
      url: `${server.url}/${name}`,
      inputs: Object.fromEntries(Object.entries(inputs).map(([input, value]) => [input, packed(value)])),
    });

  function expectNear(actual: Packed, expected: Packed, tolerance: number): void {
    expect([...actual.shape]).to.deep.equal([...expected.shape]);
    let worst = 0;
    for (const [i, value] of expected.data.entries()) worst = Math.max(worst, Math.abs(value - actual.data[i]!));
    expect(worst).to.be.below(tolerance);
  }

  describe('a language model', () => {
    const [ids, mask] = [read('ids'), read('mask')];
    const inputs = { input_ids: ids, attention_mask: mask };
    const [samples = 0, seq = 0] = ids.shape;
    const { tensor } = JSON.parse(readFileSync(pathOf('language-model/scores.json'), 'utf8')) as { tensor: string };
    const kept = Array.from(mask.data, (flag, at) => (flag ? at : -1)).filter(at => at >= 0);
    /** Rows of positions that count. */
    const rows = ({ data, shape }: Packed): Packed => {
      const width = shape.at(-1)!;
      return {
        shape: [kept.length, width],
        data: kept.flatMap(at => data.slice(at * width, (at + 1) * width)),
      };
    };
    const delta = (value: number, latent: number) => {
      const data = new Float32Array(samples * seq * LATENTS);
      for (let row = 0; row < samples * seq; row++) data[row * LATENTS + latent] = value;
      return { data, shape: [samples, seq, LATENTS] };
    };

    for (const file of ['model', 'fused']) {
      const host = pathOf(`language-model/${file}.onnx`);

      it(`${file}.onnx: PyTorch's logits and features`, async () => {
        const outputs = await merged(host, SAE, { tensor }, inputs);
        expectNear(rows(outputs['logits']!), rows(packed(read('logits_sae'))), 1e-4);
        expectNear(rows(outputs['features']!), packed(read('features')), 1e-4);
      });

      it(`${file}.onnx, steered: none changes nothing, one latent what decoding by hand changes`, async () => {
        const options = { tensor, steer: true };
        const none = await merged(host, SAE, options, { ...inputs, features_delta: delta(0, 0) });
        expectNear(rows(none['logits']!), rows(packed(read('logits_sae'))), 1e-4);

        const changed = await runAt(`${written - 1}.onnx`, { ...inputs, features_delta: delta(2.5, 20) });
        await using own = await openHost(host);
        await using sae = await loadSae(SAE);
        const { [tensor]: given } = await own.run(inputs, { outputs: [tensor] });
        const { reconstruction } = await sae.forward({ data: given!.data as Float32Array, shape: given!.shape });
        const directions = await sae.featureDirections();
        const data = Float32Array.from(given!.data, (value, at) =>
          mask.data[Math.floor(at / WIDTH)] === 0
            ? value
            : reconstruction.data[at]! + 2.5 * directions.data[20 * WIDTH + (at % WIDTH)]!,
        );
        const expected = await own.run(inputs, { replace: { [tensor]: { data, shape: given!.shape } } });
        expectNear(changed['logits']!, packed(expected['logits']!), 1e-4);
      });
    }

    it('padded positions keep their activations, with a mask alone', async () => {
      const host = pathOf('language-model/model.onnx');
      const last = '/b1/Add_3_output_0';
      const masked = await merged(host, smallSae(WIDTH, 32).bytes, { tensor: last }, inputs);
      const unmasked = await merged(host, smallSae(WIDTH, 32).bytes, { tensor: last, mask: false }, inputs);
      await using own = await openHost(host);
      const { logits } = await own.run(inputs);
      const padded = (outputs: Record<string, Packed>) =>
        outputs['logits']!.data.filter((_, i) => mask.data[Math.floor(i / logits!.shape[2]!)] === 0);
      const given = padded({ logits: packed(logits!) });
      expectNear({ shape: [], data: padded(masked) }, { shape: [], data: given }, 1e-4);
      expect(Math.max(...padded(unmasked).map((value, i) => Math.abs(value - given[i]!)))).to.be.above(0.1);
    });
  });

  for (const [name, tolerance] of [
    ['cached-int4', 1e-3],
    ['branch', 1e-4],
    ['quantised', 1e-4],
    ['half', 2e-2],
    ['embed-norm', 1e-4],
    ['image', 1e-4],
    ['double', 1e-4],
  ] as const) {
    it(`${name}: the outputs of Node`, async () => {
      const { tensor, inputs, activations } = JSON.parse(readFileSync(pathOf(`hosts/${name}.json`), 'utf8')) as {
        tensor: string;
        inputs: Record<string, Packed>;
        activations: Packed;
      };
      const channelsAxis = name === 'image' ? 1 : undefined;
      const width = activations.shape[channelsAxis ?? activations.shape.length - 1]!;
      const sae = smallSae(width, 2 * width, 3).bytes;
      const outputs = await merged(pathOf(`hosts/${name}.onnx`), sae, { tensor, channelsAxis, inputs }, inputs);
      await using own = await openHost(join(folder, `${written - 1}.onnx`));
      const expected = await own.run(inputs);
      expect(Object.keys(outputs)).to.include('features');
      for (const [output, value] of Object.entries(expected)) expectNear(outputs[output]!, packed(value), tolerance);
    });
  }
});
