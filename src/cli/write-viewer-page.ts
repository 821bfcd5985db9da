/** Writes the viewer as one HTML file with models and data inside: what `view --output` does. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { FileFormatError, MissingPackageError } from '../errors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { type PageFile, viewerPage } from './viewer-page.ts';

/** The size of a page that most browsers no longer open. */
const MOST_BYTES = 2 ** 29;

async function packed(path: string, name: string): Promise<PageFile> {
  return { name, content: (await promisify(gzip)(await readFile(path), { level: 9 })).toString('base64') };
}

/** The files that belong to `file`: a model's history and external data, all of a folder's. */
async function filesOf(file: string): Promise<{ readonly path: string; readonly name: string }[]> {
  const about = await stat(file).catch((cause: unknown) => {
    throw new FileFormatError('there is no such file', { file, cause });
  });
  if (about.isDirectory()) {
    const entries = await readdir(file, { withFileTypes: true });
    const folder = basename(file);
    return entries
      .filter(entry => entry.isFile())
      .map(({ name }) => ({ path: join(file, name), name: `${folder}/${name}` }));
  }
  const found = [{ path: file, name: basename(file) }];
  if (extname(file) !== '.onnx') return found;
  const folder = dirname(file);
  const stem = basename(file, '.onnx');
  for (const name of await readdir(folder)) {
    const isHistory = name === `${stem}.history.json` || name === 'history.json';
    const isData = name.startsWith(`${basename(file)}.data`) || name.startsWith(`${basename(file)}_data`);
    if (isHistory || isData) found.push({ path: join(folder, name), name: isHistory ? `${stem}.history.json` : name });
  }
  return found;
}

/**
 * Writes the page, whole or not at all.
 * @param output the path of the HTML file
 * @param files models, activations, labels, and folders (a SAELens autoencoder, a feature bundle)
 * @param folder the folder of the built viewer
 * @returns the size of the page in bytes
 * @throws MissingPackageError where `folder` holds no built viewer
 * @throws FileFormatError where a file is missing, or they are too large together
 */
export async function writeViewerPage(output: string, files: readonly string[], folder: string): Promise<number> {
  const single = join(folder, 'monosemantic-viewer.html');
  const page = await readFile(single, 'utf8').catch(cause => {
    throw new MissingPackageError(`${single} is missing: in a clone, npm run build:viewer makes it`, { cause });
  });
  const inside: PageFile[] = [];
  for (const { path, name } of (await Promise.all(files.map(filesOf))).flat()) inside.push(await packed(path, name));
  const size = inside.reduce((sum, { content }) => sum + content.length, page.length);
  if (size > MOST_BYTES) {
    throw new FileFormatError(`the page would have ${size} bytes; browsers open ${MOST_BYTES}`, { file: output });
  }
  const html = viewerPage(page, inside);
  await writeFileAtomic(output, html);
  return Buffer.byteLength(html);
}
