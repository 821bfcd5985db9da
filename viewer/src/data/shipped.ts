/** What ships with the page: ONNX Runtime's wasm and the bundled models; beside the page on a site, inside it in the single file. */
import type { History, ModelKind } from './model.ts';

/** One entry of `models/models.json`. */
export interface BundledModel {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  readonly kind: ModelKind;
  readonly history?: string;
}

/** A run of the bundled seed study. */
export interface SeedRun {
  readonly name: string;
  /** Its model, where that is bundled. */
  readonly file?: string;
  readonly history: History;
}

export interface Manifest {
  readonly models: readonly BundledModel[];
  /** Ids of the toy model and the two autoencoders of the story. */
  readonly story: { readonly toy: string; readonly found: string; readonly collapsed: string };
  readonly seeds: { readonly toy: string; readonly runs: readonly SeedRun[] };
}

/** Where the built site has its wasm. */
const WASM_URL = './assets/ort-wasm-simd-threaded.asyncify.wasm';

async function fetched(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${response.statusText}`.trim());
  return response.arrayBuffer();
}

/** Base64 of gzipped bytes, as the build puts it into the single file. */
async function inlined(base64: string): Promise<ArrayBuffer> {
  const text = atob(base64);
  const bytes = Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}

const inert = (id: string): string => document.getElementById(id)?.textContent ?? '';

/** ONNX Runtime's wasm, fresh bytes at each call: they are handed over to a worker. */
export async function onnxRuntimeWasm(): Promise<ArrayBuffer> {
  return __SINGLE_FILE__ ? inlined(inert('inlined-wasm')) : fetched(new URL(WASM_URL, document.baseURI).href);
}

let inlinedModels: Record<string, string> | undefined;

/** A file of the bundled models. */
export async function bundledFile(name: string): Promise<ArrayBuffer> {
  if (!__SINGLE_FILE__) return fetched(new URL(`./models/${name}`, document.baseURI).href);
  inlinedModels ??= JSON.parse(inert('inlined-models')) as Record<string, string>;
  const base64 = inlinedModels[name];
  if (base64 === undefined) throw new Error(`this file holds no bundled model ${name}`);
  return inlined(base64);
}

let manifest: Promise<Manifest> | undefined;

/** The list of bundled models. */
export function bundledManifest(): Promise<Manifest> {
  manifest ??= bundledFile('models.json').then(bytes => JSON.parse(new TextDecoder().decode(bytes)) as Manifest);
  return manifest;
}
