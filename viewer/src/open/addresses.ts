/**
 * Opens models by their address: those of the page's own origin at once, those of another only after the person agreed.
 */
import { signal } from '@preact/signals';
import type { Model } from '../data/model.ts';
import { connects } from '../data/shipped.ts';
import { alertText, fail } from '../state/notices.ts';
import { inference } from '../workers/inference-client.ts';
import { openBundle } from './feature-bundles.ts';
import { openFiles, openOnnx } from './open-files.ts';
import { busy } from './opening.ts';

/** An address that waits for the person's consent: another origin than the page's. */
export const askedAddress = signal<string | undefined>(undefined);
const ALLOWED = 'monosemantic.allowed';
/** The address of the page that asked. */
let askedFrom = '';

function allowedOrigin(): string | null {
  try {
    return sessionStorage.getItem(ALLOWED);
  } catch {
    return null;
  }
}

/** Starts the page again, after the person agreed, with a policy that lets it reach that one origin. */
export function allowAddress(address: string): void {
  sessionStorage.setItem(ALLOWED, new URL(address).origin);
  // The page's own address may have changed since it was asked.
  history.replaceState(null, '', askedFrom);
  location.reload();
}

/** Addresses of what is open beside models: activations, labels, bundles. */
export const followed = signal<readonly string[]>([]);

/** The file name at the end of a path, decoded where its percent-encoding is valid. */
function nameIn(url: URL): string {
  const name = url.pathname.split('/').at(-1) || url.host;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

async function fetched(url: URL): Promise<Blob> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.host} answered ${response.status} ${response.statusText}`.trim());
  return response.blob();
}

/** The files beside a model at `url` that hold its external data, by the names that the model gives them. */
async function dataOf(file: Blob, url: URL): Promise<Readonly<Record<string, Blob>>> {
  const names = await (await inference()).dataFiles(file, nameIn(url));
  const beside = names.map(async name => {
    const path = name.split('/').map(encodeURIComponent).join('/');
    return [name, await fetched(new URL(path, url))] as const;
  });
  return Object.fromEntries(await Promise.all(beside));
}

/** Opens a model, or another file that can be opened, by its address. */
export async function openAddress(address: string, show = true): Promise<Model | undefined> {
  let url: URL;
  try {
    url = new URL(address, document.baseURI);
  } catch {
    alertText.value = `"${address}" is not an address.`;
    return undefined;
  }
  const name = nameIn(url);
  if (!connects()) {
    alertText.value = `${name} was not fetched: this single file connects to nothing. Download the model and drop it here.`;
    return undefined;
  }
  if (url.origin !== location.origin && url.origin !== allowedOrigin()) {
    askedFrom = location.href;
    askedAddress.value = url.href;
    return undefined;
  }
  try {
    return await busy(name, async () => {
      if (name === 'bundle.json') {
        const model = await openBundle(url.pathname.split('/').at(-2) || 'bundle', url.href);
        followed.value = [...followed.value, address];
        return model;
      }
      const file = await fetched(url);
      if (!/\.onnx$/i.test(name)) {
        await openFiles([new File([file], name)]);
        followed.value = [...followed.value, address];
        return undefined;
      }
      const beside = await dataOf(file, url);
      const model = await openOnnx({ name, source: { type: 'url', url: address }, file, beside }, show);
      if (!model) followed.value = [...followed.value, address];
      return model;
    });
  } catch (error) {
    const reason =
      error instanceof TypeError ? new Error(`${url.host} could not be reached, or does not allow it`) : error;
    fail(`${name} could not be opened`, reason);
    return undefined;
  }
}
