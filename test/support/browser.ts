/** A real Chromium for tests, and the viewer's own server for other pages. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { startStaticServer } from '../../src/cli/static-server.ts';
import { unpackChromium } from './bundled-chromium.ts';

/** WebGPU on SwiftShader: pages see an adapter whether or not the machine has a GPU. */
const SWIFTSHADER_FLAGS = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
];

/** Milliseconds until a browser, or a page of it, counts as hanging. A machine with a load of 16 takes ten times as long as an idle one. */
const PATIENCE = 300_000;

/** Why this machine cannot run the bundled Chromium, or `undefined` where it can: for tests to skip with. */
export function browserLacks(): string | undefined {
  const here = `${process.platform} ${process.arch}`;
  return here === 'linux x64' ? undefined : `the bundled Chromium is for linux x64, this is ${here}`;
}

/** Skips what a hook is about to prepare, and says why, where this machine cannot run the bundled Chromium. */
export function skipWithoutBrowser(context: Mocha.Context): void {
  const lack = browserLacks();
  if (lack === undefined) return;
  console.log(`      skipped: ${lack}`);
  context.skip();
}

export interface BrowserOptions {
  /** Gives pages WebGPU, on SwiftShader. Default false. */
  readonly webgpu?: boolean;
  /** Further switches of Chromium's. */
  readonly args?: readonly string[];
}

/** Launches headless Chromium; close it when done. Pages must come from localhost (serveFolder) for WebGPU. */
export async function launchBrowser({ webgpu = false, args = [] }: BrowserOptions = {}): Promise<Browser> {
  const { executable, folder, fonts } = await unpackChromium();
  const browser = await chromium.launch({
    executablePath: executable,
    timeout: PATIENCE,
    args: ['--no-sandbox', ...(webgpu ? SWIFTSHADER_FLAGS : []), ...args],
    env: { ...(process.env as Record<string, string>), FONTCONFIG_PATH: fonts, LD_LIBRARY_PATH: folder },
  });
  const newContext = browser.newContext.bind(browser);
  // Every page comes from here, those of `newPage` too.
  browser.newContext = async options => {
    const context = await newContext(options);
    context.setDefaultTimeout(PATIENCE);
    return context;
  };
  return browser;
}

export interface FolderServer {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves `folder` as the viewer is served, and before it `files`: content by path, as `/page.js`. Links that lead out of `folder` are not
 * followed; what they lead to can be in `further` folders.
 */
export async function serveFolder(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>> = {},
  further: readonly string[] = [],
): Promise<FolderServer> {
  const own = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  for (const [path, content] of Object.entries(files)) await writeFile(join(own, path), content);
  const { address, close } = await startStaticServer({ folders: [own, folder, ...further] });
  return {
    url: address.slice(0, -1),
    async close() {
      await close();
      await rm(own, { recursive: true });
    },
  };
}
