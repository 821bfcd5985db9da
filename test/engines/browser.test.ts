/** Training in a real browser: ONNX Runtime on WebAssembly (two threads) and on WebGPU, TensorFlow.js on WebGPU. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { type FolderServer, launchBrowser, serveFolder, skipWithoutBrowser } from '../support/browser.ts';
import type * as BrowserPage from './browser-page.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

async function bundledPage(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [path('browser-page.ts')],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    // The page is served the runtime's own files, and Dawn is for Node.
    external: ['webgpu'],
    conditions: ['onnxruntime-web-use-extern-wasm'],
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]!.contents;
}

describe('engines in a browser', () => {
  let browser: Browser;
  let server: FolderServer;
  let page: Page;

  before(async function () {
    skipWithoutBrowser(this);
    server = await serveFolder(path('../../node_modules/onnxruntime-web/dist'), {
      'index.html': '<!doctype html><title>engines</title>',
      'page.js': await bundledPage(),
    });
    browser = await launchBrowser({ webgpu: true });
    page = await browser.newPage();
    await page.goto(`${server.url}/`);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  it('has a page with WebGPU and shared memory', async () => {
    const found = await page.evaluate(() => ({ isolated: crossOriginIsolated, webgpu: navigator.gpu !== undefined }));
    expect(found).to.deep.equal({ isolated: true, webgpu: true });
  });

  for (const [engine, run] of [
    ['onnxruntime wasm', 'toy-model'],
    ['onnxruntime wasm', 'sae-topk'],
    ['onnxruntime webgpu', 'sae-topk'],
    ['webgpu', 'sae-topk'],
  ] as const) {
    it(`trains ${run} on ${engine} as PyTorch does`, async () => {
      const file: unknown = JSON.parse(readFileSync(path(`../reference/${run}.json`), 'utf8'));
      const checks = await page.evaluate(
        async ([engineName, contents]) => {
          const { train }: typeof BrowserPage = await import('/page.js' as string);
          return await train(engineName, contents);
        },
        [engine, file] as const,
      );
      expect(checks.filter(({ passed }) => !passed)).to.deep.equal([]);
      expect(checks.length).to.be.at.least(7);
    });
  }
});
