/**
 * Serves files on loopback, to this machine's own browser and to nobody else. Any page that the browser has open can
 * send requests here, and a name that resolves to 127.0.0.1 would give that page this server's origin (DNS rebinding).
 * So only loopback's own names are answered.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, isAbsolute, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EngineUnavailableError } from '../errors.ts';
import { openRegularFile } from '../files/open-regular.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
  '.svg': 'image/svg+xml',
};
const BYTES = 'application/octet-stream';

const METHODS = ['GET', 'HEAD'];
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/** Headers of every answer besides its content. */
const HEADERS = {
  // Both make a page cross-origin isolated, which threads in WebAssembly need.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

/** The files that a server gives. */
export interface StaticFiles {
  /**
   * The folders whose files are served, each from the first folder that has it; `index.html` where a folder is asked
   * for.
   */
  readonly folders: readonly string[];
  /**
   * Further files, by their (decoded) path on the server, with the address of the real file. They are served as data,
   * never as a page.
   */
  readonly named?: ReadonlyMap<string, string>;
  /** A page to serve at `/`, in the place of the folders' `index.html`. */
  readonly page?: string;
  /** The port to listen on. Default 0: any free one. */
  readonly port?: number;
}

/** A server that is running. */
export interface StaticServer {
  /** The server's address, with a slash at the end. */
  readonly address: string;
  close(): Promise<void>;
}

/** An answer that is no file. */
class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** What a page from here may do: run its own scripts (those inside it by their hash), connect where it decides, and not be framed. */
function contentSecurityPolicy(html = ''): string {
  const inline = [...html.matchAll(/<script(?![^>]*(?:\bsrc=|text\/plain))[^>]*>([\s\S]*?)<\/script>/g)].map(
    ([, code]) => `'sha256-${createHash('sha256').update(code!).digest('base64')}'`,
  );
  return [
    "default-src 'none'",
    `script-src ${["'self'", ...inline, "'wasm-unsafe-eval'"].join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "worker-src 'self' blob:",
    'connect-src * data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** The path that is asked for, decoded once. */
function pathOf({ url = '' }: IncomingMessage): string {
  const [path = ''] = url.split(/[?#]/);
  try {
    const decoded = decodeURIComponent(path);
    if (decoded.startsWith('/') && !decoded.includes('\0')) return decoded;
  } catch {
    // A % that is not followed by two digits, or bytes that are not UTF-8.
  }
  throw new Refusal(400, 'this is no path');
}

/** The part of a file that is asked for, `end` exclusive; undefined for the whole, as where several parts are. */
function rangeOf(
  { headers }: IncomingMessage,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? '') ?? [];
  // No version of a file is stated here that an If-Range could mean.
  if (headers['if-range'] !== undefined || (!from && !to)) return undefined;
  const start = from ? Number(from) : Math.max(size - Number(to), 0);
  const end = from && to ? Math.min(Number(to) + 1, size) : size;
  if (start >= end) throw new Refusal(416, 'no such range', { 'Content-Range': `bytes */${size}` });
  return { start, end };
}

async function send(request: IncomingMessage, response: ServerResponse, path: string, type: string): Promise<void> {
  const html = type.startsWith('text/html') ? await readFile(path, 'utf8') : undefined;
  const file = await openRegularFile(path);
  try {
    const { size } = await file.stat();
    const range = rangeOf(request, size);
    const { start, end } = range ?? { start: 0, end: size };
    response.writeHead(range ? 206 : 200, {
      ...HEADERS,
      'Content-Type': type,
      'Content-Length': end - start,
      'Content-Security-Policy': contentSecurityPolicy(html),
      'Accept-Ranges': 'bytes',
      ...(range && { 'Content-Range': `bytes ${start}-${end - 1}/${size}` }),
    });
    if (request.method === 'HEAD' || start === end) response.end();
    // The reader of a cancelled download goes with it.
    else await pipeline(file.createReadStream({ start, end: end - 1, autoClose: false }), response);
  } finally {
    await file.close();
  }
}

/** Answers with a page that is no file. */
function sendPage(request: IncomingMessage, response: ServerResponse, html: string): void {
  const bytes = Buffer.from(html);
  response.writeHead(200, {
    ...HEADERS,
    'Content-Type': TYPES['.html'],
    'Content-Length': bytes.length,
    'Content-Security-Policy': contentSecurityPolicy(html),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** The real file below one of `roots` that is asked for. Links are followed as long as they stay below it. */
async function below(roots: readonly string[], path: string): Promise<string> {
  for (const root of roots) {
    const file = await realpath(join(root, path.endsWith('/') ? `${path}index.html` : path)).catch(() => undefined);
    const inside = file && relative(root, file);
    if (file && inside && inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside)) return file;
  }
  throw new Refusal(404, 'not found');
}

/**
 * Starts a server on 127.0.0.1 that answers GET and HEAD, whole files and ranges of bytes.
 * @throws EngineUnavailableError where the port is taken
 */
export async function startStaticServer({
  folders,
  named = new Map(),
  page,
  port = 0,
}: StaticFiles): Promise<StaticServer> {
  const roots = await Promise.all(folders.map(folder => realpath(folder)));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, host = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(request.headers.host ?? '') ?? [];
    if (!LOOPBACK.includes(host.toLowerCase())) throw new Refusal(421, 'this server answers on loopback alone');
    if (!METHODS.includes(request.method ?? '')) {
      throw new Refusal(405, 'only GET and HEAD', { Allow: METHODS.join(', ') });
    }
    const path = pathOf(request);
    if (page !== undefined && path === '/') return sendPage(request, response, page);
    const own = named.get(path);
    const file = own ?? (await below(roots, path));
    const type = TYPES[extname(file)] ?? BYTES;
    await send(request, response, file, own === undefined || extname(file) === '.json' ? type : BYTES);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      const { status, message, headers } = error instanceof Refusal ? error : new Refusal(404, 'not found');
      response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain', ...headers }).end(message);
    });
  });
  await new Promise<void>((done, failed) => {
    server.once('error', cause =>
      failed(new EngineUnavailableError(`the viewer cannot be served: ${cause.message}`, [], cause)),
    );
    server.listen(port, '127.0.0.1', done);
  });
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise(done => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
