/** The parts of `npm run check:gpu` that need no GPU: the table, children that crash or hang, packing and unpacking. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Tensor } from 'onnxruntime-common';
import { compareCodes } from '../../scripts/check-gpu/checks/frozen-models.ts';
import { judged, largestDifference } from '../../scripts/check-gpu/checks/report.ts';
import { runLimited } from '../../scripts/check-gpu/limited-process.ts';
import { childEnvironment } from '../../scripts/check-gpu/machine.ts';
import { toMarkdown, toTable } from '../../scripts/check-gpu/markdown.ts';
import { packFiles } from '../../scripts/check-gpu/pack.ts';
import { packageClosure } from '../../scripts/check-gpu/package-closure.ts';
import { type MachineReport, type Row, withReport } from '../../scripts/check-gpu/row.ts';
import { type PackedComponent, runScript } from '../../scripts/check-gpu/run-script.ts';

let folder: string;

/** A temporary folder for each test of a suite. */
function useFolder(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'check-gpu-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
}

function write(path: string, contents: string | Buffer): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), contents);
}

describe('the table of check:gpu', () => {
  const rows: Row[] = [
    { path: 'onnxruntime cuda', check: 'loads', outcome: 'unavailable', detail: 'no driver | <none>\nhere' },
    { path: 'tfjs webgpu', check: 'loads', outcome: 'ran', detail: 'a card' },
    { path: 'tfjs webgpu', check: 'train TopK 2/5', outcome: 'ran', detail: 'ok', ms: 2, deviceMiB: 1234.5 },
    { path: 'PyTorch', check: 'train TopK 2/5', outcome: 'ran', detail: 'eager', ms: 5 },
    { path: 'tfjs webgpu', check: 'device lost', outcome: 'failed', detail: 'SIGSEGV', hostMiB: 99.6 },
  ];

  it('has checks down and paths across, times beside PyTorch’s', () => {
    expect(toTable(rows).split('\n')).to.deep.equal([
      '| | tfjs-node-gpu | onnxruntime cuda | onnxruntime webgpu | tfjs webgpu | PyTorch |',
      '|---|---|---|---|---|---|',
      '| loads | – | not to be had | – | ran | – |',
      '| train TopK 2/5 | – | – | – | ran, 2.0 ms (2.5×), 1,235 MiB | ran, 5.0 ms |',
      '| device lost | – | – | – | **failed** | – |',
    ]);
  });

  it('says below it what each cell means, whatever libraries have said', () => {
    const page = toMarkdown([{ card: 'A card', machine: { node: 'v20' }, date: '2026-11-26', rows }]);
    expect(page).to.include('## A card\n');
    expect(page).to.include('- loads: not to be had. no driver \\| &lt;none> here\n');
    expect(page).to.include('- device lost: **failed**. SIGSEGV (100 MiB of host memory)');
  });

  it('keeps the rows of paths that were not run again', () => {
    const report = (...paths: readonly Row['path'][]): MachineReport => ({
      card: 'a',
      date: '',
      machine: {},
      rows: paths.map(path => ({ path, check: 'loads', outcome: 'ran', detail: String(paths.length) })),
    });
    const [merged] = withReport([report('tfjs webgpu', 'PyTorch')], report('PyTorch'));
    expect(merged!.rows.map(({ path, detail }) => path + detail)).to.deep.equal(['tfjs webgpu2', 'PyTorch1']);
  });

  it('keeps the reports of other cards', () => {
    const report = (card: string, date: string): MachineReport => ({ card, date, machine: {}, rows: [] });
    const reports = withReport([report('a', '1'), report('b', '1')], report('a', '2'));
    expect(reports.map(({ card, date }) => card + date)).to.deep.equal(['b1', 'a2']);
  });
});

describe('figures of check:gpu', () => {
  it('differ relative to what is expected, and never pass as NaN', () => {
    expect(largestDifference([1, 200], [1, 100])).to.equal(1);
    expect(largestDifference([0.5], [0.25])).to.equal(0.25);
    expect(largestDifference([Number.NaN, 3], [1, 3])).to.be.NaN;
    expect(largestDifference([1], [1, 2])).to.equal(Number.POSITIVE_INFINITY);
    expect(judged('x', 1e-6, 1e-5, '').outcome).to.equal('ran');
    expect(judged('x', 1e-4, 1e-5, '').outcome).to.equal('wrong');
    expect(judged('x', Number.NaN, 1e-5, '').outcome).to.equal('wrong');
  });

  it('compare codes by values, and count rows that choose other latents', () => {
    const codes = (values: number[], indices: number[]) => ({
      feature_values: new Tensor('float32', Float32Array.from(values), [2, 2]),
      feature_indices: new Tensor('int64', BigInt64Array.from(indices, BigInt), [2, 2]),
    });
    const expected = codes([3, 1, 2, 1], [5, 6, 7, 8]);
    expect(compareCodes(codes([1, 3, 2, 1], [6, 5, 7, 8]), expected, 2)).to.deep.equal({ difference: 0, otherRows: 0 });
    expect(compareCodes(codes([3, 1, 2, 1], [5, 9, 7, 8]), expected, 2)).to.deep.equal({ difference: 0, otherRows: 1 });
    expect(compareCodes(codes([3, 1, 2, 1.5], [5, 6, 7, 8]), expected, 2).difference).to.equal(0.5);
    expect(compareCodes(codes([3, 1, 0, 0], [5, 6, 0, 0]), expected, 1)).to.deep.equal({ difference: 0, otherRows: 0 });
  });
});

describe('childEnvironment', () => {
  it('adds the driver’s folders after what was there', () => {
    expect(childEnvironment({ LD_LIBRARY_PATH: '/a:' }, ['/b', '/a'])['LD_LIBRARY_PATH']).to.equal('/a:/b');
    expect(childEnvironment({ X: '1' }, [])).to.deep.equal({ X: '1' });
  });
});

describe('runLimited', () => {
  useFolder();
  const program = (code: string) => runLimited<unknown>(['-e', code], { seconds: 20 });

  it('gives what a process sent before it ended well', async () => {
    const found = await program('process.send({ a: 1 }); process.send({ b: 2 }, () => process.exit(0))');
    expect(found).to.deep.equal({ messages: [{ a: 1 }, { b: 2 }], lastWords: '' });
  });

  it('keeps what came before a crash, and says how it ended', async () => {
    const died = await program('process.send(1, () => process.kill(process.pid, "SIGSEGV"))');
    expect(died).to.deep.include({ messages: [1], problem: 'the process ended with SIGSEGV' });
    const failed = await program('console.error("\\x1b[31mCUDA error: out of luck\\x1b[m"); process.exit(3)');
    expect(failed.problem).to.equal('the process ended with status 3');
    expect(failed.lastWords).to.equal('CUDA error: out of luck');
  });

  it('ends a process that hangs, and what that one started', async () => {
    const pidFile = join(folder, 'pid');
    const code = `
      const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
      require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
      process.send('started');
      for (;;) {}`;
    const found = await runLimited<unknown>(['-e', code], { seconds: 1.5 });
    expect(found.problem).to.equal('not done after 1.5 s');
    // A machine that is busy may not have come as far as starting it.
    if (existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '') {
      const pid = Number(readFileSync(pidFile, 'utf8'));
      // A signal is sent, not obeyed, when the call that sends it returns.
      for (let waited = 0; waited < 5000 && !['gone', 'Z'].includes(stateOf(pid)); waited += 50) await setTimeout(50);
      expect(stateOf(pid)).to.be.oneOf(['gone', 'Z']);
    }
  });
});

/** A process's state in /proc, `gone` where there is none. */
function stateOf(pid: number): string {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1]!;
  } catch {
    return 'gone';
  }
}

describe('packs of check:gpu', () => {
  useFolder();
  const big = randomBytes(10_000);

  /** A pack of three components whose "Node" is a shell script that tells how it was called. */
  async function makePack(): Promise<PackedComponent[]> {
    write('from/node', '#!/bin/sh\nfor argument; do echo "$argument"; done\n');
    spawnSync('chmod', ['+x', join(folder, 'from/node')]);
    write('from/src/a file.txt', 'a');
    write('from/src/deep/big.bin', big);
    write('from/extra/more.txt', 'more');
    mkdirSync(join(folder, 'pack'));
    const packed = async (name: string, required: boolean, paths: string[], into: string) => ({
      name,
      required,
      pieces: await packFiles(join(folder, 'pack'), name, join(folder, 'from'), paths, into, 4096),
    });
    const components = [
      await packed('node', true, ['node'], 'node/bin'),
      await packed('package', true, ['src/a file.txt', 'src/deep/big.bin'], 'monosemantic'),
      await packed('extra', false, ['extra/more.txt'], 'monosemantic'),
    ];
    write('pack/run.sh', runScript(components));
    return components;
  }

  const runPack = (...options: string[]) => {
    const script = join(folder, 'pack', 'run.sh');
    const { status, stdout, stderr } = spawnSync('sh', [script, ...options], { encoding: 'utf8', cwd: tmpdir() });
    return { status, lines: stdout.trimEnd().split('\n'), stderr };
  };
  const unpacked = (path: string) => join(folder, 'pack/unpacked', path);

  before(function () {
    if (process.platform !== 'linux') this.skip();
  });

  it('come in pieces, and are put together and run to the same bytes', async () => {
    const components = await makePack();
    const pieces = components[1]!.pieces;
    expect(pieces.map(({ name, bytes }) => [name, bytes])).to.deep.include.members([
      ['package.tar.gz.001', 4096],
      ['package.tar.gz.002', 4096],
    ]);
    expect(pieces.length).to.equal(3);
    const { status, lines } = runPack('--seconds', '7');
    expect(status).to.equal(0);
    expect(lines.slice(-4)).to.deep.equal(['--output', join(folder, 'pack/results'), '--seconds', '7']);
    expect(lines).to.include(unpacked('monosemantic/scripts/check-gpu.ts'));
    expect(readFileSync(unpacked('monosemantic/src/deep/big.bin')).equals(big)).to.equal(true);
    expect(readFileSync(unpacked('monosemantic/src/a file.txt'), 'utf8')).to.equal('a');
    expect(statSync(unpacked('node/bin/node')).mode & 0o111).to.equal(0o111);
    // What is unpacked stays: the pieces are not needed again.
    writeFileSync(unpacked('monosemantic/src/a file.txt'), 'kept');
    expect(runPack().stderr).to.equal('');
    expect(readFileSync(unpacked('monosemantic/src/a file.txt'), 'utf8')).to.equal('kept');
  });

  it('go on without an optional part, and take it when it comes; stop without a required one', async () => {
    await makePack();
    const piece = (name: string) => join(folder, 'pack', name);
    copyFileSync(piece('extra.tar.gz.001'), join(folder, 'aside'));
    rmSync(piece('extra.tar.gz.001'));
    expect(runPack('--unpack-only')).to.deep.include({ status: 0 });
    expect(runPack('--unpack-only').stderr).to.match(/extra is not complete.*extra\.tar\.gz\.001/);
    copyFileSync(join(folder, 'aside'), piece('extra.tar.gz.001'));
    expect(runPack('--unpack-only').stderr).to.include('unpacking extra');
    expect(readFileSync(unpacked('monosemantic/extra/more.txt'), 'utf8')).to.equal('more');

    rmSync(join(folder, 'pack/unpacked'), { recursive: true });
    rmSync(piece('package.tar.gz.002'));
    const { status, stderr } = runPack();
    expect(status).to.equal(1);
    expect(stderr).to.match(/package is not complete, these are not here: package\.tar\.gz\.002/);
  });

  it('refuse a piece that differs in one byte, and name it', async () => {
    await makePack();
    appendFileSync(join(folder, 'pack/package.tar.gz.002'), 'x');
    const { status, stderr } = runPack();
    expect(status).to.equal(1);
    expect(stderr).to.include('package.tar.gz.002: FAILED');
    expect(stderr).to.not.include('package.tar.gz.001');
    expect(existsSync(unpacked('monosemantic'))).to.equal(false);
  });
});

describe('packageClosure', () => {
  useFolder();
  it('finds what packages need where Node finds it, and passes over optional ones that are not there', () => {
    const manifest = (path: string, contents: object) => write(join(path, 'package.json'), JSON.stringify(contents));
    manifest('node_modules/a', { dependencies: { b: '1', c: '1' }, optionalDependencies: { absent: '1' } });
    manifest('node_modules/b', { dependencies: { a: '1' } });
    manifest('node_modules/c', {});
    manifest('node_modules/a/node_modules/c', { dependencies: { d: '1' } });
    manifest('node_modules/d', {});
    manifest('node_modules/unused', {});
    expect(packageClosure(folder, ['a'])).to.deep.equal(
      ['a', 'a/node_modules/c', 'b', 'd'].map(path => join(folder, 'node_modules', path)),
    );
    manifest('node_modules/d', { dependencies: { gone: '1' } });
    expect(() => packageClosure(folder, ['a'])).to.throw(/gone, which .*node_modules\/d needs, is not installed/);
  });
});
