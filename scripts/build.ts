/**
 * `npm run build`: the package as it is published, in dist/. TypeScript compiles file by file; the ONNX proto decoder alone is bundled, with
 * the current protobufjs, because onnx-proto asks for an old one and npm's `overrides` do not reach those who install this package.
 */
import { execFileSync } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

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

await rm(DIST, { recursive: true, force: true });
compile();
await rewriteWorkerUrls();
await bundleProto();

function compile(): void {
  const compiler = join(require.resolve('typescript/package.json'), '../bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' });
}

/** TypeScript writes .js for .ts in imports, not in the addresses of workers. */
async function rewriteWorkerUrls(): Promise<void> {
  for (const name of await readdir(DIST, { recursive: true })) {
    if (!name.endsWith('.js')) continue;
    const file = join(DIST, name);
    const code = await readFile(file, 'utf8');
    const rewritten = code.replace(
      /new URL\('(\.\/[\w-]+)\.ts', import\.meta\.url\)/g,
      "new URL('$1.js', import.meta.url)",
    );
    if (rewritten !== code) await writeFile(file, rewritten);
  }
}

/** dist/onnx/proto.js with all that it needs, its licences beside it, and declarations that name no package. */
async function bundleProto(): Promise<void> {
  const folder = join(DIST, 'onnx');
  const { metafile } = await build({
    entryPoints: [join(folder, 'proto.js')],
    outfile: join(folder, 'proto.js'),
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2022',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    metafile: true,
    absWorkingDir: ROOT,
  });
  const packages = Object.keys(metafile.inputs).flatMap(
    input => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [],
  );
  await writeFile(join(folder, 'proto.LICENSES.txt'), await licences([...new Set(packages)].sort()));

  const types = await readFile(join(ROOT, 'node_modules/onnx-proto/dist/onnx.d.ts'), 'utf8');
  await writeFile(
    join(folder, 'onnx-proto.d.ts'),
    types.replace('import * as $protobuf from "protobufjs";', BUNDLED_TYPES.trim()),
  );
  const declarations = await readFile(join(folder, 'proto.d.ts'), 'utf8');
  await writeFile(join(folder, 'proto.d.ts'), declarations.replaceAll("'onnx-proto'", "'./onnx-proto.js'"));
}

async function licences(packages: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const name of packages) {
    const folder = join(ROOT, 'node_modules', name);
    const file = (await readdir(folder)).find(entry => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} is bundled and has no licence file`);
    texts.push(`${name}\n\n${await readFile(join(folder, file), 'utf8')}`);
  }
  return texts.join(`\n${'-'.repeat(100)}\n\n`);
}
