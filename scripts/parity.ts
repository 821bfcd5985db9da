/**
 * `npx tsx scripts/parity.ts --python PYTHON`: whole trainings by SAELens's own trainer and by ours, on the same rows,
 * with paired seeds and AuxK on in both. SAELens runs as it comes, ours runs with `--preset saelens` and with
 * `--preset ours`, and the same code scores each from its frozen file. Prints paired differences to SAELens with 95%
 * intervals (Student's t over seeds), and writes every run to --out; runs that are there are not done again.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { bestMatches } from '../src/analysis/best-matches.ts';
import { ExplainedVariance } from '../src/analysis/explained-variance.ts';
import { FiringDensity } from '../src/analysis/firing-density.ts';
import { L0 } from '../src/analysis/l0.ts';
import { LatentF1 } from '../src/analysis/latent-detection.ts';
import { recovery } from '../src/analysis/recovery.ts';
import { type MeanInterval, studentInterval } from '../src/analysis/student-interval.ts';
import { positiveInteger, positiveNumber } from '../src/cli/options.ts';
import { createRandomSource } from '../src/data/random-source.ts';
import { averageNormScale } from '../src/data/scaled-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { readNpy, writeNpy } from '../src/files/npy.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { loadSae } from '../src/inference/node.ts';
import type { ActivationConfig } from '../src/models/architectures/registry.ts';
import type { FrozenSae } from '../src/models/frozen-sae.ts';
import { type HostTensor, hostTensor } from '../src/tensor.ts';
import { kept } from './tables/kept-results.ts';
import { chosenLatents, type PairedTraining, trainedAndScored, WAYS, type Way } from './tables/paired-runs.ts';

/** What is trained. Coefficients are in SAELens's unit, a sum over d_in. */
interface Case extends Pick<PairedTraining, 'saelens' | 'ours'> {
  readonly name: string;
}

interface Numbers {
  readonly k: number;
  readonly l1: number;
  readonly l0: number;
  readonly dSae: number;
  readonly dIn: number;
}

function casesOf({ k, l1, l0, dSae }: Numbers): readonly Case[] {
  const widths = [dSae / 8, dSae / 2, dSae];
  const jump = { jumprelu_bandwidth: 0.1, jumprelu_init_threshold: 0.1, l0_coefficient: l0 };
  return [
    { name: 'topk', ...chosenLatents('topk', k) },
    { name: 'batchtopk', ...chosenLatents('batchtopk', k) },
    {
      name: 'matryoshka',
      saelens: { architecture: 'matryoshka_batchtopk', options: { k, matryoshka_widths: widths } },
      ours: { kind: 'matryoshka', k, widths },
    },
    {
      name: 'jumprelu',
      saelens: { architecture: 'jumprelu', options: jump },
      ours: { kind: 'jumprelu', l0, bandwidth: 0.1, threshold: 0.1 },
    },
    {
      name: 'relu',
      saelens: { architecture: 'standard', options: { l1_coefficient: l1 } },
      ours: { kind: 'relu', l1 },
    },
  ];
}

interface Options {
  readonly python: string;
  readonly out: string;
  readonly only?: readonly string[];
  readonly ways: readonly Way[];
  readonly seeds: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly dSae: number;
  readonly k: number;
  readonly l1: number;
  readonly l0: number;
  readonly learningRate: number;
  readonly deadWindow: number;
  readonly threads: number;
  readonly activations?: string;
}

const options = new Command('parity')
  .description('Trainings by SAELens and by ours on the same rows, with paired seeds, scored by one code.')
  .requiredOption('--python <program>', 'a Python that imports sae_lens', process.env['MONOSEMANTIC_PYTHON'])
  .option('--out <folder>', 'where runs are kept, and taken from', 'runs/parity')
  .option('--activations <file>', 'rows [n, d] in .npy instead of planted ones: nothing is then said of truth')
  .option('--only <case...>', 'topk, batchtopk, matryoshka, jumprelu, relu')
  .addOption(new Option('--ways <way...>', 'who trains').choices(WAYS).default(WAYS))
  .option('--seeds <n>', 'paired seeds', positiveInteger, 5)
  .option('--steps <n>', 'steps of each', positiveInteger, 20_000)
  .option('--batch-size <n>', 'rows of a step', positiveInteger, 1024)
  .option('--d-sae <n>', 'latents', positiveInteger, 512)
  .option('--k <n>', 'active latents of those that choose them', positiveNumber, 8)
  .option('--l1 <weight>', 'of ReLU, in the unit of SAELens', positiveNumber, 0.3)
  .option('--l0 <weight>', 'of JumpReLU, in the unit of SAELens', positiveNumber, 0.3)
  .option('--learning-rate <rate>', 'of all', positiveNumber, 0.001)
  .option('--dead-window <steps>', 'steps without firing after which a latent is dead, in all', positiveInteger, 500)
  .option('--threads <n>', 'of both; one wastes least on a busy machine', positiveInteger, cpus().length)
  .parse()
  .opts<Options>();

/** Rows that both train on, rows that neither does, and what they are made of. */
interface Data {
  readonly file: string;
  readonly trained: number;
  readonly heldOut: HostTensor;
  readonly truth?: { readonly directions: HostTensor; readonly features: HostTensor };
}

const [ROWS, HELD_OUT, WIDTH, FEATURES, GROUPS] = [100_000, 10_000, 64, 256, 32];

/**
 * 256 features in 64 dimensions that fire together: of 32 groups of eight, two are chosen for each row, and each of their features fires with
 * probability .45, any other with .005; magnitudes |1 + .3 n|, and a constant offset. Some 8.4 features a row.
 */
async function plant(folder: string): Promise<Data> {
  const random = createRandomSource(20_261_126);
  const directions = new Float32Array(FEATURES * WIDTH);
  for (let feature = 0; feature < FEATURES; feature++) {
    const row = directions.subarray(feature * WIDTH, (feature + 1) * WIDTH);
    for (let i = 0; i < WIDTH; i++) row[i] = random.normal();
    const norm = Math.hypot(...row);
    for (let i = 0; i < WIDTH; i++) row[i]! /= norm;
  }
  const offset = Float32Array.from({ length: WIDTH }, () => 0.3 * random.normal());
  const data = new Float32Array((ROWS + HELD_OUT) * WIDTH);
  const features = new Float32Array(HELD_OUT * FEATURES);
  for (let row = 0; row < ROWS + HELD_OUT; row++) {
    const chosen = [random.integer(GROUPS), random.integer(GROUPS)];
    const values = data.subarray(row * WIDTH, (row + 1) * WIDTH);
    values.set(offset);
    for (let feature = 0; feature < FEATURES; feature++) {
      const isChosen = chosen.includes(feature % GROUPS);
      if (random.uniform() >= (isChosen ? 0.45 : 0.005)) continue;
      const magnitude = Math.abs(1 + 0.3 * random.normal());
      for (let i = 0; i < WIDTH; i++) values[i]! += magnitude * directions[feature * WIDTH + i]!;
      if (row >= ROWS) features[(row - ROWS) * FEATURES + feature] = magnitude;
    }
  }
  const file = join(folder, 'rows.npy');
  const training = hostTensor(data.slice(0, ROWS * WIDTH), [ROWS, WIDTH]);
  await writeFileAtomic(file, writeNpy(training));
  const truth = {
    directions: hostTensor(directions, [FEATURES, WIDTH]),
    features: hostTensor(features, [HELD_OUT, FEATURES]),
  };
  return { file, trained: ROWS, heldOut: hostTensor(data.slice(ROWS * WIDTH), [HELD_OUT, WIDTH]), truth };
}

/** Rows of a model: the last tenth, at most 10,000, is held out, in a file of its own for ours. */
async function given(path: string, folder: string): Promise<Data> {
  const { data, shape } = readNpy(await readFile(path), { file: path });
  const [rows, width] = shape as [number, number];
  const held = Math.min(HELD_OUT, Math.floor(rows / 10));
  const values = Float32Array.from(data as ArrayLike<number>);
  const file = join(folder, 'rows.npy');
  await writeFileAtomic(file, writeNpy(hostTensor(values.slice(0, (rows - held) * width), [rows - held, width])));
  return { file, trained: rows - held, heldOut: hostTensor(values.slice((rows - held) * width), [held, width]) };
}

interface Score {
  readonly explained_variance: number;
  readonly l0: number;
  readonly silent: number;
  /** True directions with a latent of their own, |cosine| > .9; with their truth alone. */
  readonly found?: number;
  readonly f1?: number;
  /** Processor seconds of training, start and file included. */
  readonly processor_seconds: number;
  readonly aux_k_steps: number;
}

const METRICS = ['explained_variance', 'l0', 'silent', 'found', 'f1', 'processor_seconds'] as const;
type Metric = (typeof METRICS)[number];

async function scored(
  sae: FrozenSae,
  { heldOut, truth }: Data,
): Promise<Omit<Score, 'processor_seconds' | 'aux_k_steps'>> {
  await using loaded = await loadSae(frozenSaeToOnnx(sae), { provider: 'cpu' });
  const { features, reconstruction } = await loaded.forward(heldOut);
  const [variance, l0, density] = [new ExplainedVariance(), new L0(), new FiringDensity()];
  variance.add(heldOut, reconstruction);
  l0.add(features);
  density.add(features);
  const { alive, dead } = density.compute();
  const common = { explained_variance: variance.compute() ?? Number.NaN, l0: l0.compute(), silent: dead.length };
  if (!truth) return common;
  const directions = sae.weights['W_dec']!;
  const f1 = new LatentF1(bestMatches(directions, truth.directions));
  f1.add(features, truth.features);
  const { recovered } = recovery({
    directions,
    trueDirections: truth.directions,
    alive,
    threshold: 0.9,
    eitherSign: true,
  });
  return { ...common, found: recovered, f1: f1.compute().mean.f1 };
}

/** Our architecture with its numbers in the unit of the preset that `way` trains with. */
function inUnitOf(way: Way, ours: ActivationConfig, { heldOut }: Data): ActivationConfig {
  if (way !== 'preset ours') return ours;
  // A mean over d_in is a sum divided by it.
  const perDimension = 1 / heldOut.shape[1]!;
  // Activations are scaled: the same objective has its squared error times the square of the scale, its features, thresholds and L1 times the scale.
  const scale = averageNormScale(heldOut);
  return {
    ...ours,
    ...('l1' in ours && { l1: ours.l1! * perDimension * scale }),
    ...('l0' in ours && { l0: ours.l0! * perDimension * scale ** 2 }),
    ...('bandwidth' in ours && { bandwidth: ours.bandwidth! * scale }),
    ...('threshold' in ours && { threshold: ours.threshold! * scale }),
  } as ActivationConfig;
}

async function scoreOf(own: Case, way: Way, seed: number, data: Data): Promise<Score> {
  const { dSae, steps, batchSize, learningRate, deadWindow, python, threads } = options;
  const ours = inUnitOf(way, own.ours, data);
  const training = { saelens: own.saelens, ours, dSae, steps, batchSize, learningRate, deadWindow, seed };
  const place = { python, folder: options.out, threads };
  const { auxKSteps, processorSeconds, ...worth } = await trainedAndScored(way, training, data, place, scored);
  return { ...worth, processor_seconds: processorSeconds, aux_k_steps: auxKSteps };
}

function inWords(metric: Metric, { mean, high }: MeanInterval): string {
  const digits = { explained_variance: 4, l0: 2, silent: 1, found: 1, f1: 3, processor_seconds: 0 }[metric];
  return `${mean.toFixed(digits)} ± ${(high - mean).toFixed(digits)}`;
}

const folder = options.out;
await mkdir(folder, { recursive: true });
const data = options.activations === undefined ? await plant(folder) : await given(options.activations, folder);
const dIn = data.heldOut.shape[1]!;
const { steps, batchSize, dSae, k, l1, l0, learningRate, deadWindow, seeds } = options;
const settings = { steps, batchSize, dIn, dSae, k, l1, l0, learningRate, deadWindow };
console.log(`${cpus()[0]?.model}, load ${loadavg()[0]!.toFixed(1)}; ${JSON.stringify(settings)}, ${seeds} seeds`);
for (const own of casesOf({ ...options, dIn })) {
  if (options.only && !options.only.includes(own.name)) continue;
  const scores = new Map<Way, Score[]>();
  for (let seed = 0; seed < seeds; seed++) {
    for (const way of options.ways) {
      const name = `${own.name}-${way.replaceAll(' ', '-')}-${seed}`;
      const score = await kept(folder, name, settings, () => scoreOf(own, way, seed, data));
      scores.set(way, [...(scores.get(way) ?? []), score]);
    }
  }
  const rival = scores.get('SAELens');
  for (const [way, all] of scores) {
    const parts = METRICS.flatMap(metric => {
      const own = all.map(score => score[metric] ?? Number.NaN);
      if (own.some(Number.isNaN)) return [];
      const paired = way === 'SAELens' || !rival ? own : own.map((value, i) => value - rival[i]![metric]!);
      return [`${metric} ${way === 'SAELens' || !rival ? '' : 'Δ '}${inWords(metric, studentInterval(paired))}`];
    });
    const active = all.map(({ aux_k_steps }) => aux_k_steps);
    console.log(
      `${own.name.padEnd(11)}${way.padEnd(15)}${parts.join('  ')}  AuxK in ${Math.round(studentInterval(active).mean)} steps`,
    );
  }
}
