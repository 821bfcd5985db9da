/** The page with its models inside, as one HTML file. */
import { type PageFile, viewerPage } from '../../../src/cli/viewer-page.ts';
import { connects, type PageFile as Inside, pageContent, unpacked } from '../data/shipped.ts';
import { bundles } from '../state/bundles.ts';
import { models, other, sae, toy } from '../state/models.ts';
import { ownRows, rowNames } from '../state/rows.ts';
import { inference } from '../workers/inference-client.ts';
import { currentAddress, restore } from './address.ts';
import type { PlacedFile } from './file-groups.ts';
import { openFiles } from './open-files.ts';

async function packed(name: string, file: Blob): Promise<PageFile> {
  const stream = file.stream().pipeThrough(new CompressionStream('gzip'));
  const gzipped = await new Response(stream).blob();
  // By way of a data URL the browser makes the base64 itself, without holding up the page.
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(gzipped);
  });
  return { name, content: url.slice(url.indexOf(',') + 1) };
}

/** The text of the single-file page: this document as it was before it ran, or the file that lies beside the site. */
async function singleFile(): Promise<string> {
  if (connects()) {
    const response = await fetch(new URL('./monosemantic-viewer.html', document.baseURI));
    if (!response.ok) throw new Error('the single file is not beside this page');
    return response.text();
  }
  const copy = document.documentElement.cloneNode(true) as HTMLElement;
  copy.querySelector('#app')?.replaceChildren();
  copy.removeAttribute('data-theme');
  return `<!doctype html>\n${copy.outerHTML}`;
}

/**
 * Writes the page as one file, with the models in view, their histories, and the rows and labels that the person
 * opened.
 */
export async function writePage(): Promise<Blob> {
  const files: PageFile[] = [];
  const api = await inference();
  const wanted = new Map([toy.value, sae.value, other.value].flatMap(model => (model ? [[model.sha256, model]] : [])));
  for (const model of wanted.values()) {
    if (!model.runs) continue;
    const { file, beside } = await api.source(model.id);
    const name = /\.onnx$/i.test(model.name) ? model.name : `${model.name}.onnx`;
    files.push(await packed(name, file));
    for (const [key, blob] of Object.entries(beside)) files.push(await packed(key, blob));
    if (model.history) {
      const history = new Blob([JSON.stringify(model.history)]);
      files.push(await packed(name.replace(/\.onnx$/i, '.history.json'), history));
    }
  }
  for (const rows of ownRows.value) if (rows.type === 'file') files.push(await packed(rows.name, rows.file));
  for (const names of rowNames.value) {
    const value = names.type === 'labels' ? names.labels : textsOf(names.tokens, names.starts);
    files.push(await packed(names.name.replace(/\.\w+$/, '.json'), new Blob([JSON.stringify(value)])));
  }
  for (const { files: of, name } of bundles.value) {
    for (const [key, blob] of of) files.push(await packed(`${name}/${key}`, blob));
  }
  const address = new URL(currentAddress());
  const query = (address.search || address.hash).replace(/^#?\??/, '');
  return new Blob([viewerPage(await singleFile(), files, query)], { type: 'text/html' });
}

function textsOf(tokens: readonly string[], starts: Uint32Array): string[][] {
  return Array.from({ length: starts.length - 1 }, (_, i) => tokens.slice(starts[i]!, starts[i + 1]!));
}

async function unpackedFile({ name, content }: Inside): Promise<PlacedFile> {
  const parts = name.split('/');
  return { file: new File([await unpacked(content)], parts.at(-1)!), folder: parts.slice(0, -1).join('/') };
}

/** Opens what this page holds, and shows it as it was when the page was written. Gives false where it holds nothing. */
export async function openPageContent(): Promise<boolean> {
  const inside = pageContent();
  if (!inside) return false;
  await openFiles(await Promise.all(inside.files.map(unpackedFile)));
  const state = new URLSearchParams(location.hash.replace(/^#\??/, '') || inside.query);
  // A page that holds no state stays on what was opened last.
  if (models.value.length > 0 && state.size > 0) await restore(state);
  return true;
}
