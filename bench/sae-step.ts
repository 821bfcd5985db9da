/**
 * Times one training step of large sparse autoencoders: the sparse update, beside PyTorch's dense step and SAELens's where a Python
 * has them.
 *
 * Each round takes some steps of ours and one of each other's, so that the ratio means more than either figure. Prints a table; --json writes all.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { median } from 'd3-array';
import { fraction, positiveInteger } from '../src/cli/options.ts';
import type { StepDescriptor, StepProgram } from '../src/engines/engine.ts';
import { createSparseUpdateRunner } from '../src/engines/sparse-update/runner.ts';
import type { StepTimes } from '../src/engines/sparse-update/shard.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { type HostTensor, hostTensor, zeros } from '../src/tensor.ts';
import { partShares } from './part-shares.ts';

interface Work {
  readonly dIn: number;
  readonly dSae: number;
  readonly batchSize: number;
  readonly k: number;
  readonly kind: 'topk' | 'batchtopk';
  readonly betas: readonly [number, number];
  readonly threads: number;
}

interface Measurement {
  readonly work: Work;
  /** Milliseconds of each step. */
  readonly ms: readonly number[];
  /** Milliseconds a step of each part; the mean of all shards. */
  readonly parts: StepTimes;
  /** Of the encoder's product alone, all threads together. */
  readonly gemmGflops: number;
  /** Parameters and moments read and written, all threads together; an upper bound with β1 = 0, where idle latents are skipped. */
  readonly updateGBps: number;
  /** Of this process alone. */
  readonly peakMemoryMiB: number;
  readonly others: readonly OtherMeasurement[];
}

/** The libraries of pytorch_sae_step.py. */
type Library = 'PyTorch' | 'SAELens';

interface OtherMeasurement {
  readonly library: Library;
  readonly version: string;
  readonly ms: readonly number[];
  /** Median of its steps over the median of ours. */
  readonly ratio: number;
}

type Size = Pick<Work, 'dIn' | 'dSae'>;

const KINDS = ['topk', 'batchtopk'] as const;

interface Options {
  readonly python?: string;
  readonly sizes?: readonly Size[];
  readonly kinds: readonly Work['kind'][];
  readonly k: number;
  readonly batch: number;
  readonly rounds: number;
  readonly threads: number;
  readonly beta1: number;
  readonly json?: string;
}

/** D_INxD_SAE */
function size(text: string, before: readonly Size[] = []): readonly Size[] {
  const [, dIn, dSae] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  if (!dIn || !dSae) throw new InvalidArgumentError('expected D_INxD_SAE, such as 512x4096.');
  return [...before, { dIn: Number(dIn), dSae: Number(dSae) }];
}

const SIZES: readonly Size[] = [
  { dIn: 512, dSae: 4096 },
  { dIn: 768, dSae: 16384 },
  { dIn: 1024, dSae: 32768 },
];

const options = new Command('npm run bench:sae-step --')
  .description('Times one training step of large sparse autoencoders, the sparse update.')
  .option('--python <program>', 'a Python that imports torch and sae_lens: their dense steps run in turns with ours')
  .option('--sizes <d_inxd_sae...>', 'default 512x4096 768x16384 1024x32768', size)
  .addOption(new Option('--kinds <kind...>', 'architectures').choices(KINDS).default(KINDS))
  .option('--k <n>', 'active latents a sample', positiveInteger, 32)
  .option('--batch <n>', 'samples a step', positiveInteger, 1024)
  .option('--rounds <n>', 'rounds: three steps of ours and one of each other', positiveInteger, 4)
  .option('--threads <n>', 'threads', positiveInteger, availableParallelism())
  .option('--beta1 <beta>', "Adam's first beta", fraction, 0)
  .option('--json <file>', 'all measurements')
  .parse()
  .opts<Options>();

/** Ours are shorter: several of them for each of the others'. */
const STEPS_A_ROUND = 3;

/** Sums of four uniform draws: near enough to normal, and fast. */
function draws(count: number, seed: number): Float32Array {
  const values = new Float32Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let draw = 0; draw < 4; draw++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      sum += (state >>> 0) / 2 ** 32;
    }
    values[i] = (sum - 2) * Math.sqrt(3);
  }
  return values;
}

function programFor({ dIn, dSae, batchSize, k, kind, betas }: Work): StepProgram {
  const rows = draws(dSae * dIn, 1);
  const encoder = new Float32Array(dIn * dSae);
  for (let latent = 0; latent < dSae; latent++) {
    for (let i = 0; i < dIn; i++) encoder[i * dSae + latent] = rows[latent * dIn + i]! / Math.sqrt(dIn);
  }
  const parameters: Record<string, HostTensor> = {
    V: hostTensor(rows, [dSae, dIn]),
    W_enc: hostTensor(encoder, [dIn, dSae]),
    b_enc: zeros([dSae]),
    b_dec: zeros([dIn]),
  };
  const state: Record<string, HostTensor> = { 'optimizer.c2': zeros([]) };
  if (betas[0] !== 0) state['optimizer.c1'] = zeros([]);
  for (const [name, tensor] of Object.entries(parameters)) {
    state[`parameters.${name}`] = tensor;
    if (betas[0] !== 0) state[`optimizer.m.${name}`] = zeros(tensor.shape);
    state[`optimizer.v.${name}`] = zeros(tensor.shape);
  }
  const descriptor: StepDescriptor = {
    kind: 'sparse-autoencoder',
    activation: { kind, k },
    decoder: 'reparametrise',
    transcoder: false,
    skip: false,
    reconstructionLoss: 'mean',
    optimizer: { name: 'adam', learningRate: 1e-3, betas, eps: 1e-8, weightDecay: 0 },
    held: [],
    scalars: [],
    countsFiring: false,
    dIn,
    dSae,
    dOut: dIn,
    batchSize,
  };
  return {
    step: () => {
      throw new Error('only the sparse update is timed');
    },
    state,
    batch: { activations: [batchSize, dIn] },
    metrics: ['loss'],
    descriptor,
  };
}

/** Steps of ours and of the others in turn, so that all see the same machine. */
async function measure(work: Work, rounds: number, others: readonly Other[]): Promise<Measurement> {
  const { dIn, dSae, batchSize, threads, betas } = work;
  const runner = await createSparseUpdateRunner(programFor(work), { threads, anySize: true });
  try {
    const activations = draws(batchSize * dIn, 2);
    const step = () => timed(() => runner.run(1, { activations }));
    for (let warmup = 0; warmup < 2; warmup++) await step();
    const before = await runner.times();
    const ms: number[] = [];
    const otherMs: number[][] = others.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (let repeat = 0; repeat < STEPS_A_ROUND; repeat++) ms.push(await step());
      for (const [index, other] of others.entries()) otherMs[index]!.push(await other.step());
    }
    const after = await runner.times();
    const part = (name: keyof StepTimes) =>
      after.reduce((sum, times, shard) => sum + times[name] - before[shard]![name], 0) / after.length / ms.length;
    const parts: StepTimes = {
      gemm: part('gemm'),
      select: part('select'),
      reconstruct: part('reconstruct'),
      update: part('update'),
      exchange: part('exchange'),
    };
    // Two matrices, each with its moments, read and written.
    const bytes = 4 * dIn * dSae * 2 * (betas[0] === 0 ? 2 : 3) * 2;
    return {
      work,
      ms,
      parts,
      gemmGflops: (2 * batchSize * dIn * dSae) / parts.gemm / 1e6,
      updateGBps: bytes / parts.update / 1e6,
      peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
      others: others.map(({ library, version }, index) => ({
        library,
        version,
        ms: otherMs[index]!,
        ratio: median(otherMs[index]!)! / median(ms)!,
      })),
    };
  } finally {
    await runner.dispose();
  }
}

async function timed(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}

/** A library's model in a Python process of its own, asked line by line. */
class Other {
  readonly library: Library;
  version = '';
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  private constructor(python: string, library: Library) {
    this.library = library;
    this.#child = spawn(python, [fileURLToPath(new URL('pytorch_sae_step.py', import.meta.url))]);
    const note = (text: unknown) => {
      this.#errors += String(text);
    };
    this.#child.stderr.on('data', note);
    this.#child.on('error', note);
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Starts it and warms it up; undefined, with a line that says why, where this Python does not have it. */
  static async start(python: string, library: Library, work: Work): Promise<Other | undefined> {
    const other = new Other(python, library);
    try {
      other.version = ((await other.#ask({ ...work, library })) as { version: string }).version;
      await other.step();
      return other;
    } catch (error) {
      console.error(`without ${library}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Milliseconds of one step. */
  async step(): Promise<number> {
    return ((await this.#ask({ steps: 1 })) as { ms: [number] }).ms[0];
  }

  async #ask(request: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(this.#errors.trim().split('\n').at(-1) || 'it ended without an answer');
    return JSON.parse(value);
  }

  end(): void {
    this.#child.stdin.end();
  }
}

function report({ work, ms, parts, gemmGflops, updateGBps, others, peakMemoryMiB }: Measurement): string {
  return [
    `${work.kind.padEnd(9)} ${work.dIn}/${work.dSae}`.padEnd(22),
    `${median(ms)!.toFixed(1)} ms (${Math.min(...ms).toFixed(1)}–${Math.max(...ms).toFixed(1)})`.padEnd(26),
    ...others.map(({ library, ms: theirs, ratio }) =>
      `${library} ${median(theirs)!.toFixed(0)} ms, ${ratio.toFixed(1)}×`.padEnd(24),
    ),
    `Gemm ${gemmGflops.toFixed(0)} GFLOP/s, update ${updateGBps.toFixed(1)} GB/s, ${peakMemoryMiB.toFixed(0)} MiB`.padEnd(
      50,
    ),
    partShares({ ...parts }, ms),
  ].join('  ');
}

const measurements: Measurement[] = [];
const machine = { cpu: cpus()[0]?.model ?? 'unknown CPU', threads: options.threads, node: process.version };
console.log(`${machine.cpu}, ${machine.threads} threads, batch ${options.batch}, k ${options.k}, β1 ${options.beta1}`);
for (const { dIn, dSae } of options.sizes ?? SIZES) {
  for (const kind of options.kinds) {
    const work: Work = {
      dIn,
      dSae,
      batchSize: options.batch,
      k: options.k,
      kind,
      betas: [options.beta1, 0.999],
      threads: machine.threads,
    };
    const others: Other[] = [];
    for (const library of options.python === undefined ? [] : (['PyTorch', 'SAELens'] as const)) {
      const other = await Other.start(options.python!, library, work);
      if (other) others.push(other);
    }
    measurements.push(await measure(work, options.rounds, others));
    for (const other of others) other.end();
    console.log(report(measurements.at(-1)!));
  }
}
if (options.json) await writeFileAtomic(options.json, `${JSON.stringify({ machine, measurements }, null, 2)}\n`);
