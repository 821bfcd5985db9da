/**
 * Training runs of every kind, killed with -9 at random moments and resumed until they are done: the same bits as a run never killed, and no
 * temporary file, lock or other trace left in the folder. Also where every process has number 1, as in containers.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createRandomSource, type RandomSource } from '../../src/data/random-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import type { Breach, Torture, TortureOptions } from './outcome.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAM = join(root, 'bin/monosemantic.js');
const HOST = fileURLToPath(new URL('../../test/host/language-model/', import.meta.url));

interface Kind {
  readonly name: string;
  readonly args: readonly string[];
}

/** Short runs that write many checkpoints. `rows` are activations in a file, `wide` enough of them for the sparse update. */
function kindsOf(folder: string): readonly Kind[] {
  const [rows, wide] = [join(folder, 'rows.npy'), join(folder, 'wide.npy')];
  const often = ['--checkpoint-every', '20', '--batch-size', '256'];
  const onToyModel = (activation: string, ...more: string[]): Kind => ({
    name: `sae ${activation} on a toy model`,
    args: ['sae', '--activation', activation, '--steps', '600', ...often, ...more],
  });
  const onFiles = (activation: string, ...more: string[]): Kind => ({
    name: `sae ${[activation, ...more].join(' ')} on files`,
    args: [
      'sae',
      '--activations',
      rows,
      '--d-sae',
      '96',
      '--activation',
      activation,
      '--steps',
      '300',
      ...often,
      ...more,
    ],
  });
  const inShards = (activation: string, ...more: string[]): Kind => ({
    name: `sae ${activation} by the sparse update`,
    args: [
      ...['sae', '--activations', wide, '--d-sae', '4096', '--activation', activation, '--steps', '60'],
      ...['--checkpoint-every', '5', '--batch-size', '256', '--lr', '0.001', ...more],
    ],
  });
  return [
    {
      name: 'toy models side by side',
      args: ['toy', '--restarts', '4', '--steps', '2000', '--checkpoint-every', '100'],
    },
    onToyModel('topk'),
    onToyModel('relu', '--l1', '0.01'),
    onFiles('batchtopk', '--k', '4'),
    onFiles('topk', '--k', '4', '--aux-k', '--dead-after', '20'),
    onFiles('jumprelu', '--l0-coefficient', '0.001'),
    onFiles('gated', '--l1', '0.01'),
    onFiles('matryoshka', '--k', '4', '--widths', '24,48'),
    inShards('topk', '--k', '16', '--aux-k'),
    inShards('batchtopk', '--k', '16'),
    inShards('relu', '--l1', '0.001'),
    {
      name: 'sae on a model that runs meanwhile',
      args: [
        ...['sae', '--model', join(HOST, 'model.onnx'), '--tensor', '/b0/Add_3_output_0'],
        ...['--input', join(HOST, 'ids.npy'), '--mask', join(HOST, 'mask.npy')],
        ...['--d-sae', '48', '--k', '6', '--steps', '300', '--checkpoint-every', '20', '--batch-size', '64'],
      ],
    },
  ];
}

async function writeRows(file: string, rows: number, width: number, random: RandomSource): Promise<void> {
  // Each a sum of a few of 2 · width directions, or latents would have nothing to find.
  const directions = Array.from({ length: 2 * width }, () =>
    Float32Array.from({ length: width }, () => random.normal()),
  );
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let part = 0; part < 4; part++) {
      const direction = directions[random.integer(directions.length)]!;
      for (let i = 0; i < width; i++) data[row * width + i]! += direction[i]! * random.uniform();
    }
  }
  await writeFileAtomic(file, writeNpy({ data, shape: [rows, width] }));
}

/** How the processes of a run are numbered. */
interface Surroundings {
  readonly name: string;
  readonly wrapper: readonly string[];
}

const HERE: Surroundings = { name: 'here', wrapper: [] };
/** Each process is its own first one; in the second it sees no other process either. */
const CONTAINERS: readonly Surroundings[] = [
  { name: 'every process number 1', wrapper: ['unshare', '--fork', '--pid', '--kill-child'] },
  { name: 'every process number 1 and alone', wrapper: ['unshare', '--fork', '--pid', '--mount-proc', '--kill-child'] },
];

function works({ wrapper: [program, ...args] }: Surroundings): boolean {
  return program === undefined || spawnSync(program, [...args, 'true']).status === 0;
}

function start({ wrapper }: Surroundings, args: readonly string[], out: string): ChildProcess {
  const [program, ...rest] = [...wrapper, process.execPath, PROGRAM, 'train', ...args, '--out', out];
  return spawn(program!, rest, { stdio: ['ignore', 'ignore', 'pipe'], cwd: root });
}

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

/** Ends with the child, which is killed after `milliseconds` unless it is done by then. */
async function ended(child: ChildProcess, milliseconds = Number.POSITIVE_INFINITY): Promise<Ended> {
  const exit = once(child, 'close');
  const stderr = text(child.stderr!);
  const timer = Number.isFinite(milliseconds) ? setTimeout(() => child.kill('SIGKILL'), milliseconds) : undefined;
  const [status] = (await exit) as [number | null];
  clearTimeout(timer);
  return { status, stderr: await stderr };
}

/** The content that must be equal: all of it but durations. */
async function contents(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(folder)).filter(name => name !== 'run.json').sort();
  const read = async (name: string): Promise<readonly [string, string]> => {
    const bytes = await readFile(join(folder, name));
    return [name, name === 'metrics.jsonl' ? withoutPace(bytes.toString()) : bytes.toString('base64')];
  };
  return new Map(await Promise.all(names.map(read)));
}

/** Records of metrics but for when they were written, and how fast it went. */
function withoutPace(lines: string): string {
  return lines.replace(/,"(time|rows_per_second)":[^,}]*/g, '');
}

function differences(whole: ReadonlyMap<string, string>, killed: ReadonlyMap<string, string>): string[] {
  return [...new Set([...whole.keys(), ...killed.keys()])].flatMap(name => {
    if (!killed.has(name)) return [`${name} is missing`];
    if (!whole.has(name)) return [`${name} is left over`];
    return whole.get(name) === killed.get(name) ? [] : [`${name} has other bits`];
  });
}

const DEFAULT_KILLS = 20;

/** The torture of killed trainings. */
export const kills: Torture = {
  name: 'kills',
  share: 2,
  async run({ seed, kills: wanted = DEFAULT_KILLS, progress, keep }: TortureOptions) {
    const random = createRandomSource(seed);
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-kills-'));
    const breaches: Breach[] = [];
    const containers = CONTAINERS.filter(works);
    const counts = { kills: 0, runs: 0, inContainers: 0 };
    try {
      await writeRows(join(folder, 'rows.npy'), 4000, 24, random);
      await writeRows(join(folder, 'wide.npy'), 4000, 256, random);
      const kinds = kindsOf(folder);
      const wholes = new Map<Kind, { readonly files: ReadonlyMap<string, string>; readonly milliseconds: number }>();
      for (let turn = 0; counts.kills < wanted; turn++) {
        const kind = kinds[turn % kinds.length]!;
        if (!wholes.has(kind)) {
          const out = join(folder, 'whole');
          const started = performance.now();
          const { status, stderr } = await ended(start(HERE, kind.args, out));
          if (status !== 0) throw new Error(`${kind.name} ends with ${status} undisturbed: ${stderr}`);
          wholes.set(kind, { files: await contents(out), milliseconds: performance.now() - started });
          await rm(out, { recursive: true });
        }
        const { files, milliseconds } = wholes.get(kind)!;
        // One in four in a container, if there are any.
        const surroundings =
          containers.length > 0 && turn % 4 === 3 ? containers[random.integer(containers.length)]! : HERE;
        const cause = `${kind.name}, ${surroundings.name}, seed ${seed}, run ${turn + 1}`;
        const out = join(folder, 'killed');
        await mkdir(out);
        let last: Ended = { status: null, stderr: '' };
        for (let kill = 0; last.status === null; kill++) {
          const isKept = (await readdir(out)).some(name => name.endsWith('.checkpoint.safetensors'));
          const flags = isKept ? ['--resume'] : ['--overwrite'];
          // Three kills in a run, then it may end.
          const after = kill < 3 ? random.uniform() * milliseconds : Number.POSITIVE_INFINITY;
          last = await ended(start(surroundings, [...kind.args, ...flags], out), after);
          if (last.status === null || last.status === 137) {
            last = { ...last, status: null };
            counts.kills++;
            if (surroundings !== HERE) counts.inContainers++;
          }
        }
        counts.runs++;
        const problems =
          last.status === 0 ? differences(files, await contents(out)) : [`status ${last.status}: ${last.stderr}`];
        if (problems.length > 0) {
          const shown = await keep(`kills-${turn + 1}.txt`, `${cause}\n${problems.join('\n')}\n`);
          breaches.push({ cause, problem: `${problems.join('; ')} (${shown})` });
        }
        await rm(out, { recursive: true });
        progress(`${counts.kills} kills, ${counts.runs} runs, ${breaches.length} breaches`);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    const where =
      containers.length > 0
        ? `${counts.inContainers} kills where every process has number 1`
        : 'no containers here (unshare)';
    const result = `${counts.runs} runs resumed to the bits of one never killed; ${where}`;
    return [{ what: 'kill -9 of training runs', cases: counts.kills, result, breaches }];
  },
};
