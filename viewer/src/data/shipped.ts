/**
 * What ships with the page: ONNX Runtime's wasm and the bundled models. On a site they lie beside the page, in the
 * single file inside it.
 */
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
  /** The run's model file; absent where it is not bundled. */
  readonly file?: string;
  readonly history: History;
}

/** Toy models of one size at rising sparsity, trained alike: what the first scene's slider moves through. */
export interface SparsitySweep {
  readonly sparsities: readonly number[];
  readonly importance: readonly number[];
  /** For each sparsity the directions of the lowest loss, [n_features, n_hidden], and that loss. */
  readonly directions: readonly (readonly (readonly number[])[])[];
  readonly loss: readonly number[];
}

/** The content of `models/models.json`: what is bundled, and which of it the story uses. */
export interface Manifest {
  readonly models: readonly BundledModel[];
  /** Ids of the toy model and the two autoencoders of the story. */
  readonly story: { readonly toy: string; readonly found: string; readonly collapsed: string };
  readonly sweep: SparsitySweep;
  readonly seeds: { readonly toy: string; readonly runs: readonly SeedRun[] };
}

/**
 * The two builds of ONNX Runtime. Only `webgpu` can use a GPU, for which every function in it can be suspended: on WASM it is as fast, but
 * a function of 1.5 MB in it took Chromium's optimizing compiler 1.5 GB of memory once rows ran. What runs on WASM alone takes `wasm`.
 */
export type RuntimeBuild = 'webgpu' | 'wasm';

/** Where the built site has the wasm of each. */
const WASM_URLS: Readonly<Record<RuntimeBuild, string>> = {
  webgpu: './assets/ort-wasm-simd-threaded.asyncify.wasm',
  wasm: './assets/ort-wasm-simd-threaded.wasm',
};

async function fetched(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${response.statusText}`.trim());
  return response.arrayBuffer();
}

/**
 * Unpacks bytes that were gzipped and then written as base64, as the build and `view --output` put them into a page.
 */
export async function unpacked(base64: string): Promise<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}

const inert = (id: string): string => document.getElementById(id)?.textContent ?? '';

/** Where ONNX Runtime's wasm is: at an address, or in `base64` as the single file holds it. */
export type ShippedWasm = { readonly address: string } | { readonly base64: string };

/** Says where a worker finds ONNX Runtime's wasm. The page does not read it: 14 or 27 MB would hold it up. */
export function onnxRuntimeWasm(build: RuntimeBuild): ShippedWasm {
  if (__SINGLE_FILE__) return { base64: inert(`inlined-${build}-build`) };
  return { address: new URL(WASM_URLS[build], document.baseURI).href };
}

/** Reads ONNX Runtime's wasm, in a worker. */
export function readWasm(shipped: ShippedWasm): Promise<ArrayBuffer> {
  return 'address' in shipped ? fetched(shipped.address) : unpacked(shipped.base64);
}

/**
 * Whether this page may ask its server for files. The content security policy of the single file allows no connection;
 * `monosemantic view` serves the same file with a policy that does.
 */
export function connects(): boolean {
  if (!__SINGLE_FILE__) return true;
  const policy = document.querySelector('meta[http-equiv="Content-Security-Policy"]')?.getAttribute('content');
  return /connect-src \*/.test(policy ?? '');
}

let inlinedModels: Record<string, string> | undefined;

/** The content of one file of the bundled models. */
export async function bundledFile(name: string): Promise<ArrayBuffer> {
  if (!__SINGLE_FILE__) return fetched(new URL(`./models/${name}`, document.baseURI).href);
  inlinedModels ??= JSON.parse(inert('inlined-models')) as Record<string, string>;
  const base64 = inlinedModels[name];
  if (base64 === undefined) throw new Error(`this file holds no bundled model ${name}`);
  return unpacked(base64);
}

let manifest: Promise<Manifest> | undefined;

/** The list of bundled models. */
export function bundledManifest(): Promise<Manifest> {
  manifest ??= bundledFile('models.json').then(bytes => JSON.parse(new TextDecoder().decode(bytes)) as Manifest);
  return manifest;
}

/** A file that stands inside this page beside its models, as `view --output` and the share dialog write it. */
export interface PageFile {
  readonly name: string;
  /** Gzipped, base64. */
  readonly content: string;
}

/** The files that were put into this page, and the state it should open in; undefined where it holds none. */
export function pageContent(): { readonly files: readonly PageFile[]; readonly query: string } | undefined {
  const text = inert('page-content');
  return text === '' ? undefined : (JSON.parse(text) as { files: PageFile[]; query: string });
}
