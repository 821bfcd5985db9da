/** A real Chromium for tests, and a server of static files on loopback for its pages. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { unpackChromium } from './bundled-chromium.ts';

/** WebGPU on SwiftShader: pages see an adapter whether or not the machine has a GPU. */
const SWIFTSHADER_FLAGS = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
];

/** Why this machine cannot run the bundled Chromium, or `undefined` where it can: for tests to skip with. */
export function browserLacks(): string | undefined {
  const here = `${process.platform} ${process.arch}`;
  return here === 'linux x64' ? undefined : `the bundled Chromium is for linux x64, this is ${here}`;
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
  return await chromium.launch({
    executablePath: executable,
    args: ['--no-sandbox', ...(webgpu ? SWIFTSHADER_FLAGS : []), ...args],
    env: { ...(process.env as Record<string, string>), FONTCONFIG_PATH: fonts, LD_LIBRARY_PATH: folder },
  });
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};

/** What a page gets from a cross-origin isolated site: SharedArrayBuffer, and so threads in WebAssembly. */
const ISOLATION_HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export interface FolderServer {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Paths asked for so far, in order. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export interface ServeOptions {
  /** Makes pages cross-origin isolated. Default false. */
  readonly isolate?: boolean;
  /** Served beside the folder's files, and before them: content by path, as `/page.js`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/** Serves `folder` on a free port of 127.0.0.1; a folder's address means its index.html. */
export async function serveFolder(
  folder: string,
  { isolate = false, files = {} }: ServeOptions = {},
): Promise<FolderServer> {
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const asked = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    requests.push(asked);
    const path = normalize(asked.endsWith('/') ? `${asked}index.html` : asked);
    const file = join(folder, path);
    const headers = {
      'Content-Type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream',
      ...(isolate && ISOLATION_HEADERS),
    };
    if (path in files) {
      response.writeHead(200, headers).end(files[path]);
    } else if (
      await stat(file).then(
        found => found.isFile(),
        () => false,
      )
    ) {
      createReadStream(file).pipe(response.writeHead(200, headers));
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
