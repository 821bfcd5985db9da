/** The viewer as it is built, in a real browser: for the tests of this folder. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { serveViewer } from '../../src/cli/serve-viewer.ts';
import { browserLacks, launchBrowser } from '../support/browser.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

export const DIST = join(root, 'viewer/dist');
export const MODELS = join(root, 'viewer/public/models');
export const SINGLE_FILE = join(DIST, 'monosemantic-viewer.html');

let building: Promise<void> | undefined;

/** Builds the site and the single file, once in a run of the tests. */
function build(): Promise<void> {
  building ??= (async () => {
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    const options = ['build', '-c', 'viewer/vite.config.ts', '--logLevel', 'error'];
    await run(process.execPath, [vite, ...options], { cwd: root });
    await run(process.execPath, [vite, ...options, '--mode', 'single'], { cwd: root });
  })();
  return building;
}

export interface Viewer {
  readonly browser: Browser;
  /** The server that ships; `url` is without a slash at the end. */
  readonly server: { readonly url: string };
  /** A fresh page at `query`, once its models are open. Errors that the page logs are collected in `problems`. */
  page(query?: string, options?: BrowserContextOptions): Promise<Page>;
  readonly problems: string[];
  close(): Promise<void>;
}

/** Why these tests cannot run here, or undefined. */
export { browserLacks };

/**
 * Builds, serves as `monosemantic view` does, and starts Chromium with WebGPU on SwiftShader. `files` are named to the server, the first
 * is at `/open/0/NAME`.
 */
export async function startViewer(files: Readonly<Record<string, Uint8Array>> = {}): Promise<Viewer> {
  await build();
  const named = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(named, name), bytes);
  const server = await serveViewer({ folder: DIST, files: Object.keys(files).map(name => join(named, name)) });
  const url = server.address.slice(0, -1);
  const browser = await launchBrowser({ webgpu: true });
  const problems: string[] = [];
  return {
    browser,
    server: { url },
    problems,
    async page(query = '', options = {}) {
      const context = await browser.newContext({ reducedMotion: 'reduce', acceptDownloads: true, ...options });
      const page = await context.newPage();
      page.on('pageerror', error => problems.push(error.message));
      page.on('console', message => {
        if (message.type() === 'error') problems.push(message.text());
      });
      await page.goto(`${url}/${query}`);
      await isIdle(page);
      return page;
    },
    async close() {
      await browser.close();
      await server.close();
      await rm(named, { recursive: true });
    },
  };
}

/** Waits until the list of models is there and nothing is being opened. */
export async function isIdle(page: Page): Promise<void> {
  await page.waitForFunction(
    () =>
      document.querySelectorAll('select option').length > 3 &&
      document.querySelector('.open-button')?.textContent?.trim() === 'Open model',
  );
}

/** Opens a view by its button. */
export async function openView(page: Page, title: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: title, exact: true }).click();
}

/** Gives files to the input that a person uses. */
export async function openFiles(page: Page, ...files: { name: string; bytes: Uint8Array }[]): Promise<void> {
  const payload = files.map(({ name, bytes }) => ({
    name,
    mimeType: 'application/octet-stream',
    buffer: Buffer.from(bytes),
  }));
  await page.getByLabel('Open model').setInputFiles(payload);
}

export interface Probe {
  readonly features?: readonly number[];
  readonly input: { readonly features?: readonly number[]; readonly activations?: readonly number[] };
  readonly hidden: readonly number[];
  readonly toyReconstruction?: readonly number[];
  readonly reconstruction?: readonly number[];
  readonly pinnedReconstruction?: readonly number[];
  readonly autoencoder?: { readonly name: string; readonly sha256: string };
}

/** The current probe, through the share dialog's own download. */
export async function probeOf(page: Page): Promise<Probe> {
  await page.getByRole('button', { name: 'Share' }).click();
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save probe as JSON' }).click();
  const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  try {
    const file = join(folder, 'probe.json');
    await (await downloading).saveAs(file);
    await page.getByRole('button', { name: 'Close' }).click();
    return JSON.parse(await readFile(file, 'utf8')) as Probe;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The text of the alert, once there is one. */
export async function alertOf(page: Page): Promise<string> {
  const alert = page.getByRole('alert');
  await alert.locator('span').first().waitFor();
  return (await alert.locator('span').first().innerText()).trim();
}
