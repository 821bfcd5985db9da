import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const toyModel = join(root, 'models/toy-model.onnx');

describe('command line, as a process', () => {
  let clone: string;

  /** The command of a clone that was never built. */
  const start = (...args: string[]): ChildProcessWithoutNullStreams =>
    spawn(process.execPath, [join(clone, 'bin/monosemantic.js'), ...args]);
  const finished = async (child: ChildProcessWithoutNullStreams) => {
    const exit = once(child, 'exit');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [status] = await exit;
    return { status, stdout, stderr };
  };

  before(async () => {
    clone = await mkdtemp(join(tmpdir(), 'monosemantic-clone-'));
    await mkdir(join(clone, 'bin'));
    await cp(join(root, 'bin/monosemantic.js'), join(clone, 'bin/monosemantic.js'));
    await cp(join(root, 'package.json'), join(clone, 'package.json'));
    for (const name of ['src', 'node_modules']) await symlink(join(root, name), join(clone, name), 'junction');
  });
  after(() => rm(clone, { recursive: true }));

  it('works before a build', async () => {
    const { status, stdout, stderr } = await finished(start('--help'));
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
    expect(stdout).to.include('Usage: monosemantic');
  });

  it('reads stdin, writes stdout and ends', async () => {
    const child = start('encode', toyModel, '--input', '-');
    child.stdin.end('1,0,0,0,0\n0,1,0,0,0\n');
    const { status, stdout, stderr } = await finished(child);
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).to.have.length(2);
  });

  it('gives its status to the shell', async () => {
    expect(await finished(start('inspect', 'nowhere.onnx'))).to.include({ status: 1, stdout: '' });
    expect(await finished(start('inspect'))).to.include({ status: 2, stdout: '' });
  });

  it('ends quietly where its reader has seen enough', async () => {
    const samples = join(clone, 'many.npy');
    await writeFileAtomic(samples, writeNpy({ data: new Float32Array(5 * 50_000), shape: [50_000, 5] }));
    const child = start('encode', toyModel, '--input', samples);
    child.stdout.once('data', () => child.stdout.destroy());
    const [[status], stderr] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
  });

  it('says in one line that standard output is full', async function () {
    if (!existsSync('/dev/full')) {
      this.test!.title += ' [skipped: there is no /dev/full]';
      this.skip();
    }
    for (const args of [
      ['inspect', toyModel],
      ['encode', toyModel, '--input', '-'],
    ]) {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [join(clone, 'bin/monosemantic.js'), ...args], {
        stdio: ['pipe', full, 'pipe'],
      }) as ChildProcessWithoutNullStreams;
      child.stdin.end('1,0,0,0,0\n');
      const [[status], stderr] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
      closeSync(full);
      expect({ status, stderr }).to.deep.equal({
        status: 1,
        stderr: 'monosemantic: standard output: cannot be written: the disk is full\n',
      });
    }
  });

  it('ends at Ctrl-C with status 130, its checkpoint kept', async () => {
    const out = join(clone, 'run');
    const child = start('train', 'toy', '--steps', '1000000', '--checkpoint-every', '50', '--out', out);
    const ended = finished(child);
    const hasCheckpoint = async (): Promise<boolean> =>
      (await readdir(out).catch(() => [])).some(name => name === 'toy-model.checkpoint.safetensors');
    while (child.exitCode === null && !(await hasCheckpoint())) await new Promise(resolve => setTimeout(resolve, 50));
    child.kill('SIGINT');
    const { status, stderr } = await ended;
    expect(status, stderr).to.equal(130);
    expect(stderr).to.match(
      /^monosemantic: the toy model stopped after \d+ steps; --resume goes on from the checkpoint/,
    );
    expect(await readdir(out)).to.deep.equal(['metrics.jsonl', 'toy-model.checkpoint.safetensors']);
  });

  it('trains again in a used folder only where it is told what becomes of the run there', async () => {
    const out = join(clone, 'used');
    const train = (...args: string[]) => finished(start('train', 'toy', '--out', out, ...args));
    expect(await train('--steps', '20')).to.include({ status: 0 });
    const refused = await train('--steps', '20');
    expect(refused).to.include({
      status: 1,
      stderr: `monosemantic: ${out}: holds an earlier run (run.json): --resume goes on with it, --overwrite replaces it, --out takes another folder\n`,
    });
    const longer = await train('--steps', '30', '--resume');
    expect(longer).to.include({ status: 0 });
    expect(longer.stdout).to.include('goes on after 20 of 30 steps');
    expect(await train('--steps', '20', '--seed', '1', '--overwrite')).to.include({ status: 0 });
    expect((await readdir(out)).filter(name => name.startsWith('.'))).to.deep.equal([]);
  });

  it('lets one run at a time into a folder', async () => {
    const out = join(clone, 'shared');
    const first = start('train', 'toy', '--steps', '1000000', '--out', out);
    const ended = finished(first);
    while (first.exitCode === null && !existsSync(join(out, '.run.lock')))
      await new Promise(resolve => setTimeout(resolve, 50));
    const second = await finished(start('train', 'toy', '--overwrite', '--out', out));
    first.kill('SIGINT');
    expect((await ended).status).to.equal(130);
    expect(second.status).to.equal(1);
    expect(second.stderr).to.match(/^monosemantic: .*shared: process \d+ is writing its run there/);
  });
});
