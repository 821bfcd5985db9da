/** Serves the built viewer on loopback and, beside it, files that the person named: they stay on this machine. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { FileFormatError, MissingPackageError } from '../errors.ts';
import { BUNDLE_FILES } from '../features/bundle-manifest.ts';
import { type StaticServer, startStaticServer } from './static-server.ts';

/** A server of the viewer. */
export interface ViewerServer extends StaticServer {
  /** The viewer's address, with the files to open in its query. */
  readonly url: string;
}

/** What the viewer's server gives, and where. */
export interface ServeOptions {
  /** The folder of the built viewer. */
  readonly folder: string;
  /** The port to listen on. Default 0: any free one. */
  readonly port?: number;
  /** Model files and folders of feature bundles to open in it. */
  readonly files?: readonly string[];
}

/** Files of these names beside a model, the real path by the name. A link that leads out of the folder is ignored. */
async function filesBeside(file: string, wanted: readonly string[]): Promise<[string, string][]> {
  const folder = dirname(resolve(file));
  const found: [string, string][] = [];
  for (const name of await readdir(folder)) {
    if (!wanted.includes(name)) continue;
    const real = await realpath(join(folder, name)).catch(() => undefined);
    if (real !== undefined && dirname(real) === (await realpath(folder))) found.push([name, real]);
  }
  return found;
}

/**
 * The single file's own policy forbids every connection. Served from loopback, it must ask this server for the files
 * that the person named.
 */
const CONNECTS_NOWHERE = "connect-src 'none'";
const CONNECTS = 'connect-src *';

/**
 * The page at `/` where the folder only holds the single file, as in the published package; `undefined` where the site
 * is there.
 * @throws MissingPackageError where neither is
 */
async function pageOf(root: string): Promise<string | undefined> {
  if (await stat(join(root, 'index.html')).catch(() => undefined)) return undefined;
  const html = await readFile(join(root, 'monosemantic-viewer.html'), 'utf8').catch(cause => {
    throw new MissingPackageError(`${root} holds no built viewer: in a clone, npm run build:viewer makes it`, {
      cause,
    });
  });
  return html.replace(CONNECTS_NOWHERE, CONNECTS);
}

/**
 * Starts the server on 127.0.0.1. Nothing outside `folder` and `files` is served.
 * @throws MissingPackageError where `folder` holds no built viewer
 * @throws FileFormatError where one of `files` is missing, or a folder of something else than a bundle
 * @throws EngineUnavailableError where the port is taken
 */
export async function serveViewer({ folder, port = 0, files = [] }: ServeOptions): Promise<ViewerServer> {
  const root = resolve(folder);
  const page = await pageOf(root);
  const named = new Map<string, string>();
  /** What the page is told to open. */
  const opened: ['model' | 'bundle', string][] = [];
  for (const file of files) {
    const real = await realpath(file).catch((cause: unknown) => {
      throw new FileFormatError('there is no such file', { file, cause });
    });
    const number = named.size;
    const own = basename(real);
    if ((await stat(real)).isDirectory()) {
      const inside = await readdir(real);
      if (!inside.includes(BUNDLE_FILES.manifest)) {
        throw new FileFormatError(
          `a folder without ${BUNDLE_FILES.manifest} is no feature bundle; convert makes a SAELens folder an .onnx file, --output takes it as it is`,
          { file },
        );
      }
      const parts = await filesBeside(join(real, BUNDLE_FILES.manifest), Object.values(BUNDLE_FILES));
      for (const [name, path] of parts) named.set(`/open/${number}/${own}/${name}`, path);
      opened.push(['bundle', `/open/${number}/${own}`]);
      continue;
    }
    const histories = await filesBeside(file, ['history.json', `${basename(file, extname(file))}.history.json`]);
    for (const [name, path] of [[own, real] as const, ...histories]) {
      named.set(`/open/${number}/${name}`, path);
      opened.push(['model', `/open/${number}/${name}`]);
    }
    // The page asks for its tensors beside the model, and opens nothing of that name by itself.
    const data = await filesBeside(file, [`${own}.data`, `${own}_data`]);
    for (const [name, path] of data) named.set(`/open/${number}/${name}`, path);
  }

  const server = await startStaticServer({ folders: [root], named, port, ...(page !== undefined && { page }) });
  // Encoded as an address, and once more as a part of the query.
  const query = new URLSearchParams(
    opened.map(([kind, path]) => [kind, path.split('/').map(encodeURIComponent).join('/')]),
  );
  return { ...server, url: query.size > 0 ? `${server.address}?${query}` : server.address };
}
