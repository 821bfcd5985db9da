/** The viewer as it is built, on the server that ships, in a real browser: for the tests of this folder. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { serveViewer, type ViewerServer } from '../../src/cli/serve-viewer.ts';
import { launchBrowser, skipWithoutBrowser } from '../support/browser.ts';
import { once } from '../support/once.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

export const DIST = join(root, 'viewer/dist');
export const MODELS = join(root, 'viewer/public/models');
export const SINGLE_FILE = join(DIST, 'monosemantic-viewer.html');

/** Builds the site and the single file, once in a run of the tests; not where MONOSEMANTIC_VIEWER_BUILT says that they stand. */
export async function buildViewer(): Promise<void> {
  if (process.env['MONOSEMANTIC_VIEWER_BUILT']) return;
  await once('viewer', async () => {
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    const options = ['build', '-c', 'viewer/vite.config.ts', '--logLevel', 'error'];
    await run(process.execPath, [vite, ...options], { cwd: root });
    await run(process.execPath, [vite, ...options, '--mode', 'single'], { cwd: root });
  });
}

export interface Viewer {
  readonly browser: Browser;
  /** Where the page is, with a slash at the end. */
  readonly url: string;
  /** The same without it. */
  readonly server: { readonly url: string };
  /** Where a file that was given to `startViewer` is served. */
  addressOf(name: string): string;
  /** A fresh page at `query`, or at another address, once its models are open. Errors that the page logs are collected in `problems`. */
  page(query?: string, options?: BrowserContextOptions): Promise<Page>;
  readonly problems: string[];
  close(): Promise<void>;
}

export { skipWithoutBrowser };

/** Builds, starts the real server with `files` beside the page, and Chromium with WebGPU on SwiftShader. */
export async function startViewer(files: Readonly<Record<string, Uint8Array>> = {}): Promise<Viewer> {
  await buildViewer();
  const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  const paths: string[] = [];
  for (const [name, bytes] of Object.entries(files)) {
    paths.push(join(folder, name));
    await writeFile(join(folder, name), bytes);
  }
  const server: ViewerServer = await serveViewer({ folder: DIST, files: paths });
  const address = new URL(server.url);
  const browser = await launchBrowser({ webgpu: true });
  const problems: string[] = [];
  return {
    browser,
    url: `${address.origin}/`,
    server: { url: address.origin },
    addressOf(name) {
      const found = address.searchParams.getAll('model').find(path => path.endsWith(`/${name}`));
      if (!found) throw new Error(`${name} is not served`);
      return found;
    },
    problems,
    async page(query = '', options = {}) {
      const context = await browser.newContext({ reducedMotion: 'reduce', acceptDownloads: true, ...options });
      // tsx names the functions that it compiles; a page has no such helper.
      await context.addInitScript('globalThis.__name = given => given;');
      const page = await context.newPage();
      page.on('pageerror', error => problems.push(error.message));
      page.on('console', message => {
        if (message.type() === 'error') problems.push(message.text());
      });
      await page.goto(new URL(query, `${address.origin}/`).href);
      await isIdle(page);
      return page;
    },
    async close() {
      await browser.close();
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Waits until the list of models is there and nothing is being opened. */
export async function isIdle(page: Page): Promise<void> {
  await page.waitForFunction(
    () =>
      document.querySelectorAll('select option').length > 3 &&
      document.querySelector('.open-button')?.textContent?.trim() === 'Open files',
  );
}

/** Opens a view by its button. */
export async function openView(page: Page, title: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: title, exact: true }).click();
}

export interface GivenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Gives files to the input that a person uses. */
export async function openFiles(page: Page, ...files: GivenFile[]): Promise<void> {
  const payload = files.map(({ name, bytes }) => ({
    name,
    mimeType: 'application/octet-stream',
    buffer: Buffer.from(bytes),
  }));
  await page.getByLabel('Open files', { exact: true }).setInputFiles(payload);
}

/** Drops files as a browser does; those with a folder in their name are in it. */
export async function dropFiles(page: Page, ...files: GivenFile[]): Promise<void> {
  const given = files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString('base64') }));
  await page.evaluate(list => {
    interface Entry {
      isFile: boolean;
      fullPath: string;
      file?: (done: (file: File) => void) => void;
      createReader?: () => { readEntries: (done: (entries: Entry[]) => void) => void };
    }
    const folder = (path: string): Entry & { children: Entry[] } => {
      const children: Entry[] = [];
      return {
        isFile: false,
        fullPath: path,
        children,
        createReader: () => {
          let left = children;
          return {
            readEntries: done => {
              done(left);
              left = [];
            },
          };
        },
      };
    };
    const roots: Entry[] = [];
    const folders = new Map<string, ReturnType<typeof folder>>();
    for (const { name, base64 } of list) {
      const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
      const parts = name.split('/');
      const entry: Entry = {
        isFile: true,
        fullPath: `/${name}`,
        file: done => done(new File([bytes], parts.at(-1)!)),
      };
      let inside = roots;
      for (let i = 1; i < parts.length; i++) {
        const path = `/${parts.slice(0, i).join('/')}`;
        let found = folders.get(path);
        if (!found) {
          found = folder(path);
          folders.set(path, found);
          inside.push(found);
        }
        inside = found.children;
      }
      inside.push(entry);
    }
    const event = new DragEvent('drop', { bubbles: true, cancelable: true });
    const items = roots.map(entry => ({ webkitGetAsEntry: () => entry }));
    Object.defineProperty(event, 'dataTransfer', { value: { items, files: [], types: ['Files'] } });
    dispatchEvent(event);
  }, given);
}

/** The name of the autoencoder in view. */
export const autoencoderOf = (page: Page): Promise<string> =>
  page.getByLabel('Autoencoder', { exact: true }).locator('option:checked').innerText();

export interface Probe {
  readonly features?: readonly number[];
  readonly input: { readonly features?: readonly number[]; readonly activations?: readonly number[] };
  readonly hidden: readonly number[];
  readonly toyReconstruction?: readonly number[];
  readonly reconstruction?: readonly number[];
  readonly pinnedReconstruction?: readonly number[];
  readonly toyThroughSae?: readonly number[];
  readonly toyWithPins?: readonly number[];
  readonly autoencoder?: { readonly name: string; readonly sha256: string };
}

/** What a click downloads, as text. */
export async function downloaded(page: Page, click: () => Promise<void>): Promise<string> {
  const downloading = page.waitForEvent('download');
  await click();
  return readFile(await (await downloading).path(), 'utf8');
}

/** The current probe, through the share dialog's own download. */
export async function probeOf(page: Page): Promise<Probe> {
  await page.getByRole('button', { name: 'Share' }).click();
  const text = await downloaded(page, () => page.getByRole('button', { name: 'Save probe as JSON' }).click());
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  return JSON.parse(text) as Probe;
}

/** The text of the alert, once there is one. */
export async function alertOf(page: Page): Promise<string> {
  const alert = page.getByRole('alert');
  await alert.locator('span').first().waitFor();
  return (await alert.locator('span').first().innerText()).trim();
}
