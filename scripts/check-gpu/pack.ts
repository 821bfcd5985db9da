/**
 * `npm run check:gpu -- --pack DIR`: what a machine without a network, Node or npm needs to run the check, in pieces that can be copied one by
 * one, and run.sh, which puts them together.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { glob } from 'tinyglobby';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import { CUDA_PROVIDER } from '../../src/sessions/cuda-libraries.ts';
import { unpackChromium } from '../../test/support/bundled-chromium.ts';
import { SetupError } from '../setup/run-command.ts';
import { inWords } from '../setup/wheels.ts';
import { packageClosure } from './package-closure.ts';
import { type PackedComponent, runScript } from './run-script.ts';
import { type Piece, writePieces } from './split.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const ONNX_RUNTIME = 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64';
const TENSORFLOW = 'node_modules/@tensorflow/tfjs-node-gpu';
const CHROMIUM = 'node_modules/.cache/monosemantic/chromium';

/** A part of what is packed. */
interface Component {
  readonly name: string;
  readonly required?: boolean;
  /** Says why the component cannot be packed; undefined where it can. */
  problem?(): string | undefined;
  /** Its files, relative to `base`, and where they go in the unpacked folder. */
  files(): Promise<{ readonly base: string; readonly paths: readonly string[]; readonly into: string }>;
}

const IN_PACKAGE = 'monosemantic';

/** Everything that is packed, a component each. */
export const COMPONENTS: readonly Component[] = [
  {
    name: 'node',
    required: true,
    files: async () => {
      const node = await realpath(process.execPath);
      return { base: dirname(node), paths: [node.slice(dirname(node).length + 1)], into: 'node/bin' };
    },
  },
  {
    name: 'package',
    required: true,
    files: async () =>
      inPackage([
        'package.json',
        'src/**',
        'scripts/**',
        'bench/**',
        'models/*.onnx',
        'test/reference/*.json',
        'test/support/**',
      ]),
  },
  {
    name: 'modules',
    required: true,
    files: async () => ({ base: ROOT, paths: await moduleFiles(), into: IN_PACKAGE }),
  },
  {
    name: 'vulkan',
    files: async () => {
      await unpackChromium();
      return inPackage([`${CHROMIUM}/{libvulkan.so.1,libvk_swiftshader.so,vk_swiftshader_icd.json}`]);
    },
  },
  {
    name: 'cuda-provider',
    problem: () =>
      existsSync(join(ROOT, ONNX_RUNTIME, CUDA_PROVIDER)) ? undefined : 'it is not set up: npm run setup:cuda -- --own',
    files: async () => inPackage([`${ONNX_RUNTIME}/libonnxruntime_providers_*.so`]),
  },
  cudaLibraries('cuda-libraries', '{libcudart,libcublas,libcurand}*'),
  cudaLibraries('cudnn', '{libcudnn,libnvrtc}*'),
  {
    name: 'tensorflow',
    problem: () =>
      existsSync(join(ROOT, TENSORFLOW, 'lib')) ? undefined : 'it is not set up: npm run setup:tensorflow -- --gpu',
    files: async () => inPackage([`${TENSORFLOW}/{deps,lib}/**`]),
  },
];

function cudaLibraries(name: string, pattern: string): Component {
  return {
    name,
    problem: () =>
      existsSync(join(ROOT, ONNX_RUNTIME, 'cuda')) ? undefined : 'they are not set up: npm run setup:cuda -- --own',
    files: async () => inPackage([`${ONNX_RUNTIME}/cuda/${pattern}`]),
  };
}

/**
 * Writes the pieces of every component that is not among `without` and run.sh into `folder`, which must be empty or not exist.
 *
 * @throws SetupError where a component is not set up here, before anything is written.
 */
export async function pack(folder: string, without: readonly string[], pieceBytes: number): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(`packs are for Linux x64 and made there; this is ${process.platform} ${process.arch}`);
  }
  const wanted = COMPONENTS.filter(({ name }) => !without.includes(name));
  const problems = wanted.flatMap(({ name, problem }) => {
    const reason = problem?.();
    return reason === undefined ? [] : [`${name}: ${reason}, or leave it out: --without ${name}`];
  });
  if (problems.length > 0) throw new SetupError(`not everything can be packed:\n  ${problems.join('\n  ')}`);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new SetupError(`${folder} is not empty`);

  const contents = await Promise.all(wanted.map(async component => ({ component, ...(await component.files()) })));
  console.log('To pack, before compression:');
  for (const { component, base, paths } of contents) {
    const sizes = await Promise.all(paths.map(async path => (await stat(join(base, path))).size));
    console.log(
      `  ${component.name.padEnd(15)} ${inWords(sizes.reduce((sum, size) => sum + size, 0)).padStart(8)}  ${paths.length} files`,
    );
  }
  const packed: PackedComponent[] = [];
  for (const { component, base, paths, into } of contents) {
    const pieces = await packFiles(folder, component.name, base, paths, into, pieceBytes);
    packed.push({ name: component.name, required: component.required ?? false, pieces });
    console.log(
      `${component.name}: ${pieces.length} ${pieces.length === 1 ? 'piece' : 'pieces'}, ${inWords(bytesOf(pieces))}`,
    );
  }
  await writeFileAtomic(join(folder, 'run.sh'), runScript(packed));
  const pieces = packed.flatMap(component => component.pieces);
  console.log(`${pieces.length} pieces, ${inWords(bytesOf(pieces))}; there: sh run.sh`);
}

/** A compressed tar archive of `paths`, in pieces. */
export async function packFiles(
  folder: string,
  name: string,
  base: string,
  paths: readonly string[],
  into: string,
  pieceBytes: number,
): Promise<Piece[]> {
  // Links are followed: pip and npm make some that lead elsewhere.
  const options = ['--dereference', '--null', '--files-from=-', `--transform=s,^,${into}/,`, '--owner=0', '--group=0'];
  const tar = spawn('tar', ['-C', base, ...options, '-cf', '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
  tar.stdin.end(
    [...paths]
      .sort()
      .map(path => `${path}\0`)
      .join(''),
  );
  const ended = endOf(tar);
  const pieces = await writePieces(tar.stdout.pipe(createGzip()), folder, `${name}.tar.gz`, pieceBytes);
  await ended;
  return pieces;
}

function bytesOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { bytes }) => sum + bytes, 0);
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => (code === 0 ? resolve() : reject(new SetupError(`tar failed with status ${code}`))));
  });
}

async function inPackage(patterns: readonly string[]) {
  const paths = await glob([...patterns], {
    cwd: ROOT,
    dot: true,
    ignore: patterns[0]?.startsWith('node_modules') ? [] : ['**/node_modules/**'],
  });
  return { base: ROOT, paths, into: IN_PACKAGE };
}

/** The packages' files that Node on Linux x64 reads. */
async function moduleFiles(): Promise<string[]> {
  const folders = packageClosure(ROOT, MODULES);
  const files = await Promise.all(
    folders.map(folder =>
      glob(['**'], {
        cwd: folder,
        dot: true,
        ignore: [
          'node_modules/**',
          '**/*.{map,md,ts,mts,cts,flow,cc,h,zip,br}',
          '**/*.{min,es2017,es2017.min,fesm,fesm.min}.js',
          ...(UNUSED[relative(join(ROOT, 'node_modules'), folder)] ?? []),
        ],
      }).then(paths => paths.map(path => join(relative(ROOT, folder), path))),
    ),
  );
  return files.flat();
}

/** What the check imports; with them goes what they depend on. */
const MODULES = [
  '@sparticuz/chromium',
  '@tensorflow/tfjs',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-backend-webgpu',
  '@tensorflow/tfjs-node-gpu',
  '@petamoriken/float16',
  'cli-progress',
  'commander',
  'd3-array',
  'd3-random',
  'fflate',
  'linear-sum-assignment',
  'onnx-proto',
  'onnxruntime-common',
  'onnxruntime-node',
  'pure-rand',
  'tinyglobby',
  'tsx',
  'webgpu',
];

/** Files of other platforms and bundlers, by package; and what components of their own carry. */
const UNUSED: Readonly<Record<string, readonly string[]>> = {
  '@tensorflow/tfjs-node-gpu': ['deps/**', 'lib/**', 'binding/**'],
  'onnxruntime-node': [
    'bin/napi-v6/{darwin,win32}/**',
    'bin/napi-v6/linux/arm64/**',
    'bin/napi-v6/linux/x64/cuda/**',
    'bin/napi-v6/linux/x64/*providers*',
    'bin/napi-v6/linux/x64/*.json',
  ],
  webgpu: ['dist/{darwin-universal,linux-arm64,win32-arm64,win32-x64}/**', 'build/**'],
};
