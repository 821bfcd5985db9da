/** Inference in a real browser: Chromium, its WebGPU on SwiftShader; pages and files come from this process and nowhere else. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import type * as Inference from '../../src/inference/browser.ts';
import { type BundledChromium, unpackChromium } from '../support/bundled-chromium.ts';
import { expectClose } from './close-to.ts';
import { reference, reluSae, tensor, topKSae } from './contract-graphs.ts';

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** As a build would: each entry and all that it needs in one file. */
async function bundle(entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [root(`src/inference/${entry}`)],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]!.contents;
}

async function serve(
  files: ReadonlyMap<string, () => Uint8Array | Promise<Uint8Array>>,
): Promise<{ server: Server; requests: string[] }> {
  const requests: string[] = [];
  const types: Record<string, string> = {
    html: 'text/html',
    wasm: 'application/wasm',
    onnx: 'application/octet-stream',
  };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url!, 'http://localhost').pathname;
    requests.push(path);
    const file = files.get(path);
    response.writeHead(file ? 200 : 404, { 'content-type': types[path.split('.').pop()!] ?? 'text/javascript' });
    response.end(file ? await file() : undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, requests };
}

describe('inference in a browser', () => {
  let chrome: BundledChromium;
  let browser: Browser;
  let page: Page;
  let server: Server;
  const foreignRequests: string[] = [];

  before(async function () {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      console.log('      skipped: the bundled Chromium is for Linux on x64');
      this.skip();
    }
    chrome = await unpackChromium();
    const [main, worker] = await Promise.all([bundle('browser.ts'), bundle('browser-worker.ts')]);
    const wasm = () => readFile(root('node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm'));
    const served = await serve(
      new Map<string, () => Uint8Array | Promise<Uint8Array>>([
        ['/', () => new TextEncoder().encode('<!doctype html><title>inference</title>')],
        ['/inference.js', () => main],
        ['/browser-worker.ts', () => worker],
        ['/ort-wasm-simd-threaded.asyncify.wasm', wasm],
        ['/elsewhere/ort-wasm-simd-threaded.asyncify.wasm', wasm],
        ['/topk.onnx', () => topKSae()],
        ['/relu.onnx', () => reluSae()],
      ]),
    );
    server = served.server;
    browser = await chromium.launch({
      executablePath: chrome.executable,
      args: [
        '--no-sandbox',
        '--enable-unsafe-webgpu',
        '--use-webgpu-adapter=swiftshader',
        '--enable-features=Vulkan',
        '--use-vulkan=swiftshader',
      ],
      env: { ...process.env, FONTCONFIG_PATH: chrome.fonts, LD_LIBRARY_PATH: chrome.folder } as Record<string, string>,
    });
    page = await browser.newPage();
    const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    page.on('request', request => {
      if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url()))
        foreignRequests.push(request.url());
    });
    await page.goto(`${origin}/`);
  });

  after(async () => {
    await browser?.close();
    server?.close();
  });

  // What runs in the page stays free of what tsx would rewrite: named functions and `using`.
  const activations = reference('sae-topk').inputs['batches']?.[0] as unknown as number[][];
  const cases = [
    { provider: 'wasm', worker: false, tolerance: 1e-5 },
    { provider: 'wasm', worker: true, tolerance: 1e-5 },
    { provider: 'webgpu', worker: false, tolerance: 1e-4 },
    { provider: 'webgpu', worker: true, tolerance: 1e-4 },
  ] as const;
  for (const { provider, worker, tolerance } of cases) {
    it(`agrees with PyTorch: ${provider}${worker ? ' in a worker' : ''}`, async () => {
      const answer = await page.evaluate(
        async ([x, options]) => {
          const { loadSae }: typeof Inference = await import('/inference.js' as string);
          const sae = await loadSae('/topk.onnx', options);
          const dense = await sae.encode(x);
          const sparse = await sae.encode(x, { sparse: true });
          const decoded = await sae.decode(sparse);
          const together = await Promise.all([1, 2, 3, 4].map(() => sae.forward(x)));
          const directions = await sae.featureDirections();
          await sae.dispose();
          return {
            provider: sae.provider,
            dense: [...dense.data],
            decoded: [...decoded.data],
            together: together.map(({ reconstruction }) => [...reconstruction.data]),
            fired: sparse.values.length,
            directions: directions.shape,
          };
        },
        [activations, { provider, worker }] as const,
      );
      const { features, reconstruction } = reference('sae-topk').expected;
      expect(answer.provider).to.equal(provider);
      expectClose({ data: Float32Array.from(answer.dense), shape: [12, 10] }, tensor(features), tolerance);
      for (const values of [answer.decoded, ...answer.together]) {
        expectClose({ data: Float32Array.from(values), shape: [12, 4] }, tensor(reconstruction), tolerance);
      }
      expect(answer.fired).to.equal(36);
      expect(answer.directions).to.deep.equal([10, 4]);
    });
  }

  it('takes bytes, a Blob and a File, and says which provider auto took', async () => {
    const answers = await page.evaluate(async () => {
      const { loadSae, inspectModel }: typeof Inference = await import('/inference.js' as string);
      const bytes = new Uint8Array(await (await fetch('/relu.onnx')).arrayBuffer());
      const results: (string | number)[] = [];
      for (const source of [
        bytes,
        bytes.buffer,
        new Blob([bytes]),
        new File([bytes], 'relu.onnx'),
        new URL('/relu.onnx', location.href),
      ]) {
        // `auto` once: starting WebGPU on SwiftShader takes a second.
        const provider = source === bytes ? 'auto' : 'wasm';
        const sae = await loadSae(source, { worker: source instanceof File, provider });
        results.push(sae.provider, sae.dSae);
        await sae.dispose();
      }
      const { parameterCount } = await inspectModel(bytes);
      return [...results, parameterCount];
    });
    expect(answers).to.deep.equal(['webgpu', 10, ...new Array(4).fill(['wasm', 10]).flat(), 94]);
  });

  it('gives typed errors, from a worker too', async () => {
    const errors = await page.evaluate(async () => {
      const { loadSae, FileFormatError }: typeof Inference = await import('/inference.js' as string);
      const errors: { isTyped: boolean; message: string }[] = [];
      for (const worker of [false, true]) {
        const error = await loadSae('/missing.onnx', { worker }).catch((error: Error) => error);
        errors.push({ isTyped: error instanceof FileFormatError, message: (error as Error).message });
      }
      return errors;
    });
    for (const { isTyped, message } of errors) {
      expect(isTyped).to.equal(true);
      expect(message).to.match(/^http:.*missing\.onnx: cannot be fetched: HTTP 404/);
    }
  });

  it('takes the wasm files from where it is told', async () => {
    const other = await browser.newPage();
    const requested: string[] = [];
    other.on('request', request => requested.push(new URL(request.url()).pathname));
    await other.goto(page.url());
    const provider = await other.evaluate(async () => {
      const { loadSae }: typeof Inference = await import('/inference.js' as string);
      return (
        await loadSae('/relu.onnx', {
          provider: 'wasm',
          wasmPaths: { wasm: '/elsewhere/ort-wasm-simd-threaded.asyncify.wasm' },
        })
      ).provider;
    });
    await other.close();
    expect(provider).to.equal('wasm');
    expect(requested).to.include('/elsewhere/ort-wasm-simd-threaded.asyncify.wasm');
  });

  it('asked no other server for anything', () => {
    expect(foreignRequests).to.deep.equal([]);
  });
});
