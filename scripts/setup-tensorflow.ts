/**
 * `npm run setup:tensorflow [-- --gpu] [-- --undo]`: puts TensorFlow's native library under TensorFlow.js.
 *
 * First the package's own way is tried (a prebuilt TensorFlow 2.9.1), if its download can be reached. Otherwise the
 * binding is compiled with g++ from the sources in the npm package, against the current TensorFlow wheel from pip. All that
 * is written lies in the package's own folder in node_modules, and `--undo` deletes it.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import {
  hasNvidiaGpu,
  prepareBackend,
  SETUP_COMMAND,
  type TensorFlowPackage,
  tensorFlowBinding,
  tensorFlowPackageFolder,
} from '../src/engines/tensorflow.ts';
import { missingForWheels, unpackWheels } from './setup/pip.ts';
import { lacks, run, runSetup, SetupError } from './setup/run-command.ts';
import type { WheelSet } from './setup/wheels.ts';
import { wheelSet } from './tensorflow-wheels.ts';

const USAGE = `usage: ${SETUP_COMMAND} [-- OPTIONS]
  --gpu          for NVIDIA GPUs (CUDA 12 and cuDNN 9 come along; only the driver must be there)
  --from WAY     "stock" or "wheel" alone, instead of the one and then the other
  --undo         delete what an earlier run made (with --gpu, only that for GPUs)
Environment: CXX (g++) compiles; MONOSEMANTIC_PYTHON (python3) runs pip.`;

const PACKAGES = { cpu: '@tensorflow/tfjs-node', gpu: '@tensorflow/tfjs-node-gpu' } as const;
type Kind = keyof typeof PACKAGES;

const COMPILER = process.env['CXX'] || 'g++';
const REACHABLE_WITHIN_MS = 5_000;
const STOCK_WITHIN_MS = 15 * 60_000;

/** The Node-API that the binding is compiled for, as the package's prebuilt ones are. */
const NODE_API_VERSION = 8;
const DEFINITIONS = [
  `NAPI_VERSION=${NODE_API_VERSION}`,
  'NODE_GYP_MODULE_NAME=tfjs_binding',
  'BUILDING_NODE_EXTENSION',
];

const require = createRequire(import.meta.url);

await runSetup('setup:tensorflow', main);

async function main(): Promise<void> {
  const { gpu, undo, from, check, help } = readOptions();
  const kind: Kind = gpu ? 'gpu' : 'cpu';
  if (help) console.log(USAGE);
  else if (check) console.log(await loadAndMultiply(PACKAGES[kind]));
  else if (undo) await removeAll(gpu ? ['gpu'] : ['cpu', 'gpu']);
  else await setUp(kind, from);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        gpu: { type: 'boolean', default: false },
        undo: { type: 'boolean', default: false },
        from: { type: 'string' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.from !== undefined && values.from !== 'stock' && values.from !== 'wheel') {
      throw new TypeError(`--from takes "stock" or "wheel", not "${values.from}"`);
    }
    return { ...values, from: values.from as 'stock' | 'wheel' | undefined };
  } catch (error) {
    throw new SetupError(`${(error as Error).message}\n${USAGE}`);
  }
}

async function setUp(kind: Kind, from: 'stock' | 'wheel' | undefined): Promise<void> {
  const folder = packageFolder(kind);
  if (tensorFlowBinding(PACKAGES[kind]) !== undefined) {
    const found = await tryOut(kind).catch(() => undefined);
    if (found !== undefined) {
      console.log(
        `Already there: ${found}. (Undo with \`${SETUP_COMMAND} -- ${kind === 'gpu' ? '--gpu ' : ''}--undo\`.)`,
      );
      return;
    }
    console.log('There is a binding, but it does not load: making it anew.');
  }
  await removeFrom(folder);
  const problems: string[] = [];
  for (const [way, make] of [
    ['stock', makeFromStock],
    ['wheel', makeFromWheel],
  ] as const) {
    if (from !== undefined && from !== way) continue;
    try {
      await make(kind, folder);
      const found = await tryOut(kind);
      if (kind === 'gpu' && way === 'stock' && hasNvidiaGpu() && found.endsWith('the CPU')) {
        throw new SetupError('the prebuilt TensorFlow 2.9.1 finds no GPU (it wants CUDA 11.2 on the system)');
      }
      console.log(`Done: ${found}.`);
      return;
    } catch (error) {
      await removeFrom(folder);
      if (!(error instanceof SetupError)) throw error;
      problems.push(`${way}: ${error.message}`);
      console.log(`  no: ${error.message}`);
    }
  }
  throw new SetupError(
    `TensorFlow could not be set up. Nothing else needs it: every other engine works without.\n  ${problems.join('\n  ')}`,
  );
}

/** The package's own install script: it downloads TensorFlow's C library and a prebuilt binding. */
async function makeFromStock(kind: Kind, folder: string): Promise<void> {
  console.log(`${PACKAGES[kind]}'s own download`);
  const host = process.env['TFJS_NODE_CDN_STORAGE'] ?? process.env['CDN_STORAGE'] ?? 'https://storage.googleapis.com/';
  await fetch(host, { method: 'HEAD', signal: AbortSignal.timeout(REACHABLE_WITHIN_MS) }).catch(
    ({ cause, message }) => {
      throw new SetupError(`${host} cannot be reached (${cause?.code ?? message})`);
    },
  );
  const binaries = join(dirname(require.resolve('@mapbox/node-pre-gyp/package.json')), '..', '..', '.bin');
  await run(process.execPath, ['scripts/install.js', kind], {
    cwd: folder,
    env: { ...process.env, PATH: `${binaries}${delimiter}${process.env['PATH']}` },
    stdio: 'inherit',
    timeout: STOCK_WITHIN_MS,
  });
  // Nobody publishes checksums of these downloads: what came is named, so that two machines can be compared.
  for (const file of await readdir(join(folder, 'deps', 'lib'))) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(folder, 'deps', 'lib', file)), hash);
    console.log(`  sha256 of what came: ${hash.digest('hex')}  ${file}`);
  }
}

/** The binding compiled against TensorFlow's Python wheel, whose layout is kept so that its libraries find one another. */
async function makeFromWheel(kind: Kind, folder: string): Promise<void> {
  const set = wheelSet(kind, process.platform, process.arch);
  if (set === undefined) {
    throw new SetupError(`no TensorFlow wheel is known for ${kind} on ${process.platform} ${process.arch}`);
  }
  await requireTools(folder, set);
  const site = join(folder, 'deps', 'site-packages');
  await unpackWheels(set, site, join(folder, 'deps'));
  await compileBinding(folder, join(site, 'tensorflow'));
  await keepLibraries(site);
}

async function requireTools(folder: string, { diskSpace }: WheelSet): Promise<void> {
  const missing = await missingForWheels(folder, diskSpace);
  if (await lacks(COMPILER, ['--version'])) missing.unshift(`a C++ compiler (${COMPILER}; Debian: apt install g++)`);
  if (missing.length > 0) throw new SetupError(`this machine lacks ${missing.join('; ')}`);
}

async function compileBinding(folder: string, tensorflow: string): Promise<void> {
  console.log(`${COMPILER}: the binding`);
  const sources = ['tfjs_backend', 'tfjs_binding'];
  const includes = ['..', require('node-api-headers').include_dir, join(tensorflow, 'include')].flatMap(path => [
    '-I',
    path,
  ]);
  const flags = ['-std=c++17', '-O2', '-fPIC', '-fno-exceptions', ...DEFINITIONS.map(definition => `-D${definition}`)];
  const object = (source: string) => join('deps', `${source}.o`);
  await Promise.all(
    sources.map(source =>
      run(COMPILER, [...flags, ...includes, '-c', `binding/${source}.cc`, '-o', object(source)], { cwd: folder }),
    ),
  );
  const output = join('lib', `napi-v${NODE_API_VERSION}`, 'tfjs_binding.node');
  await mkdir(join(folder, dirname(output)), { recursive: true });
  const libraries = ['-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'];
  const runPath = `-Wl,-rpath,$ORIGIN/../../${relative(folder, tensorflow)}`;
  const link = ['-shared', '-o', output, ...sources.map(object), runPath, '-L', tensorflow, ...libraries];
  await run(COMPILER, link, { cwd: folder });
  for (const source of sources) await rm(join(folder, object(source)));
}

/** Deletes what is only for Python and for compiling: most of the files, and a third of the bytes. */
async function keepLibraries(site: string): Promise<void> {
  const deleteAllBut = async (folder: string, keep: RegExp) => {
    const others = (await readdir(folder)).filter(name => !keep.test(name));
    await Promise.all(others.map(name => rm(join(folder, name), { recursive: true })));
  };
  await deleteAllBut(site, /^(tensorflow|nvidia)$/);
  await deleteAllBut(join(site, 'tensorflow'), /^lib.*\.so/);
}

async function removeAll(kinds: readonly Kind[]): Promise<void> {
  for (const kind of kinds) {
    const folder = packageFolder(kind);
    const there = existsSync(join(folder, 'deps')) || existsSync(join(folder, 'lib'));
    await removeFrom(folder);
    console.log(`${PACKAGES[kind]}: ${there ? 'removed what was set up' : 'nothing to remove'}`);
  }
}

/** Neither folder comes with the npm package: both are only ever made by a set-up, the package's own or ours. */
async function removeFrom(folder: string): Promise<void> {
  for (const name of ['deps', 'lib']) await rm(join(folder, name), { recursive: true, force: true });
}

function packageFolder(kind: Kind): string {
  const name: TensorFlowPackage = PACKAGES[kind];
  const folder = tensorFlowPackageFolder(name);
  if (folder === undefined) throw new SetupError(`${name} is not installed: run \`npm install\` first`);
  return folder;
}

/** Loads the binding in a process of its own, since one process can load only one; gives what was found. */
async function tryOut(kind: Kind): Promise<string> {
  const script = fileURLToPath(import.meta.url);
  return await run(process.execPath, [...process.execArgv, script, '--check', ...(kind === 'gpu' ? ['--gpu'] : [])]);
}

async function loadAndMultiply(name: TensorFlowPackage): Promise<string> {
  const { backendName, provider, detail } = await prepareBackend({ package: name });
  await tf.setBackend(backendName);
  const [product] = await tf.matMul(tf.ones([1, 3]), tf.ones([3, 1])).data();
  if (product !== 3) throw new SetupError(`${provider} loads but multiplies wrongly: got ${product}, expected 3`);
  return `${provider}: ${detail}`;
}
