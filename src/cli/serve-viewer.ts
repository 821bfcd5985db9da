/**
 * Serves the built viewer on loopback, with the headers that make a page cross-origin isolated (COOP and COEP), and,
 * beside it, files that the person named: they stay on this machine.
 */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { EngineUnavailableError, FileFormatError, MissingPackageError } from '../errors.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
  '.svg': 'image/svg+xml',
};

export interface ViewerServer {
  /** Where the viewer is, with the files to open in its query. */
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** The built viewer. */
  readonly folder: string;
  /** Default 0: any that is free. */
  readonly port?: number;
  /** Model files to open in it. */
  readonly files?: readonly string[];
}

async function send(response: ServerResponse, path: string): Promise<void> {
  const { size } = await stat(path);
  response.writeHead(200, {
    'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
    'Content-Length': size,
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
  });
  createReadStream(path)
    .on('error', () => response.destroy())
    .pipe(response);
}

/**
 * Starts the server on 127.0.0.1. Nothing outside `folder` and `files` is served.
 * MissingPackageError where `folder` holds no built viewer, FileFormatError where one of `files` is missing, EngineUnavailableError where
 * the port is taken.
 */
export async function serveViewer({ folder, port = 0, files = [] }: ServeOptions): Promise<ViewerServer> {
  const root = resolve(folder);
  await stat(join(root, 'index.html')).catch(cause => {
    throw new MissingPackageError(`${root} holds no built viewer: in a clone, npm run build:viewer makes it`, {
      cause,
    });
  });
  const named = new Map<string, string>();
  for (const file of files) {
    await stat(file).catch((cause: unknown) => {
      throw new FileFormatError('there is no such file', { file, cause });
    });
    named.set(`/open/${named.size}/${basename(file)}`, resolve(file));
    // A history beside a model is opened with it.
    const folderOfFile = resolve(file, '..');
    for (const other of await readdir(folderOfFile)) {
      if (other === 'history.json' || other === `${basename(file, extname(file))}.history.json`) {
        named.set(`/open/${named.size}/${other}`, join(folderOfFile, other));
      }
    }
  }

  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const file = named.get(path) ?? resolve(root, `.${path.endsWith('/') ? `${path}index.html` : path}`);
    const inside = !relative(root, file).startsWith(`..${sep}`) && relative(root, file) !== '..';
    const sent = inside || named.has(path) ? send(response, file) : Promise.reject(new Error('outside'));
    sent.catch(() => {
      if (!response.headersSent) response.writeHead(404, { 'Content-Type': 'text/plain' });
      response.end('not found');
    });
  });
  await new Promise<void>((done, failed) => {
    server.once('error', cause =>
      failed(new EngineUnavailableError(`the viewer cannot be served: ${cause.message}`, [], cause)),
    );
    server.listen(port, '127.0.0.1', done);
  });

  const query = new URLSearchParams([...named.keys()].map(path => ['model', path]));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url: query.size > 0 ? `${address}?${query}` : address,
    close: () =>
      new Promise(done => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
