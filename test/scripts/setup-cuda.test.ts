/** The parts of `npm run setup:cuda` that need neither a network nor a card. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { describeDriver, parseCards } from '../../scripts/cuda/driver.ts';
import { findGroup, foldersOfLinkerCache } from '../../scripts/cuda/find-libraries.ts';
import { findCuda, listLibraries, undoCuda } from '../../scripts/cuda/provider-folder.ts';
import {
  cudaWheelSet,
  LIBRARY_GROUPS,
  type LibraryGroup,
  ONNX_RUNTIME_VERSION,
  PROVIDER_WHEEL,
} from '../../scripts/cuda/wheels.ts';
import { run, SetupError } from '../../scripts/setup/run-command.ts';
import { inWords, requirements } from '../../scripts/setup/wheels.ts';
import { wheelSet } from '../../scripts/tensorflow-wheels.ts';
import { CUDA_LIBRARY_LIST, CUDA_PROVIDER, loadingProblem } from '../../src/sessions/cuda-libraries.ts';

const group = (name: string): LibraryGroup => LIBRARY_GROUPS.find(candidate => candidate.name === name)!;

describe('wheels of the CUDA provider', () => {
  it('are of the installed version of onnxruntime-node', () => {
    const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
    expect(ONNX_RUNTIME_VERSION).to.equal(version);
    expect(PROVIDER_WHEEL.version).to.equal(version);
  });

  it('are pinned one by one for pip, TensorFlow’s as well', () => {
    const set = cudaWheelSet([PROVIDER_WHEEL, ...LIBRARY_GROUPS.map(({ wheel }) => wheel)]);
    for (const wheels of [set, wheelSet('gpu', 'linux', 'x64')!, wheelSet('cpu', 'linux', 'x64')!]) {
      const lines = requirements(wheels).trimEnd().split('\n');
      expect(lines).to.have.length(wheels.wheels.length);
      for (const line of lines) expect(line).to.match(/^[a-z0-9-]+==[\d.]+ --hash=sha256:[0-9a-f]{64}$/);
    }
    expect(wheelSet('gpu', 'win32', 'x64')).to.equal(undefined);
  });

  it('ask for room for the download and twice what is unpacked', () => {
    const size = { download: 10, unpacked: 100 };
    expect(cudaWheelSet([{ name: 'a', version: '1', sha256: '', size }]).diskSpace).to.equal(210);
    expect([inWords(246_685_715), inWords(1_170_000_000)]).to.deep.equal(['247 MB', '1.17 GB']);
  });
});

describe('findGroup', () => {
  const places: Readonly<Record<string, readonly string[]>> = {
    // A toolkit without cuBLAS, a Python with everything, and one of another major version.
    '/usr/local/cuda/lib64': ['libcudart.so', 'libcudart.so.13', 'libcublas.so.13'],
    '/python/nvidia/cu13/lib': ['libcublas.so.13', 'libcublasLt.so.13', 'libnvrtc.so.13', 'libnvrtc-builtins.so.13.0'],
    '/old': ['libcublas.so.12', 'libcublasLt.so.12', 'libcudart.so.12', 'libnvrtc.so.13', 'libnvrtc.alt.so.13'],
  };
  const find = (name: string) =>
    findGroup(group(name), ['/nowhere', ...Object.keys(places)], folder => places[folder] ?? []);

  it('takes the first folder that holds the whole group, and its files in the order of loading', () => {
    expect(find('CUDA runtime')?.libraries).to.deep.equal(['/usr/local/cuda/lib64/libcudart.so.13']);
    expect(find('cuBLAS')?.libraries).to.deep.equal([
      '/python/nvidia/cu13/lib/libcublasLt.so.13',
      '/python/nvidia/cu13/lib/libcublas.so.13',
    ]);
    expect(find('NVRTC')?.libraries).to.deep.equal([
      '/python/nvidia/cu13/lib/libnvrtc-builtins.so.13.0',
      '/python/nvidia/cu13/lib/libnvrtc.so.13',
    ]);
    expect(find('cuRAND')).to.equal(undefined);
  });

  it('reads the linker’s cache', () => {
    const printed = `3 libs found in cache \`/etc/ld.so.cache'
\tlibcudart.so.13 (libc6,x86-64) => /usr/local/cuda-13.0/lib/libcudart.so.13
\tlibcupti.so.13 (libc6,x86-64) => /usr/local/cuda-13.0/lib/libcupti.so.13
\tlibc.so.6 (libc6) => /lib/i386-linux-gnu/libc.so.6
\tlibc.so.6 (libc6,x86-64, OS ABI: Linux 3.2.0) => /lib/x86_64-linux-gnu/libc.so.6
`;
    expect(foldersOfLinkerCache(printed)).to.deep.equal(['/usr/local/cuda-13.0/lib', '/lib/x86_64-linux-gnu']);
  });
});

describe('NVIDIA’s driver', () => {
  const h100 = 'NVIDIA H100 80GB HBM3, 81559, 9.0, 580.159.04';

  it('is read from nvidia-smi', () => {
    const driver = parseCards(`${h100}\nTesla T4, 15360, 7.5, 580.159.04\n`);
    expect(driver.version).to.equal('580.159.04');
    expect(driver.cards).to.deep.equal([
      { name: 'NVIDIA H100 80GB HBM3', memoryMiB: 81559, computeCapability: '9.0' },
      { name: 'Tesla T4', memoryMiB: 15360, computeCapability: '7.5' },
    ]);
  });

  it('is told in one line, with what CUDA 13 does not run on', () => {
    expect(describeDriver(undefined)).to.match(/^no NVIDIA driver was found .* 580 or newer$/);
    expect(describeDriver(parseCards(h100))).to.equal(
      'driver 580.159.04, NVIDIA H100 80GB HBM3 (81559 MiB, compute capability 9.0)',
    );
    expect(describeDriver(parseCards('A, 1000, 8.0, 570.86.10'))).to.match(
      /570\.86\.10.*too old, CUDA 13 needs driver 580/,
    );
    expect(describeDriver(parseCards('Tesla V100, 16160, 7.0, 580.1.1'))).to.match(/needs compute capability 7\.5/);
    expect(describeDriver({ cards: [] })).to.equal('driver of unknown version, no card named');
  });
});

describe('onnxruntime-node’s provider folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'provider-'));
    writeFileSync(join(folder, 'onnxruntime_binding.node'), 'theirs');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('prefers what a set-up brought, lists it, and is undone to what npm put there', async () => {
    mkdirSync(join(folder, 'cuda'));
    const ours = LIBRARY_GROUPS.flatMap(({ libraries }) => libraries).map(({ source }) =>
      source.replace('\\d+', '0').replaceAll(/[\\^$]/g, ''),
    );
    for (const name of [...ours.map(file => join('cuda', file)), CUDA_PROVIDER, 'libonnxruntime_providers_shared.so']) {
      writeFileSync(join(folder, name), '');
    }
    const { hasProvider, found, missing } = await findCuda(folder);
    expect(hasProvider).to.equal(true);
    expect(missing).to.deep.equal([]);
    await listLibraries(folder, found);
    const { libraries } = JSON.parse(readFileSync(join(folder, CUDA_LIBRARY_LIST), 'utf8')) as { libraries: string[] };
    expect(libraries.filter(path => path.startsWith(folder))).to.deep.equal(
      ours.map(file => join(folder, 'cuda', file)),
    );

    expect(await undoCuda(folder)).to.include.members(['cuda', CUDA_PROVIDER, CUDA_LIBRARY_LIST]);
    expect(readdirSync(folder)).to.deep.equal(['onnxruntime_binding.node']);
    expect(await undoCuda(folder)).to.deep.equal([]);
  });

  it('says what is missing where nothing was set up', async () => {
    const { hasProvider, missing } = await findCuda(folder, true);
    expect(hasProvider).to.equal(false);
    expect(missing.map(({ name }) => name)).to.deep.equal(LIBRARY_GROUPS.map(({ name }) => name));
  });
});

describe('libraries of the process', () => {
  it('are loaded by path or name, or the linker’s words are given', function () {
    if (process.platform !== 'linux') this.skip();
    expect(loadingProblem('libm.so.6')).to.equal(undefined);
    expect(loadingProblem('libnot-there.so.1')).to.match(/^libnot-there\.so\.1: cannot open shared object file/);
  });
});

describe('commands of a set-up', () => {
  it('give what they print, or their last words', async () => {
    expect(await run(process.execPath, ['-e', 'console.log(" yes ")'])).to.equal('yes');
    const failing = ['-e', 'console.error("first\\nlast words"); process.exit(3)'];
    const error = await run(process.execPath, failing).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(SetupError);
    expect((error as Error).message).to.match(/failed \(3\):[\s\S]*last words/);
    expect(await run('no-such-program-here', []).catch((cause: Error) => cause.message)).to.include(
      'no-such-program-here',
    );
    expect(existsSync('no-such-program-here')).to.equal(false);
  });
});
