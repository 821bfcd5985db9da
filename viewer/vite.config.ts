/**
 * How the viewer is built. Two forms of the same sources:
 * - the site (`viewer/dist/`): ONNX Runtime's wasm as a file of its own, fetched from the same origin;
 * - the single file (`viewer/dist/monosemantic-viewer.html`, mode `single`): everything inlined, and a content security
 *   policy that forbids every connection.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';
import { viteSingleFile } from 'vite-plugin-singlefile';
import { ACTIVATION_KINDS, flagsOf } from '../src/models/architectures/registry.ts';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
/** The wasm of the two builds of ONNX Runtime (src/data/shipped.ts). */
const wasmNames = {
  webgpu: 'ort-wasm-simd-threaded.asyncify.wasm',
  wasm: 'ort-wasm-simd-threaded.wasm',
};
const wasmFile = (name: string): string => join(dirname(require.resolve('onnxruntime-web/webgpu')), name);

/**
 * ONNX Runtime names its wasm by a URL beside its own module, which would inline it into each worker. The page hands
 * the bytes to its workers instead, so the names are taken out.
 */
function withoutImplicitWasm(): Plugin {
  return {
    name: 'monosemantic:without-implicit-wasm',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('onnxruntime-web')) return undefined;
      return code.replaceAll(/new URL\("(ort-wasm[\w.-]+|ort\.webgpu[\w.-]+)",\s*import\.meta\.url\)\.href/g, '""');
    },
  };
}

/**
 * package.json says which modules of the *built* package have effects when they are imported; here the sources are bundled, and
 * those that register themselves (the rules of src/compile) must stay.
 */
function sourcesKeepEffects(): Plugin {
  const sources = join(here, '../src/');
  return {
    name: 'monosemantic:sources-keep-effects',
    transform(code, id) {
      return id.startsWith(sources) ? { code, map: null, moduleSideEffects: true } : undefined;
    },
  };
}

/** Gives the site its wasm files, the same bytes that onnxruntime-web ships. */
function wasmBesideThePage(): Plugin {
  return {
    name: 'monosemantic:wasm-beside-the-page',
    generateBundle() {
      for (const name of Object.values(wasmNames)) {
        this.emitFile({ type: 'asset', fileName: `assets/${name}`, source: readFileSync(wasmFile(name)) });
      }
    },
    configureServer(server) {
      for (const name of Object.values(wasmNames)) {
        server.middlewares.use(`/assets/${name}`, (_request, response) => {
          response.setHeader('Content-Type', 'application/wasm');
          response.end(readFileSync(wasmFile(name)));
        });
      }
    },
  };
}

/** Puts the wasm and the bundled models into the page as inert text, and closes the page to the network. */
function everythingInline(): Plugin {
  return {
    name: 'monosemantic:everything-inline',
    enforce: 'post',
    transformIndexHtml: {
      order: 'post',
      async handler() {
        const models: Record<string, string> = {};
        const folder = join(here, 'public/models');
        for (const name of await readdir(folder).catch(() => [])) {
          models[name] = gzipSync(await readFile(join(folder, name)), { level: 9 }).toString('base64');
        }
        const inert = (id: string, text: string) => ({
          tag: 'script',
          attrs: { type: 'text/plain', id },
          children: text,
          injectTo: 'body' as const,
        });
        return [
          ...Object.entries(wasmNames).map(([build, name]) =>
            inert(`inlined-${build}-build`, gzipSync(readFileSync(wasmFile(name)), { level: 9 }).toString('base64')),
          ),
          inert('inlined-models', JSON.stringify(models)),
        ];
      },
    },
  };
}

/** Writes the content security policy into the page: its own scripts by hash, no others. */
function contentSecurityPolicy(single: boolean): Plugin {
  return {
    name: 'monosemantic:content-security-policy',
    enforce: 'post',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        // Runs last: what it hashes is what is written.
        for (const asset of Object.values(bundle)) {
          if (asset.type !== 'asset' || !asset.fileName.endsWith('.html')) continue;
          const html = String(asset.source);
          const hashes: string[] = [];
          for (const [, attributes, body] of html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)) {
            if (/\bsrc=|text\/plain/.test(attributes!)) continue;
            hashes.push(`'sha256-${createHash('sha256').update(body!).digest('base64')}'`);
          }
          const policy = [
            "default-src 'none'",
            `script-src ${single ? '' : "'self' "}${hashes.join(' ')} 'wasm-unsafe-eval'`,
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            `worker-src ${single ? 'blob:' : "'self'"}`,
            ...(single ? ["connect-src 'none'"] : ['connect-src *']),
            "base-uri 'none'",
            "form-action 'none'",
          ].join('; ');
          if (single) asset.fileName = 'monosemantic-viewer.html';
          asset.source = html.replace(
            '<!-- content-security-policy -->',
            `<meta http-equiv="Content-Security-Policy" content="${policy}" />`,
          );
        }
      },
    },
  };
}

/** The library's architectures with their settings, for the form that trains them: the registry itself needs TensorFlow.js, a page does not. */
const architectures = ACTIVATION_KINDS.map(kind => ({ kind, settings: flagsOf(kind) }));

/** Warnings that tell a person who builds nothing: workers import ONNX Runtime both ways on purpose, and builds take seconds. */
const rolldownOptions = { checks: { ineffectiveDynamicImport: false, pluginTimings: false, bundlerTimings: false } };

export default defineConfig(({ mode }) => {
  const single = mode === 'single';
  return {
    root: here,
    base: './',
    publicDir: single ? false : join(here, 'public'),
    define: { __SINGLE_FILE__: JSON.stringify(single), __ARCHITECTURES__: JSON.stringify(architectures) },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    plugins: [
      withoutImplicitWasm(),
      sourcesKeepEffects(),
      ...(single ? [everythingInline(), viteSingleFile({ removeViteModuleLoader: true })] : [wasmBesideThePage()]),
      contentSecurityPolicy(single),
    ],
    resolve: single
      ? { alias: [{ find: /^\.\/start-workers\.ts$/, replacement: join(here, 'src/workers/start-workers-inline.ts') }] }
      : {},
    worker: {
      format: single ? 'iife' : 'es',
      plugins: () => [withoutImplicitWasm(), sourcesKeepEffects()],
      rolldownOptions,
    },
    build: {
      rolldownOptions,
      outDir: join(here, 'dist'),
      // The single file is built after the site, beside it.
      emptyOutDir: !single,
      target: 'es2022',
      reportCompressedSize: false,
      chunkSizeWarningLimit: 5000,
      ...(single ? { assetsInlineLimit: 100_000_000 } : {}),
    },
  };
});
