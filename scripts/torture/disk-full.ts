/** A disk that fills up while something is written: the old file or the new one whole, one line that says so, nothing left behind. */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { writeNpy } from '../../src/files/npy.ts';
import type { Breach, Torture } from './outcome.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const SAE = join(root, 'models/sae-big.onnx');
const PROGRAM = join(root, 'bin/monosemantic.js');

interface Writing {
  readonly what: string;
  readonly args: readonly string[];
  /** The file that the command writes; undefined for standard output. */
  readonly output?: string;
}

const encode = (output: string, ...more: string[]): Writing => ({
  what: `encode to ${output}`,
  args: ['encode', SAE, '--input', 'in.npy', '--output', output, ...more],
  output,
});
const WRITINGS: readonly Writing[] = [
  ...['out.npy', 'out.csv', 'out.json', 'out.safetensors'].map(output => encode(output)),
  ...['out.npz', 'out.safetensors', 'out.json'].map(output => encode(output, '--sparse')),
  { what: 'convert to .onnx', args: ['convert', 'folder', 'out.onnx'], output: 'out.onnx' },
  {
    what: 'plot',
    args: ['plot', join(root, 'models/sae.onnx'), '--output', 'out', '--format', 'svg'],
    output: 'out.svg',
  },
];

/** Largest size of a file, in blocks of 1024 bytes: `ulimit -f`. The system then says EFBIG where a full disk says ENOSPC. */
const LIMITS = [0, 1, 8, 100];

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

async function run(folder: string, script: string): Promise<Ended> {
  // Without the trap the signal of a file that is too large would end the process before anybody could say why.
  const child = spawn('bash', ['-c', `trap '' XFSZ; ${script}`], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const stderr = await text(child.stderr);
  const [status, signal] =
    child.exitCode !== null || child.signalCode !== null
      ? [child.exitCode, child.signalCode]
      : await new Promise<[number | null, NodeJS.Signals | null]>(resolve =>
          child.once('exit', (code, name) => resolve([code, name])),
        );
  return { status, signal, stderr };
}

const quoted = (words: readonly string[]): string => words.map(word => `'${word}'`).join(' ');

function problemOf({ status, signal, stderr }: Ended): string | undefined {
  if (status !== 1) return `status ${status}, signal ${signal}: ${stderr.slice(0, 300)}`;
  const lines = stderr.trim().split('\n');
  return lines.length > 1 || !lines[0]!.startsWith('monosemantic: ')
    ? `not one line: ${stderr.slice(0, 500)}`
    : undefined;
}

/** The torture of full disks. */
export const diskFull: Torture = {
  name: 'disk',
  share: 1,
  async run({ seconds, progress }) {
    const what = 'disk full: commands that write';
    if (process.platform === 'win32') return [{ what, cases: 0, result: 'skipped: needs ulimit', breaches: [] }];
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-full-'));
    const breaches: Breach[] = [];
    const end = performance.now() + 1000 * seconds;
    let [cases, failed, done] = [0, 0, 0];
    try {
      await cp(join(root, 'test/reference/saelens/topk'), join(folder, 'folder'), { recursive: true });
      const rows = 3000;
      const data = Float32Array.from({ length: 25 * rows }, (_, i) => Math.sin(i));
      await writeFile(join(folder, 'in.npy'), writeNpy({ data, shape: [rows, 25] }));
      const kept = (await readdir(folder)).sort();
      for (const { what: writing, args, output } of WRITINGS) {
        for (const limit of LIMITS) {
          if (cases > 8 && performance.now() > end) break;
          const old = Buffer.from('an older file');
          if (output) await writeFile(join(folder, output), old);
          const ended = await run(folder, `ulimit -f ${limit}; exec ${quoted([process.execPath, PROGRAM, ...args])}`);
          cases++;
          const cause = `${writing}, files of at most ${limit} KiB`;
          if (ended.status === 0) done++;
          else {
            failed++;
            const problem = problemOf(ended);
            if (problem !== undefined) breaches.push({ cause, problem });
            if (output && !(await readFile(join(folder, output))).equals(old)) {
              breaches.push({ cause, problem: `${output} is neither the old file nor a whole new one` });
            }
          }
          if (output) await rm(join(folder, output), { force: true });
          const left = (await readdir(folder)).filter(name => !kept.includes(name));
          if (left.length > 0) breaches.push({ cause, problem: `left behind: ${left.join(', ')}` });
          for (const name of left) await rm(join(folder, name), { recursive: true });
        }
        progress(`${cases} commands`);
      }
      if (process.platform === 'linux') {
        for (const args of [
          ['encode', SAE, '--input', 'in.npy'],
          ['inspect', SAE],
          ['inspect', SAE, '--json'],
        ]) {
          const ended = await run(folder, `exec ${quoted([process.execPath, PROGRAM, ...args])} >/dev/full`);
          cases++;
          failed++;
          const problem = problemOf(ended);
          if (problem !== undefined) breaches.push({ cause: `${args[0]} to a standard output that is full`, problem });
        }
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    return [{ what, cases, result: `${failed} failed whole, ${done} had room`, breaches }];
  },
};
