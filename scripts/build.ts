/**
 * `npm run build`: the package as it is published, in dist/. TypeScript compiles file by file. A few packages are then bundled into the
 * files that import them, and are no dependencies of those who install this one: onnx-proto asks for an old protobufjs, and npm's
 * `overrides` reach nobody else; the others bring a dozen packages for one function.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const require = createRequire(import.meta.url);

/** What onnx-proto's declarations use of packages that are bundled away. */
const BUNDLED_TYPES = `
declare namespace $protobuf {
  type Reader = unknown;
  type Writer = { finish(): Uint8Array };
  type IConversionOptions = Record<string, unknown>;
}
type Long = { toNumber(): number };
`;

/** Packages that are bundled. */
const BUNDLED = ['onnx-proto', 'linear-sum-assignment', 'd3-dsv', 'd3-array', 'd3-scale-chromatic'];
const IMPORTS_BUNDLED = new RegExp(`from '(${BUNDLED.join('|')})'`);

/** Leaves our own modules, Node's and all other packages imported. */
const onlyBundled: Plugin = {
  name: 'only-bundled',
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ path, kind, importer }) => {
      const isOurs = kind === 'entry-point' || importer.includes('/node_modules/') || BUNDLED.includes(path);
      return isOurs ? undefined : { path, external: true };
    });
  },
};

await rm(DIST, { recursive: true, force: true });
compile();
const files = (await readdir(DIST, { recursive: true })).filter(name => name.endsWith('.js'));
for (const name of files) await rewriteWorkerUrls(join(DIST, name));
await bundlePackages(files.map(name => join(DIST, name)));
await declareProto();
await declareDisposal();
await keepTrainingHelp();

function compile(): void {
  const compiler = join(require.resolve('typescript/package.json'), '../bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' });
}

/** TypeScript writes .js for .ts in imports, not in the addresses of workers. */
async function rewriteWorkerUrls(file: string): Promise<void> {
  const code = await readFile(file, 'utf8');
  const rewritten = code.replace(
    /new URL\('(\.\/[\w-]+)\.ts', import\.meta\.url\)/g,
    "new URL('$1.js', import.meta.url)",
  );
  if (rewritten !== code) await writeFile(file, rewritten);
}

/** Puts the bundled packages into the files that import them, and their licences into dist/LICENSES.txt. */
async function bundlePackages(files: readonly string[]): Promise<void> {
  const packages = new Set<string>();
  for (const file of files) {
    if (!IMPORTS_BUNDLED.test(await readFile(file, 'utf8'))) continue;
    const { metafile } = await build({
      entryPoints: [file],
      outfile: file,
      allowOverwrite: true,
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      target: 'es2022',
      legalComments: 'none',
      plugins: [onlyBundled],
      metafile: true,
      absWorkingDir: ROOT,
    });
    for (const input of Object.keys(metafile.inputs)) {
      const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
      if (name !== undefined) packages.add(name);
    }
  }
  await writeFile(join(DIST, 'LICENSES.txt'), await licences([...packages].sort()));
}

/** Declarations of dist/onnx/proto.js that name no package. */
async function declareProto(): Promise<void> {
  const folder = join(DIST, 'onnx');
  const types = await readFile(join(ROOT, 'node_modules/onnx-proto/dist/onnx.d.ts'), 'utf8');
  await writeFile(
    join(folder, 'onnx-proto.d.ts'),
    types.replace('import * as $protobuf from "protobufjs";', BUNDLED_TYPES.trim()),
  );
  const declarations = await readFile(join(folder, 'proto.d.ts'), 'utf8');
  await writeFile(join(folder, 'proto.d.ts'), declarations.replaceAll("'onnx-proto'", "'./onnx-proto.js'"));
}

/** Names the library of disposal where a declaration uses it: projects whose `lib` lacks it compile without skipLibCheck all the same. */
async function declareDisposal(): Promise<void> {
  for (const name of (await readdir(DIST, { recursive: true })).filter(file => file.endsWith('.d.ts'))) {
    const file = join(DIST, name);
    const declarations = await readFile(file, 'utf8');
    if (!/\b(Async)?Disposable\b|Symbol\.(asyncDispose|dispose)\b/.test(declarations)) continue;
    await writeFile(file, `/// <reference lib="esnext.disposable" />\n${declarations}`);
  }
}

/** Writes the help of `train toy` and `train sae`, which the command line then prints without the packages that it is made with. */
async function keepTrainingHelp(): Promise<void> {
  const texts = ['toy', 'sae'].map(what => {
    const command = [join(ROOT, 'bin/monosemantic.js'), 'train', what, '--help'];
    return [what, execFileSync(process.execPath, command, { encoding: 'utf8' })] as const;
  });
  const folder = join(DIST, 'cli/training-help');
  await mkdir(folder);
  for (const [what, text] of texts) await writeFile(join(folder, `${what}.txt`), text);
}

/** The licences of `packages`, one after another. */
async function licences(packages: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const name of packages) {
    const folder = join(ROOT, 'node_modules', name);
    const file = (await readdir(folder)).find(entry => /^licen[cs]e/i.test(entry));
    const stated = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    const text =
      file === undefined ? `${stated['license']}, ${stated['author']}` : await readFile(join(folder, file), 'utf8');
    texts.push(`${name}\n\n${text}`);
  }
  return texts.join(`\n${'-'.repeat(100)}\n\n`);
}
