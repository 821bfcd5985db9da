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

/** Toy models of one size at rising sparsity, trained alike: what the first scene's slider moves through. */
export interface SparsitySweep {
  readonly sparsities: readonly number[];
  readonly importance: readonly number[];
  /** For each sparsity the directions of the lowest loss, [n_features, n_hidden], and that loss. */
  readonly directions: readonly (readonly (readonly number[])[])[];
  readonly loss: readonly number[];
}

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

/** The bytes that base64 of gzipped bytes stands for, as the build and `view --output` put them into a page. */
export async function unpacked(base64: string): Promise<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}

const inert = (id: string): string => document.getElementById(id)?.textContent ?? '';

/**
 * ONNX Runtime's wasm for a worker: fresh bytes at each call, as they are handed over; in the single file as base64, which the worker
 * unpacks, because that takes too long for the page.
 */
export async function onnxRuntimeWasm(build: RuntimeBuild): Promise<ArrayBuffer | string> {
  return __SINGLE_FILE__ ? inert(`inlined-${build}-build`) : fetched(new URL(WASM_URLS[build], document.baseURI).href);
}

/**
 * Whether this page may ask its server for files. The single file says in its content security policy that it connects to nothing;
 * `monosemantic view` serves it with another policy.
 */
export function connects(): boolean {
  if (!__SINGLE_FILE__) return true;
  const policy = document.querySelector('meta[http-equiv="Content-Security-Policy"]')?.getAttribute('content');
  return /connect-src \*/.test(policy ?? '');
}

let inlinedModels: Record<string, string> | undefined;

/** A file of the bundled models. */
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

/** What was put into this very page. */
export function pageContent(): { readonly files: readonly PageFile[]; readonly query: string } | undefined {
  const text = inert('page-content');
  return text === '' ? undefined : (JSON.parse(text) as { files: PageFile[]; query: string });
}
