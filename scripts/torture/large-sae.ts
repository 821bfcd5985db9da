/** A large SAE opened, run and closed ten times, in Node (here and in a worker) and in a page: memory ends where it was after the first. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { encodeModel } from '../../src/onnx/write.ts';
import { floats, node, weight } from '../../test/inference/contract-graphs.ts';
import { browserLacks, launchBrowser, serveFolder } from '../../test/support/browser.ts';
import type { Breach, Outcome, Torture } from './outcome.ts';

const ROUNDS = 10;
/** The MB by which memory may be larger after the last round than after the first. */
const GROWTH = 50;
const [D_IN, D_SAE] = [1024, 36_864];

const root = fileURLToPath(new URL('../../', import.meta.url));

/** An SAE of 302 MB. */
function largeSae(): Uint8Array {
  const values = (...shape: number[]) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    // No two pages of memory are alike, as the system could share equal ones.
    for (let i = 0, state = 1; i < data.length; i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      data[i] = state / 0x7fffffff - 0.5;
    }
    return { shape, data };
  };
  return encodeModel(
    {
      name: 'sae',
      nodes: [
        node('Gemm', ['activations', 'W_enc', 'b_enc'], ['pre']),
        node('Relu', ['pre'], ['features']),
        node('Gemm', ['features', 'W_dec', 'b_dec'], ['reconstruction']),
      ],
      initializers: [
        weight('W_enc', values(D_IN, D_SAE)),
        weight('b_enc', values(D_SAE)),
        weight('W_dec', values(D_SAE, D_IN)),
        weight('b_dec', values(D_IN)),
      ],
      inputs: [floats('activations', 'batch', D_IN)],
      outputs: [floats('reconstruction', 'batch', D_IN), floats('features', 'batch', D_SAE)],
    },
    { 'monosemantic.schema': '1', 'monosemantic.kind': 'sparse-autoencoder' },
  );
}

/** MB after each round, by a child whose memory is its own. */
function inNode(path: string, worker: boolean): Promise<number[]> {
  const script = fileURLToPath(new URL('large-sae-child.ts', import.meta.url));
  const child: ChildProcess = fork(script, [path, String(ROUNDS), String(worker)], {
    execArgv: ['--expose-gc', '--import', 'tsx'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', message => resolve(message as number[]));
    child.once('exit', (status, signal) => reject(new Error(`the process ended: ${signal ?? status}`)));
  });
}

/** Resident memory of the processes in which `browser` has its pages, in MB. */
async function pagesMemory(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  let kilobytes = 0;
  for (const { type, id } of processInfo) {
    if (type !== 'renderer') continue;
    const status = await readFile(`/proc/${id}/status`, 'utf8');
    kilobytes += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  }
  return Math.round(kilobytes / 1024);
}

async function inPage(folder: string): Promise<number[]> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'src/inference/browser.ts')],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    logLevel: 'error',
  });
  const wasm = 'ort-wasm-simd-threaded.asyncify.wasm';
  const server = await serveFolder(folder, {
    'index.html': '<!doctype html><title>large</title>',
    'inference.js': outputFiles[0]!.contents,
    [wasm]: await readFile(join(root, 'node_modules/onnxruntime-web/dist', wasm)),
  });
  const browser = await launchBrowser({ args: ['--js-flags=--expose-gc'] });
  try {
    const page = await browser.newPage();
    await page.goto(`${server.url}/`);
    const after: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await page.evaluate(
        async ([dIn]) => {
          const { loadSae } = await import('/inference.js' as string);
          const sae = await loadSae('/large.onnx', { provider: 'wasm' });
          await sae.forward(new Float32Array(16 * dIn!).fill(0.5), { shape: [16, dIn] });
          await sae.dispose();
        },
        [D_IN],
      );
      await page.evaluate(async () => {
        for (let i = 0; i < 5; i++) {
          (globalThis as unknown as { gc(): void }).gc();
          await new Promise(resolve => setTimeout(resolve, 200));
        }
      });
      after.push(await pagesMemory(browser));
    }
    return after;
  } finally {
    await browser.close();
    await server.close();
  }
}

/** The torture of a large SAE that is opened again and again. */
export const largeSaes: Torture = {
  name: 'large',
  share: 1,
  async run({ progress }) {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-large-'));
    const outcomes: Outcome[] = [];
    const path = join(folder, 'large.onnx');
    try {
      const bytes = largeSae();
      await writeFile(path, bytes);
      const places: [string, () => Promise<number[]>][] = [
        ['in Node', () => inNode(path, false)],
        ['in a worker of Node', () => inNode(path, true)],
        ...(browserLacks() === undefined
          ? ([['in a page', () => inPage(folder)]] as [string, () => Promise<number[]>][])
          : []),
      ];
      for (const [place, run] of places) {
        const breaches: Breach[] = [];
        const after = await run().catch((error: Error) => {
          breaches.push({ cause: place, problem: error.message });
          return [0];
        });
        const [first = 0, last = 0] = [after[0], after.at(-1)];
        if (last > first + GROWTH) breaches.push({ cause: place, problem: `memory after each round, MB: ${after}` });
        const size = Math.round(bytes.length / 1e6);
        outcomes.push({
          what: `an SAE of ${size} MB, ${place}`,
          cases: after.length,
          result: `${first} MB after the first, ${last} after the last`,
          breaches,
        });
        progress(`${place}: ${after.join(', ')} MB`);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    return outcomes;
  },
};
