/**
 * npm run bench:files [-- --help]: what files cost. Rows per second of reading, encoding and training by type of file, all in turns; and the whole way
 * from activations on disk to a frozen autoencoder, `monosemantic train sae` beside SAELens's trainer where a Python imports it, each with what its
 * autoencoder is worth on rows that neither saw.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { median } from 'd3-array';
import { main } from '../src/cli/main.ts';
import { positiveInteger, positiveNumber } from '../src/cli/options.ts';
import { activationFiles } from '../src/data/activation-files.ts';
import { createRandomSource } from '../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { loadSaeFolder } from '../src/export/load-sae-folder.ts';
import { writeNpy } from '../src/files/npy.ts';
import { writeSafetensors } from '../src/files/safetensors.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { loadSae } from '../src/inference/node.ts';
import { SparseAutoencoder } from '../src/models/sparse-autoencoder.ts';
import type { HostTensor } from '../src/tensor.ts';
import { trainSae } from '../src/training/node.ts';
import { heldOutScore, scoreText } from './held-out-score.ts';
import { plantRows } from './planted-rows.ts';

interface Options {
  readonly python?: string;
  readonly dIn: number;
  readonly dSae: number;
  readonly k: number;
  readonly rows: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly rounds: number;
  readonly json?: string;
}

const options = new Command('npm run bench:files --')
  .description('Rows per second from files by their type, and a whole training from files to a frozen autoencoder.')
  .option('--python <program>', 'a Python that imports sae_lens: it trains the same way, in turns')
  .option('--d-in <n>', 'width of the activations', positiveInteger, 512)
  .option('--d-sae <n>', 'latents', positiveInteger, 4096)
  .option('--k <n>', 'active latents a sample', positiveInteger, 32)
  .option('--rows <n>', 'rows in the file', positiveInteger, 65_536)
  .option('--steps <n>', 'steps of the whole training, batches of 1,024', positiveInteger, 300)
  .option('--learning-rate <rate>', 'of both', positiveNumber, 0.004)
  .option('--rounds <n>', 'turns', positiveInteger, 3)
  .option('--json <file>', 'all measurements')
  .parse()
  .opts<Options>();
const { dIn, dSae, k, rounds } = options;
const BATCH = 1024;
const HELD_OUT = 8192;
/** The steps of one measurement: of reading, and of training. */
const [READ_STEPS, TRAIN_STEPS] = [200, 30];
/** Steps without firing after which AuxK calls a latent dead, in both. */
const DEAD_AFTER = 100;
/** An output that drops what the command line prints. */
const SILENT = {
  stdin: process.stdin,
  stderr: process.stderr,
  stdout: new Writable({ write: (_chunk, _encoding, done) => done() }),
};
const BIN = fileURLToPath(new URL('../bin/monosemantic.js', import.meta.url));
const SAELENS = fileURLToPath(new URL('python/saelens_training.py', import.meta.url));

const TYPES = ['float32', 'float16'] as const;
type Type = (typeof TYPES)[number];
const FORMATS = ['npy', 'safetensors'] as const;
type Format = (typeof FORMATS)[number];

interface TypedFile {
  readonly name: string;
  readonly path: string;
  readonly type: Type;
}

function bytesOf(rows: HostTensor, format: Format, type: Type): Uint8Array {
  return format === 'npy' ? writeNpy({ ...rows, type }) : writeSafetensors({ activations: { ...rows, type } });
}

/** The rows per second that `task` handles. */
async function rate(rows: number, task: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await task();
  return (rows / (performance.now() - started)) * 1000;
}

const ACTIVITIES = ['read', 'encode', 'train'] as const;
type Activity = (typeof ACTIVITIES)[number];

async function reading({ path }: TypedFile): Promise<number> {
  await using open = await activationFiles(path).open({ seed: 0, batchSize: BATCH });
  const activations = new Float32Array(BATCH * dIn);
  // The shuffled buffer is filled before it is timed.
  await open.batches.fill({ activations }, 1);
  return await rate(READ_STEPS * BATCH, async () => {
    for (let step = 0; step < READ_STEPS; step++) await open.batches.fill({ activations }, 1);
  });
}

function encoding({ path }: TypedFile, sae: string, folder: string): Promise<number> {
  const output = join(folder, 'features.npz');
  return rate(options.rows, async () => {
    const status = await main(['encode', sae, '--input', path, '--sparse', '--output', output], { streams: SILENT });
    if (status !== 0) throw new Error(`encode ended with ${status}`);
  });
}

async function training({ path }: TypedFile): Promise<number> {
  const { time } = await trainSae({
    data: activationFiles(path),
    dSae,
    activation: { kind: 'topk', k, auxK: false },
    steps: TRAIN_STEPS,
    batchSize: BATCH,
    start: { directions: 'gaussian', bias: 'mean' },
  });
  return (TRAIN_STEPS * BATCH * 1000) / time.total;
}

interface Whole {
  readonly who: string;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly worth: string;
}

/** Seconds on the clock and of the processor that a command takes, from its start to its end. */
async function timed(command: string, args: readonly string[]): Promise<Pick<Whole, 'seconds' | 'processorSeconds'>> {
  const script = 'TIMEFORMAT="%R %U %S"; { time "$0" "$@" >/dev/null 2>&3; } 2>&1 3>&2';
  const { stdout } = await promisify(execFile)('bash', ['-c', script, command, ...args], { maxBuffer: 2 ** 28 });
  const [seconds, user, system] = stdout.trim().split('\n').at(-1)!.split(' ').map(Number) as [number, number, number];
  return { seconds, processorSeconds: user + system };
}

async function ourWhole(file: string, heldOut: HostTensor, folder: string): Promise<Whole> {
  const { steps, learningRate } = options;
  const numbers = { '--d-sae': dSae, '--k': k, '--steps': steps, '--lr': learningRate, '--dead-after': DEAD_AFTER };
  const flags = Object.entries(numbers).flatMap(([flag, value]) => [flag, String(value)]);
  const out = join(folder, 'ours');
  const cost = await timed(process.execPath, [
    BIN,
    ...['train', 'sae', '--activations', file, ...flags, '--aux-k', '1', '--batch-size', String(BATCH)],
    ...['--hold-out', '0', '--out', out, '--overwrite'],
  ]);
  await using sae = await loadSae(await readFile(join(out, 'sae.onnx')), { provider: 'cpu' });
  return { who: 'ours, preset ours', ...cost, worth: scoreText(await heldOutScore(sae, heldOut)) };
}

async function saelensWhole(file: string, heldOut: HostTensor, folder: string): Promise<Whole> {
  const { steps, learningRate } = options;
  const out = join(folder, 'saelens');
  const request = {
    ...{ rows: file, architecture: 'topk', options: { k }, dSae, steps, batchSize: BATCH, seed: 0, out },
    trainer: { lr: learningRate, dead_feature_window: DEAD_AFTER },
    threads: availableParallelism(),
  };
  const cost = await timed(options.python!, [SAELENS, JSON.stringify(request)]);
  const { sae } = await loadSaeFolder(out);
  return { who: 'SAELens', ...cost, worth: scoreText(await heldOutScore(sae, heldOut)) };
}

const machine = { cpu: cpus()[0]?.model ?? 'unknown CPU', node: process.version, loadAtStart: loadavg()[0] };
console.log(`${machine.cpu}, load ${machine.loadAtStart!.toFixed(1)}; ${options.rows} rows of ${dIn}, ${dSae} latents`);
const folder = await mkdtemp(join(tmpdir(), 'monosemantic-files-'));
try {
  const planted = await plantRows(folder, { dIn, dSae, rows: options.rows, heldOut: HELD_OUT });
  const files: TypedFile[] = [];
  for (const format of FORMATS) {
    for (const type of TYPES) {
      const path = join(folder, `rows-${type}.${format}`);
      await writeFileAtomic(path, bytesOf(planted.training, format, type));
      files.push({ name: `${type} .${format}`, path, type });
    }
  }
  const activation = { kind: 'topk', k } as const;
  const sae = join(folder, 'sae.onnx');
  await writeFileAtomic(
    sae,
    frozenSaeToOnnx(new SparseAutoencoder({ dIn, dSae, activation }, createRandomSource(0)).freeze()),
  );

  const rates = new Map(files.map(file => [file, { read: [], encode: [], train: [] } as Record<Activity, number[]>]));
  for (let round = 0; round < rounds; round++) {
    for (const file of files) {
      const own = rates.get(file)!;
      own.read.push(await reading(file));
      own.encode.push(await encoding(file, sae, folder));
      own.train.push(await training(file));
    }
  }
  console.log('rows per second (and the time of the same rows, to float32 of that format)');
  for (const [i, file] of files.entries()) {
    const base = rates.get(files[i - (file.type === 'float32' ? 0 : 1)]!)!;
    const parts = ACTIVITIES.map(activity => {
      const own = median(rates.get(file)![activity])!;
      return `${activity} ${Math.round(own).toLocaleString('en')} (${(median(base[activity])! / own).toFixed(2)}×)`;
    });
    console.log(`  ${file.name.padEnd(22)}${parts.join('   ')}`);
  }

  const wholes: Whole[] = [];
  const file = files[0]!.path;
  for (let round = 0; round < rounds; round++) {
    wholes.push(await ourWhole(file, planted.heldOut, folder));
    if (options.python !== undefined) wholes.push(await saelensWhole(file, planted.heldOut, folder));
  }
  console.log(
    `from files to a frozen autoencoder: TopK ${k} with AuxK, ${options.steps} steps of ${BATCH}, rate ${options.learningRate}`,
  );
  for (const who of new Set(wholes.map(whole => whole.who))) {
    const own = wholes.filter(whole => whole.who === who);
    const seconds = median(own, whole => whole.seconds)!;
    const ratio =
      seconds /
      median(
        wholes.filter(whole => whole.who === wholes[0]!.who),
        whole => whole.seconds,
      )!;
    const used = median(own, whole => whole.processorSeconds)!;
    console.log(
      `  ${who.padEnd(20)}${seconds.toFixed(1)} s (${ratio.toFixed(1)}×), ${used.toFixed(0)} s of processor   ${own.at(-1)!.worth}`,
    );
  }
  const all = {
    machine,
    settings: options,
    rates: files.map(file => ({ file: file.name, ...rates.get(file)! })),
    wholes,
  };
  if (options.json) await writeFileAtomic(options.json, `${JSON.stringify(all, null, 2)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
