/**
 * The package as it is published: built, packed, installed into an empty project with onnxruntime-node alone, and used from Node (ESM and
 * CommonJS), from TypeScript, from a bundler and from a page in Chromium. Needs npm's cache or the registry.
 */
import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSaeFolder } from '../../src/export/load-sae-folder.ts';
import { fromNested, type NestedArray, toNested } from '../../src/tensor.ts';
import { caseFolders, expectClose, readAnswers } from '../export/checkpoint-cases.ts';
import { browserLacks, launchBrowser, serveFolder } from '../support/browser.ts';
import { installPackedApp, type PackedApp, ROOT, sourceModules } from './packed-app.ts';

/** What inference and the command line need. Every addition makes every app heavier: think twice. */
const OWN_DEPENDENCIES = [
  '@petamoriken/float16',
  'cli-progress',
  'commander',
  'd3-random',
  'fflate',
  'pure-rand',
  'tinyglobby',
];
/** What cli-progress and tinyglobby bring. */
const THEIR_DEPENDENCIES = [
  'fdir',
  'picomatch',
  'ansi-regex',
  'emoji-regex',
  'is-fullwidth-code-point',
  'string-width',
  'strip-ansi',
];

const UNWANTED = /tensorflow|protobufjs|onnx-proto|onnxruntime-web|\bd3-(?!random)|commander\/node_modules/;

describe('the package', function () {
  this.timeout(300_000);
  let app: PackedApp;
  let answers: Awaited<ReturnType<typeof readAnswers>>;
  let activations: string;

  before(async function () {
    try {
      app = await installPackedApp();
    } catch (error) {
      const { stderr = '' } = error as { stderr?: string };
      if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED/.test(stderr)) throw error;
      console.log("      skipped: npm's registry cannot be reached, and its cache lacks what is to be installed");
      this.skip();
    }
    answers = await readAnswers(caseFolders['topk']!);
    const { sae } = await loadSaeFolder(caseFolders['topk']!);
    await app.write('sae.onnx', frozenSaeToOnnx(sae));
    activations = JSON.stringify(toNested(answers.x));
  });
  after(() => app?.remove());

  /** Compares features that a program printed as JSON rows. */
  const expectFeatures = (printed: string): void =>
    expectClose(fromNested(JSON.parse(printed) as NestedArray), answers.features, 'features');

  it('brings a few small packages, nothing of TensorFlow.js and no old protobufjs', async () => {
    const { packages } = JSON.parse(await readFile(join(app.folder, 'package-lock.json'), 'utf8'));
    const runtimes = new Set<string>();
    const collect = (name: string): void => {
      if (runtimes.has(name)) return;
      runtimes.add(name);
      for (const needed of Object.keys(packages[`node_modules/${name}`]?.dependencies ?? {})) collect(needed);
    };
    collect('onnxruntime-node');
    const others = app.installed.filter(name => !runtimes.has(name));
    expect(others).to.deep.equal([...OWN_DEPENDENCIES, ...THEIR_DEPENDENCIES, 'monosemantic'].sort());
    expect(app.installed.filter(name => UNWANTED.test(name))).to.deep.equal([]);
  });

  it('passes publint and attw', async () => {
    const tarball = await readFile(app.tarball);
    const { messages, pkg } = await publint({
      pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) },
      strict: true,
    });
    expect(messages.map(message => formatMessage(message, pkg!))).to.deep.equal([]);
    const attw = join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    await app.run(process.execPath, [attw, '--profile', 'esm-only', app.tarball]);
  });

  it('holds what it needs and no more', async () => {
    const listed = await app.run('tar', ['-tzf', app.tarball]);
    const names = listed
      .trim()
      .split('\n')
      .map(name => name.replace(/^package\//, ''));
    const outside = names.filter(name => !/^(dist\/|bin\/|package\.json$|README\.md$|LICENSE$)/.test(name));
    expect(outside).to.deep.equal([]);
    expect(names).to.include.members([
      'LICENSE',
      'dist/LICENSES.txt',
      'bin/monosemantic.js',
      'dist/inference/node.d.ts',
    ]);
  });

  const inNode = (load: string): string => `${load}
    const activations = ${'ACTIVATIONS'};
    (async () => {
      const sae = await loadSae('sae.onnx', { worker: WORKER });
      const { data, shape } = await sae.encode(activations);
      const rows = Array.from({ length: shape[0] }, (_, i) => [...data.subarray(i * shape[1], (i + 1) * shape[1])]);
      console.log(JSON.stringify(rows));
      await sae.dispose();
    })();
  `;
  const loads = {
    'app.mjs': "import { loadSae } from 'monosemantic/inference';",
    'app.cjs': "const { loadSae } = require('monosemantic/inference');",
  };
  for (const [file, load] of Object.entries(loads)) {
    for (const worker of ['false', 'true']) {
      it(`runs in Node from ${file}${worker === 'true' ? ', in a worker' : ''}`, async () => {
        await app.write(file, inNode(load).replace('ACTIVATIONS', activations).replace('WORKER', worker));
        expectFeatures(await app.run(process.execPath, [file]));
      });
    }
  }

  it('has a command line', async () => {
    const command = join(app.folder, 'node_modules/.bin/monosemantic');
    expect(await app.run(command, ['--help'])).to.include('Usage: monosemantic');
    await app.write('x.json', activations);
    expectFeatures(await app.run(command, ['encode', 'sae.onnx', '--input', 'x.json']));
    const failure = await app.run(command, ['convert', 'nowhere', 'x.onnx']).catch((error: Error) => error);
    // Converting needs TensorFlow.js: the one line says so.
    expect(failure).to.have.property('code', 1);
    expect(failure).to.have.property(
      'stderr',
      'monosemantic: this needs the package @tensorflow/tfjs, which is not installed: npm install @tensorflow/tfjs\n',
    );
  });

  it('has types that hold without skipLibCheck', async () => {
    await app.borrow('@types/node');
    await app.borrow('undici-types');
    await app.write(
      'typed.ts',
      `import { loadSae, type SparseFeatures } from 'monosemantic/inference';
       import { recovery } from 'monosemantic/analysis';
       import { readNpy } from 'monosemantic/files';
       await using sae = await loadSae('sae.onnx', { provider: 'cpu' });
       const features: SparseFeatures = await sae.encode([[1, 2]], { sparse: true });
       const width: number = sae.dSae + features.values.length + readNpy.length + recovery.length;
       // @ts-expect-error: no such option
       await sae.encode([[1]], { spares: true });
       export { width };`,
    );
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const flags = [
      '--noEmit',
      '--strict',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable,dom,dom.iterable',
      '--types',
      'node',
    ];
    const inApp = ['typed.ts', '--module', 'nodenext'];
    await app.run(process.execPath, [compiler, ...flags, ...inApp]).catch((error: { stdout?: string }) => {
      throw new Error(error.stdout);
    });
    const inBundler = [
      'typed.ts',
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
      '--customConditions',
      'browser',
    ];
    await app.run(process.execPath, [compiler, ...flags, ...inBundler]).catch((error: { stdout?: string }) => {
      throw new Error(error.stdout);
    });
  });

  it('bundles for Node without TensorFlow.js, protobufjs or the rest of this package', async () => {
    await app.write(
      'bundled.mjs',
      inNode(loads['app.mjs']).replace('ACTIVATIONS', activations).replace('WORKER', 'false'),
    );
    const { metafile } = await build({
      absWorkingDir: app.folder,
      entryPoints: ['bundled.mjs'],
      outfile: join(app.folder, 'out.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['onnxruntime-node'],
      metafile: true,
    });
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.filter(name => UNWANTED.test(name))).to.deep.equal([]);
    const rooms = inputs.flatMap(name => /monosemantic\/dist\/(\w+)\//.exec(name)?.[1] ?? []);
    expect([...new Set(rooms)].sort()).to.deep.equal(['files', 'inference', 'onnx', 'sessions']);
    expectFeatures(await app.run(process.execPath, ['out.mjs']));
  });

  it('keeps the kernel rules when a bundler drops what is not used', async () => {
    await app.borrow('@tensorflow');
    await app.write(
      'compile.mjs',
      `import * as tf from '@tensorflow/tfjs';
       import { compile, encodeModel } from 'monosemantic/compile';
       const graph = compile(({ x }) => ({ y: tf.relu(tf.matMul(x, tf.ones([4, 2]))) }), { inputs: { x: ['batch', 4] } });
       console.log(graph.nodes.map(node => node.op).join(), encodeModel(graph).length > 0);`,
    );
    await build({
      absWorkingDir: app.folder,
      entryPoints: ['compile.mjs'],
      outfile: join(app.folder, 'compiled.mjs'),
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      external: ['@tensorflow/*'],
    });
    expect(await app.run(process.execPath, ['compiled.mjs'])).to.match(/Relu true$/m);
  });

  it('trains bundled too, where what runs in threads was left out, and says so', async () => {
    await app.borrow('@tensorflow');
    await app.write(
      'training.mjs',
      `import { createEngine, trainToyModels } from 'monosemantic';
       const settings = { nFeatures: 5, nHidden: 2, sparsity: 0.9, batchSize: 64, steps: 100, seed: 0 };
       createEngine({ engine: 'onnxruntime' }).then(async engine => {
         const { losses, run } = await trainToyModels(settings, { engine });
         console.log(JSON.stringify({ loss: losses[0], reason: run.engine.reason }));
         process.exit();
       });`,
    );
    const answer = async (file: string) =>
      JSON.parse((await app.run(process.execPath, [file])).trim().split('\n').at(-1)!);
    const whole = await answer('training.mjs');
    for (const [format, file] of [
      ['esm', 'trained.mjs'],
      ['cjs', 'trained.cjs'],
    ] as const) {
      await build({
        absWorkingDir: app.folder,
        entryPoints: ['training.mjs'],
        outfile: join(app.folder, file),
        bundle: true,
        platform: 'node',
        format,
        external: ['onnxruntime-node', '@tensorflow/*', 'webgpu'],
        logLevel: 'silent',
      });
      const { loss, reason } = await answer(file);
      expect(loss).to.equal(whole.loss);
      expect(whole.reason).to.equal('asked for');
      expect(reason).to.include('in the calling thread');
    }
  });

  it('runs in a page that Vite built, and in its worker (needs Chromium: Linux on x64)', async function () {
    const lacks = browserLacks();
    await app.borrow('onnxruntime-web');
    await mkdir(join(app.folder, 'web'));
    await app.write(
      'web/index.html',
      '<!doctype html><title>app</title><script type="module" src="/main.js"></script>',
    );
    await app.write(
      'web/main.js',
      `import { loadSae } from 'monosemantic/inference';
       globalThis.encode = async (activations, worker) => {
         const sae = await loadSae('sae.onnx', { provider: 'wasm', worker });
         const { data, shape } = await sae.encode(activations);
         await sae.dispose();
         return { data: [...data], shape };
       };`,
    );
    const modules: string[] = [];
    const { build: viteBuild } = await import('vite');
    await viteBuild({
      root: join(app.folder, 'web'),
      configFile: false,
      logLevel: 'error',
      plugins: [{ name: 'modules', moduleParsed: ({ id }) => void modules.push(id) }],
    });
    expect(modules.some(id => id.includes('monosemantic/dist/inference/browser.js'))).to.equal(true);
    expect(modules.filter(id => /tensorflow|protobufjs|onnx-proto|onnxruntime-node|node:/.test(id))).to.deep.equal([]);
    if (lacks !== undefined) {
      console.log(`      built, not opened: ${lacks}`);
      this.skip();
    }
    const dist = join(app.folder, 'web/dist');
    await cp(join(app.folder, 'sae.onnx'), join(dist, 'sae.onnx'));
    const server = await serveFolder(dist);
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(`${server.url}/`);
      await page.waitForFunction('globalThis.encode');
      for (const worker of [false, true]) {
        const { data, shape } = await page.evaluate<{ data: number[]; shape: number[] }>(
          `encode(${activations}, ${worker})`,
        );
        expectClose({ data: Float32Array.from(data), shape }, answers.features, worker ? 'in a worker' : 'in the page');
      }
    } finally {
      await browser.close();
      await server.close();
    }
  });

  describe('examples/', () => {
    /** What every example prints: the features that fire in each sample. */
    const expectPrinted = (printed: string): void => {
      const rows = toNested(answers.features) as number[][];
      const lines = rows.map((row, sample) => {
        const fires = row.flatMap((value, feature) => (value > 0 ? [`${feature} (${value.toFixed(2)})`] : []));
        return `sample ${sample}: ${fires.join(', ')}`;
      });
      expect(printed.trim().split('\n')).to.deep.equal(lines);
    };
    before(async () => {
      await app.write('activations.json', activations);
      await cp(join(ROOT, 'examples'), app.folder, { recursive: true });
    });

    it('node.mjs', async () => {
      expectPrinted(await app.run(process.execPath, ['node.mjs', 'sae.onnx', 'activations.json']));
    });

    it('python.py (needs Python with onnxruntime and numpy)', async function () {
      const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';
      const found = await app.run(python, ['-c', 'import onnxruntime, numpy']).catch(() => undefined);
      // Python with onnxruntime and numpy: set MONOSEMANTIC_PYTHON
      if (found === undefined) this.skip();
      expectPrinted(await app.run(python, ['python.py', 'sae.onnx', 'activations.json']));
    });

    it('page.html (needs Chromium: Linux on x64)', async function () {
      // The bundled Chromium is for Linux on x64.
      if (browserLacks() !== undefined) this.skip();
      await app.borrow('onnxruntime-web');
      const server = await serveFolder(app.folder);
      const browser = await launchBrowser();
      try {
        const page = await browser.newPage();
        await page.goto(`${server.url}/page.html`);
        await page.setInputFiles('#model', join(app.folder, 'sae.onnx'));
        await page.setInputFiles('#activations', join(app.folder, 'activations.json'));
        await page.waitForFunction('document.getElementById("features").textContent !== ""');
        expectPrinted((await page.textContent('#features'))!);
      } finally {
        await browser.close();
        await server.close();
      }
    });
  });

  describe("README.md's code", () => {
    const blocks = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```(ts|python)\n(.*?)```/gs)].map(
      ([, language, code]) => ({ language, code: code! }),
    );
    before(async () => {
      await app.borrow('@tensorflow');
      await mkdir(join(app.folder, 'models'), { recursive: true });
      await cp(join(ROOT, 'models/sae.onnx'), join(app.folder, 'models/sae.onnx'));
    });

    for (const [i, { language, code }] of blocks.entries()) {
      const [, what = `block ${i}`] = /(loadSae\([^)]*\)|compile|trainSae|InferenceSession)/.exec(code) ?? [];
      it(`${language}: ${what}`, async function () {
        if (language === 'python') {
          const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';
          const found = await app.run(python, ['-c', 'import onnxruntime, numpy']).catch(() => undefined);
          // Python with onnxruntime and numpy: set MONOSEMANTIC_PYTHON
          if (found === undefined) this.skip();
          await app.run(python, ['-c', code]);
          return;
        }
        // What only a page has is given here.
        const given = 'const [batch, activations] = [2, new Float32Array(4)];\n';
        const file = 'const fileInput = { files: [await (await import("node:fs")).openAsBlob("models/sae.onnx")] };\n';
        await app.write('readme.ts', code.includes('fileInput') ? given + file + code : code);
        const tsx = pathToFileURL(join(ROOT, 'node_modules/tsx/dist/loader.mjs')).href;
        await app.run(process.execPath, ['--import', tsx, 'readme.ts']);
      });
    }
  });

  it("passes this repository's own tests of inference", async () => {
    // The same tests, with each module of src/ standing for the one that was published.
    for (const name of await sourceModules()) {
      const stub = join(app.folder, 'src', `${name}.ts`);
      await mkdir(dirname(stub), { recursive: true });
      const published =
        name === 'inference/node'
          ? 'monosemantic/inference'
          : join(app.folder, 'node_modules/monosemantic/dist', `${name}.js`);
      await writeFile(stub, `export * from ${JSON.stringify(published)};\n`);
    }
    for (const part of ['inference', 'reference', 'fixtures']) {
      await cp(join(ROOT, 'test', part), join(app.folder, 'test', part), { recursive: true });
    }
    await app.borrow('chai');
    const mocha = join(ROOT, 'node_modules/mocha/bin/mocha.js');
    const tests = ['loaded-sae', 'loaded-toy-model', 'foreign-files'].map(name => `test/inference/${name}.test.ts`);
    const tsx = join(ROOT, 'node_modules/tsx/dist/loader.mjs');
    const flags = ['--no-config', '--node-option', `import=${tsx}`, '--timeout', '60000', '--reporter', 'json'];
    const printed = await app.run(process.execPath, [mocha, ...flags, ...tests]).catch((error: { stdout?: string }) => {
      throw new Error(error.stdout?.slice(-5000));
    });
    const { stats } = JSON.parse(printed);
    expect(stats.failures).to.equal(0);
    expect(stats.passes).to.be.above(30);
  });
});
