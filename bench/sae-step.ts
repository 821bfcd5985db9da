/**
 * Times training steps of large sparse autoencoders beside an expert's PyTorch and SAELens, where a Python has them, all on the same batches
 * in turns, and says what each is worth after them: explained variance, L0 and silent latents of held-out rows, by one measure.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { median } from 'd3-array';
import { positiveInteger, positiveNumber } from '../src/cli/options.ts';
import { randomStream } from '../src/data/streams.ts';
import type { StepProgram } from '../src/engines/engine.ts';
import { createSparseUpdateRunner } from '../src/engines/sparse-update/runner.ts';
import type { StepTimes } from '../src/engines/sparse-update/shard.ts';
import { loadSaeFolder } from '../src/export/load-sae-folder.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import type { ActivationConfig } from '../src/models/architectures/registry.ts';
import { SparseAutoencoder } from '../src/models/sparse-autoencoder.ts';
import { resolveSaeSettings } from '../src/training/sae-settings.ts';
import { stepNumbers } from '../src/training/step-numbers.ts';
import { saeStep } from '../src/training/train-sae.ts';
import { modelState } from '../src/training/training-step.ts';
import { type HeldOutScore, heldOutScore, scoreText } from './held-out-score.ts';
import { type LineProcess, startPython } from './line-process.ts';
import { partShares } from './part-shares.ts';
import { type PlantedRows, plantRows } from './planted-rows.ts';

const KINDS = ['topk', 'topk-auxk', 'batchtopk', 'batchtopk-auxk', 'relu', 'jumprelu'] as const;
type Kind = (typeof KINDS)[number];

/** The forms of bench/python/sae_step.py. */
const LIBRARIES = ['dense', 'expert', 'gathered', 'compiled', 'saelens'] as const;
type Library = (typeof LIBRARIES)[number];

interface Work {
  readonly kind: Kind;
  readonly dIn: number;
  readonly dSae: number;
  readonly batchSize: number;
  readonly k: number;
  readonly learningRate: number;
  /** Of SAELens, whose decoder starts at another norm. */
  readonly saelensLearningRate: number;
  readonly steps: number;
  readonly threads: number;
}

interface Measurement {
  readonly work: Work;
  /** Milliseconds of each step. */
  readonly ms: readonly number[];
  /** Milliseconds that each part takes in a step; means over all shards. */
  readonly parts: StepTimes;
  /** Billions of operations a second in the encoder's product alone, all threads together. */
  readonly gemmGflops: number;
  /** Parameters and moments read and written, all threads together; an upper bound, for idle latents are skipped. */
  readonly updateGBps: number;
  /** The peak memory of this process alone. */
  readonly peakMemoryMiB: number;
  readonly score: HeldOutScore;
  readonly others: readonly OtherMeasurement[];
}

interface OtherMeasurement {
  readonly library: Library;
  readonly version: string;
  readonly ms: readonly number[];
  /** The median of its steps divided by the median of ours. */
  readonly ratio: number;
  /** The score of its autoencoder; undefined where it has no form for inference. */
  readonly score?: HeldOutScore;
}

type Size = Pick<Work, 'dIn' | 'dSae'>;

interface Options {
  readonly python?: string;
  readonly sizes?: readonly Size[];
  readonly kinds: readonly Kind[];
  readonly libraries: readonly Library[];
  readonly k: number;
  readonly batch: number;
  readonly steps?: number;
  readonly learningRate: number;
  readonly saelensLearningRate: number;
  readonly threads: number;
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
  .description('Times training steps of large sparse autoencoders, and scores what they train.')
  .option(
    '--python <program>',
    'a Python that imports torch and sae_lens: they train on the same batches in turns with ours',
  )
  .option('--sizes <d_inxd_sae...>', 'default 512x4096 768x16384 1024x32768', size)
  .addOption(new Option('--kinds <kind...>', 'architectures').choices(KINDS).default(['topk', 'topk-auxk']))
  .addOption(
    new Option(
      '--libraries <library...>',
      'of PyTorch: a notebook’s form, an expert’s, that with a gathered encoder gradient, that compiled; and SAELens',
    )
      .choices(LIBRARIES)
      .default(['expert', 'gathered', 'saelens']),
  )
  .option('--k <n>', 'active latents a sample', positiveInteger, 32)
  .option('--batch <n>', 'samples a step', positiveInteger, 1024)
  .option('--steps <n>', 'steps of each; default 300, 100 and 60 of the three sizes, else 60', positiveInteger)
  .option('--learning-rate <rate>', 'of ours and PyTorch’s', positiveNumber, 0.004)
  .option('--saelens-learning-rate <rate>', 'of SAELens', positiveNumber, 0.004)
  .option('--threads <n>', 'threads', positiveInteger, availableParallelism())
  .option('--json <file>', 'all measurements')
  .parse()
  .opts<Options>();

// Of .0005, .001, .002, .004 and .01 the rate of .004 explained most after 300 steps at 512/4096, ours (.78) and SAELens's (.79) alike.
/** Turns in which all take their steps. */
const ROUNDS = 5;
const HELD_OUT = 8192;
/** Steps without firing after which AuxK calls a latent dead, in all libraries: short, so that it acts within a bench. */
const DEAD_AFTER = 20;
/** Weights of the sparsity losses, in the unit of a mean over d_in. */
const L1 = 0.0002;
const L0 = 0.00002;
const SCRIPT = fileURLToPath(new URL('python/sae_step.py', import.meta.url));

function activationOf({ kind, k }: Work): ActivationConfig {
  const auxK = { form: 'saelens', coefficient: 1, deadAfter: DEAD_AFTER } as const;
  switch (kind) {
    case 'topk':
      return { kind, k };
    case 'topk-auxk':
      return { kind: 'topk', k, auxK };
    case 'batchtopk':
      return { kind, k };
    case 'batchtopk-auxk':
      return { kind: 'batchtopk', k, auxK };
    case 'relu':
      return { kind, l1: L1 };
    case 'jumprelu':
      return { kind, l0: L0 };
  }
}

/** What a training of ours starts from and does in each step. */
function ourTraining(work: Work): { readonly sae: SparseAutoencoder; readonly program: StepProgram } {
  const { dIn, dSae, batchSize, learningRate, steps } = work;
  const activation = activationOf(work);
  const settings = resolveSaeSettings({ data: [], dSae, activation, batchSize, learningRate, steps });
  const sae = new SparseAutoencoder({ dIn, dSae, activation }, randomStream(0, 'autoencoder'));
  const numbers = stepNumbers([{ ...settings, numbers: sae.architecture.scalars }]);
  return { sae, program: saeStep(settings, [sae], numbers).program };
}

/** The request that tells Python what to train. */
function requestOf(library: Library, work: Work, rows: string): object {
  const { kind, dIn, dSae, batchSize, k, threads, learningRate, saelensLearningRate } = work;
  return {
    library,
    kind: kind.replace('-auxk', ''),
    dIn,
    dSae,
    batchSize,
    k,
    threads,
    rows,
    auxK: kind.endsWith('auxk'),
    deadAfter: DEAD_AFTER,
    learningRate: library === 'saelens' ? saelensLearningRate : learningRate,
    ...(kind === 'relu' && { l1: L1 }),
    ...(kind === 'jumprelu' && { l0: L0 }),
  };
}

interface Other {
  readonly library: Library;
  readonly version: string;
  readonly process: LineProcess;
  readonly ms: number[];
}

/**
 * Starts a library. Gives undefined, after a line that says why, where this Python does not have it. Only SAELens has
 * AuxK.
 */
async function startOther(library: Library, work: Work, rows: string): Promise<Other | undefined> {
  if (library !== 'saelens' && work.kind.endsWith('auxk')) return undefined;
  let version = '';
  const process = await startPython(options.python!, SCRIPT, requestOf(library, work, rows), {
    onProblem: reason => console.error(`without ${library} for ${work.kind}: ${reason}`),
    onAnswer: answer => (version = (answer as { version: string }).version),
  });
  return process && { library, version, process, ms: [] };
}

/** Steps of ours and of the others in turn, so that all see the same machine. */
async function measure(work: Work, rows: PlantedRows, others: readonly Other[], folder: string): Promise<Measurement> {
  const { dIn, dSae, batchSize, threads, steps } = work;
  const { sae, program } = ourTraining(work);
  const runner = await createSparseUpdateRunner(program, { threads, anySize: true });
  try {
    const data = rows.training.data as Float32Array;
    const ms: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [from, to] = [round, round + 1].map(turn => Math.round((turn * steps) / ROUNDS)) as [number, number];
      for (let step = from; step < to; step++) {
        const activations = data.subarray(step * batchSize * dIn, (step + 1) * batchSize * dIn);
        const start = performance.now();
        await runner.run(1, { activations });
        ms.push(performance.now() - start);
      }
      for (const other of others) {
        const { ms: theirs } = await other.process.ask<{ ms: number[] }>({ steps: to - from });
        other.ms.push(...theirs);
      }
    }
    const times = await runner.times();
    const part = (name: keyof StepTimes) =>
      times.reduce((sum, shard) => sum + shard[name], 0) / times.length / ms.length;
    const parts: StepTimes = {
      gemm: part('gemm'),
      select: part('select'),
      reconstruct: part('reconstruct'),
      update: part('update'),
      exchange: part('exchange'),
    };
    // Two matrices with their second moments, read and written.
    const bytes = 4 * dIn * dSae * 2 * 2 * 2;
    const peakMemoryMiB = process.resourceUsage().maxRSS / 1024;
    const trained = sae.withState(modelState(await runner.read()));
    const measured: OtherMeasurement[] = [];
    for (const [index, other] of others.entries()) {
      const saved = join(folder, `${work.kind}-${dIn}-${dSae}-${index}`);
      const score = await other.process.ask({ save: saved }).then(
        async () => heldOutScore((await loadSaeFolder(saved)).sae, rows.heldOut),
        () => undefined,
      );
      const { library, version, ms: theirs } = other;
      measured.push({ library, version, ms: theirs, ratio: median(theirs)! / median(ms)!, ...(score && { score }) });
    }
    return {
      work,
      ms,
      parts,
      gemmGflops: (2 * batchSize * dIn * dSae) / parts.gemm / 1e6,
      updateGBps: bytes / parts.update / 1e6,
      peakMemoryMiB,
      score: await heldOutScore(trained.freeze(), rows.heldOut),
      others: measured,
    };
  } finally {
    await runner.dispose();
  }
}

function report({ work, ms, parts, gemmGflops, updateGBps, others, score, peakMemoryMiB }: Measurement): string {
  const { kind, dIn, dSae, steps } = work;
  const line = (name: string, all: readonly number[], ratio: string, worth: string, detail: string): string =>
    `  ${name.padEnd(12)}${`${median(all)!.toFixed(1)} ms`.padEnd(12)}${ratio.padEnd(8)}${worth.padEnd(38)}${detail}`;
  const detail = `Gemm ${gemmGflops.toFixed(0)} GFLOP/s, update ${updateGBps.toFixed(1)} GB/s, ${peakMemoryMiB.toFixed(0)} MiB; `;
  return [
    `${kind} ${dIn}/${dSae}, ${steps} steps`,
    line('ours', ms, '', scoreText(score), detail + partShares({ ...parts }, ms)),
    ...others.map(({ library, version, ms: theirs, ratio, score: worth }) =>
      line(library, theirs, `${ratio.toFixed(1)}×`, worth ? scoreText(worth) : 'not scored', version),
    ),
  ].join('\n');
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown CPU',
  threads: options.threads,
  node: process.version,
  loadAtStart: loadavg()[0],
};
console.log(
  `${machine.cpu}, ${machine.threads} threads, batch ${options.batch}, k ${options.k}, load ${machine.loadAtStart!.toFixed(1)}; ` +
    `learning rate ${options.learningRate}, SAELens's ${options.saelensLearningRate}; ${HELD_OUT} rows held out`,
);
const folder = await mkdtemp(join(tmpdir(), 'monosemantic-sae-step-'));
const measurements: Measurement[] = [];
try {
  for (const [place, { dIn, dSae }] of (options.sizes ?? SIZES).entries()) {
    const steps = options.steps ?? (options.sizes ? 60 : [300, 100, 60][place]!);
    const rows = await plantRows(folder, { dIn, dSae, rows: steps * options.batch, heldOut: HELD_OUT });
    for (const kind of options.kinds) {
      const { batch: batchSize, k, learningRate, saelensLearningRate, threads } = options;
      const work = { kind, dIn, dSae, batchSize, k, learningRate, saelensLearningRate, steps, threads };
      const others: Other[] = [];
      for (const library of options.python === undefined ? [] : options.libraries) {
        const other = await startOther(library, work, rows.file);
        if (other) others.push(other);
      }
      measurements.push(await measure(work, rows, others, folder));
      for (const { process: python } of others) python.end();
      console.log(report(measurements.at(-1)!));
    }
    await rm(rows.file);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (options.json) await writeFileAtomic(options.json, `${JSON.stringify({ machine, measurements }, null, 2)}\n`);
