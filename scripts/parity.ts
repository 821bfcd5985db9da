/**
 * `npx tsx scripts/parity.ts --python PYTHON`: whole trainings by SAELens's own trainer and by ours, on the same rows, with paired seeds, AuxK on in both:
 * SAELens as it comes, ours with `--preset saelens`, and ours with `--preset ours`. Each is scored from its frozen file by one code. Prints a table of
 * paired differences to SAELens with 95% intervals (Student's t over seeds), and writes every run to --out; runs that are there are not done again.
 * Seeds come first and architectures within them, so that a run that is stopped, by `--minutes` or otherwise, has as many seeds of each. Several processes
 * may share --out where `--only` parts the architectures among them; the last one, over all of them, prints the whole table.
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
import { studentInterval } from '../src/analysis/student-interval.ts';
import { positiveInteger, positiveNumber } from '../src/cli/options.ts';
import { median } from '../src/data/median.ts';
import { createRandomSource } from '../src/data/random-source.ts';
import { averageNormScale } from '../src/data/scaled-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { readNpy, writeNpy } from '../src/files/npy.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { loadSae } from '../src/inference/node.ts';
import type { ActivationConfig } from '../src/models/architectures/registry.ts';
import type { FrozenSae } from '../src/models/frozen-sae.ts';
import { type HostTensor, hostTensor, rowNorms } from '../src/tensor.ts';
import { KeptResults } from './tables/kept-results.ts';
import {
  chosenLatents,
  type Job,
  type PairedScores,
  type PairedTraining,
  pairedScores,
  trainedAndScored,
  WAYS,
  type Way,
} from './tables/paired-runs.ts';

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
  readonly python?: string;
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
  readonly features: number;
  readonly activations?: string;
  readonly dropNormAbove?: number;
  readonly normalize?: boolean;
  readonly save?: boolean;
  readonly minutes?: number;
}

const options = new Command('parity')
  .description('Trainings by SAELens and by ours on the same rows, with paired seeds, scored by one code.')
  .option(
    '--python <program>',
    'a Python that imports sae_lens; without one ours alone train',
    process.env['MONOSEMANTIC_PYTHON'],
  )
  .option('--out <folder>', 'where runs are kept, and taken from', 'runs/parity')
  .option('--activations <file>', 'rows [n, d] in .npy instead of planted ones: nothing is then said of truth')
  .option('--drop-norm-above <times>', 'leave out given rows longer than so many times the median norm', positiveNumber)
  .option('--normalize', 'all bring activations to the mean norm √d_in; else --preset ours alone does')
  .option('--save', 'keep each autoencoder as .onnx in --out')
  .option('--only <case...>', 'topk, batchtopk, matryoshka, jumprelu, relu')
  .addOption(new Option('--ways <way...>', 'who trains').choices(WAYS).default(WAYS))
  .option('--seeds <n>', 'paired seeds', positiveInteger, 5)
  .option('--steps <n>', 'steps of each', positiveInteger, 20_000)
  .option('--batch-size <n>', 'rows of a step', positiveInteger, 1024)
  .option('--features <n>', 'planted ones, in groups of eight', positiveInteger, 256)
  .option('--d-sae <n>', 'latents', positiveInteger, 512)
  .option('--k <n>', 'active latents of those that choose them', positiveNumber, 8)
  .option('--l1 <weight>', 'of ReLU, in the unit of SAELens', positiveNumber, 0.3)
  .option('--l0 <weight>', 'of JumpReLU, in the unit of SAELens', positiveNumber, 0.3)
  .option('--learning-rate <rate>', 'of SAELens and of its preset; `ours` has its own', positiveNumber, 0.001)
  .option(
    '--dead-window <steps>',
    'steps without firing after which a latent is dead; `ours` has its own',
    positiveInteger,
    500,
  )
  .option('--threads <n>', 'of both; one wastes least on a busy machine', positiveInteger, cpus().length)
  .option('--minutes <n>', 'begin no training after so many; what is kept is printed', positiveNumber)
  .parse()
  .opts<Options>();

/** Rows that both train on, rows that neither does, and what they are made of. */
interface Data {
  readonly file: string;
  readonly trained: number;
  readonly heldOut: HostTensor;
  readonly truth?: { readonly directions: HostTensor; readonly features: HostTensor };
}

const [ROWS, HELD_OUT, WIDTH] = [100_000, 10_000, 64];
const GROUP = 8;

/**
 * Features in 64 dimensions that fire together: of groups of eight, two are chosen for each row, and each of their features fires with
 * probability .45, any other with .005; magnitudes |1 + .3 n|, and a constant offset. Of 256 features some 8.4 a row, of 128 some 7.6.
 */
async function plant(folder: string, count: number): Promise<Data> {
  const groups = Math.floor(count / GROUP);
  const random = createRandomSource(20_261_126);
  const directions = new Float32Array(count * WIDTH);
  for (let feature = 0; feature < count; feature++) {
    const row = directions.subarray(feature * WIDTH, (feature + 1) * WIDTH);
    for (let i = 0; i < WIDTH; i++) row[i] = random.normal();
    const norm = Math.hypot(...row);
    for (let i = 0; i < WIDTH; i++) row[i]! /= norm;
  }
  const offset = Float32Array.from({ length: WIDTH }, () => 0.3 * random.normal());
  const data = new Float32Array((ROWS + HELD_OUT) * WIDTH);
  const features = new Float32Array(HELD_OUT * count);
  for (let row = 0; row < ROWS + HELD_OUT; row++) {
    const chosen = [random.integer(groups), random.integer(groups)];
    const values = data.subarray(row * WIDTH, (row + 1) * WIDTH);
    values.set(offset);
    for (let feature = 0; feature < count; feature++) {
      const isChosen = chosen.includes(feature % groups);
      if (random.uniform() >= (isChosen ? 0.45 : 0.005)) continue;
      const magnitude = Math.abs(1 + 0.3 * random.normal());
      for (let i = 0; i < WIDTH; i++) values[i]! += magnitude * directions[feature * WIDTH + i]!;
      if (row >= ROWS) features[(row - ROWS) * count + feature] = magnitude;
    }
  }
  const file = join(folder, 'rows.npy');
  const training = hostTensor(data.slice(0, ROWS * WIDTH), [ROWS, WIDTH]);
  await writeFileAtomic(file, writeNpy(training));
  const truth = {
    directions: hostTensor(directions, [count, WIDTH]),
    features: hostTensor(features, [HELD_OUT, count]),
  };
  return { file, trained: ROWS, heldOut: hostTensor(data.slice(ROWS * WIDTH), [HELD_OUT, WIDTH]), truth };
}

/**
 * Rows of a model: the last tenth, at most 10,000, is held out, in a file of its own for ours. Rows longer than `dropNormAbove` times the median norm are in
 * neither: attention sinks, which a few latents explain and which then are most of the variance.
 */
async function given(path: string, folder: string, dropNormAbove = Number.POSITIVE_INFINITY): Promise<Data> {
  const { data, shape } = readNpy(await readFile(path), { file: path });
  const width = shape[1]!;
  const all = Float32Array.from(data as ArrayLike<number>);
  const norms = rowNorms(hostTensor(all, [shape[0]!, width]));
  const limit = dropNormAbove * median(norms);
  const rows = norms.filter(norm => norm <= limit).length;
  const values = new Float32Array(rows * width);
  let next = 0;
  for (const [row, norm] of norms.entries()) {
    if (norm <= limit) values.set(all.subarray(row * width, (row + 1) * width), next++ * width);
  }
  if (rows < shape[0]!)
    console.log(`${shape[0]! - rows} of ${shape[0]} rows are longer than ${limit.toFixed(0)} and left out`);
  const held = Math.min(HELD_OUT, Math.floor(rows / 10));
  const file = join(folder, 'rows.npy');
  await writeFileAtomic(file, writeNpy(hostTensor(values.slice(0, (rows - held) * width), [rows - held, width])));
  return { file, trained: rows - held, heldOut: hostTensor(values.slice((rows - held) * width), [held, width]) };
}

type Score = Readonly<Record<string, number>>;

/** What the table shows: each number of a score, its heading and its digits. */
type Column = readonly [metric: string, heading: string, digits: number];
const OF_ALL: readonly Column[] = [
  ['explained_variance', 'explained variance', 4],
  ['l0', 'L0', 2],
  ['silent', 'silent', 1],
];
/** True directions with a latent of their own, |cosine| > .9, and F1: only where the truth is known. */
const OF_TRUTH: readonly Column[] = [
  ['found', 'found (cosine > .9)', 1],
  ['f1', 'F1', 3],
];
/** Of training, start and file included. */
const COST: Column = ['processor_seconds', 'CPU seconds', 0];

async function scored(sae: FrozenSae, { heldOut, truth }: Data, name: string): Promise<Score> {
  const model = frozenSaeToOnnx(sae);
  if (options.save) await writeFileAtomic(join(options.out, `${name}.onnx`), model);
  await using loaded = await loadSae(model, { provider: 'cpu' });
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
  if (way !== 'preset ours' || options.normalize) return ours;
  // Activations are scaled: the same objective has its squared error times the square of the scale, its features, thresholds and L1 times the scale.
  const scale = averageNormScale(heldOut);
  return {
    ...ours,
    ...('l1' in ours && { l1: ours.l1! * scale }),
    ...('l0' in ours && { l0: ours.l0! * scale ** 2 }),
    ...('bandwidth' in ours && { bandwidth: ours.bandwidth! * scale }),
    ...('threshold' in ours && { threshold: ours.threshold! * scale }),
  } as ActivationConfig;
}

interface ParityJob extends Job {
  readonly case: Case;
}

async function scoreOf({ case: own, cell, way, seed }: ParityJob, data: Data): Promise<Score> {
  const { dSae, steps, batchSize, learningRate, deadWindow, python, threads } = options;
  const ours = inUnitOf(way, own.ours, data);
  const training = {
    saelens: own.saelens,
    ours,
    dSae,
    steps,
    batchSize,
    learningRate,
    deadWindow,
    seed,
    normalizes: options.normalize === true,
  };
  const place = { python, folder: join(options.out, cell), threads };
  const { auxKSteps, processorSeconds, ...worth } = await trainedAndScored(way, training, data, place, (sae, rows) =>
    scored(sae, rows, `${cell}-${way}-${seed}`.replaceAll(' ', '-')),
  );
  return { ...worth, processor_seconds: processorSeconds, aux_k_steps: auxKSteps };
}

/** One line of the table: means of SAELens, or where it did not train, and else paired differences to it, in bold where their interval does not hold zero. */
function lineOf(scores: PairedScores<Score>, columns: readonly Column[], { cell, way }: Omit<Job, 'seed'>) {
  const isFirst = way === 'SAELens' || scores.of(cell, 'SAELens', 'l0').length === 0;
  const valuesOf = (metric: string): number[] =>
    isFirst ? scores.of(cell, way, metric) : scores.differences(cell, way, 'SAELens', metric);
  const pairs = valuesOf('l0').length;
  if (pairs === 0) return undefined;
  const cells = columns.map(([metric, , digits]) => {
    const { mean, low, high } = studentInterval(valuesOf(metric));
    const sign = !isFirst && mean > 0 ? '+' : '';
    const half = pairs > 1 ? ` ± ${((high - low) / 2).toFixed(digits)}` : '';
    const text = `${sign}${mean.toFixed(digits)}${half}`;
    return !isFirst && (low > 0 || high < 0) ? `**${text}**` : text;
  });
  const active = scores.of(cell, way, 'aux_k_steps');
  const auxK = Math.round(active.reduce((sum, steps) => sum + steps, 0) / active.length);
  const name = isFirst ? `${cell}, ${way}, ${pairs} seed${pairs === 1 ? '' : 's'}` : `\`--${way}\`, ${pairs}`;
  return `| ${[name, ...cells, auxK.toLocaleString('en')].join(' | ')} |`;
}

const folder = options.out;
await mkdir(folder, { recursive: true });
const { steps, batchSize, dSae, k, l1, l0, learningRate, deadWindow, features } = options;
const { activations, dropNormAbove, normalize } = options;
const data =
  activations === undefined ? await plant(folder, features) : await given(activations, folder, dropNormAbove);
const dIn = data.heldOut.shape[1]!;
const settings = {
  ...{ steps, batchSize, dIn, dSae, k, l1, l0, learningRate, deadWindow },
  ...(activations === undefined ? { features } : { activations, dropNormAbove }),
  ...(normalize && { normalize }),
};
console.log(`${cpus()[0]?.model}, load ${loadavg()[0]!.toFixed(1)}; ${JSON.stringify(settings)}`);
const cases = casesOf({ ...options, dIn }).filter(({ name }) => options.only?.includes(name) ?? true);
const jobs = Array.from({ length: options.seeds }, (_, seed) =>
  cases.flatMap(own => options.ways.map((way): ParityJob => ({ case: own, cell: own.name, way, seed }))),
).flat();
const scores = await pairedScores<ParityJob, Score>(
  new KeptResults(join(folder, 'runs.jsonl')),
  jobs,
  settings,
  options,
  job => scoreOf(job, data),
);
const columns = [...OF_ALL, ...(data.truth ? OF_TRUTH : []), COST];
const headings = columns.map(([, heading]) => heading);
console.log(`| ${['', ...headings, 'steps with AuxK'].join(' | ')} |\n|${'---|'.repeat(headings.length + 2)}`);
for (const { name } of cases) {
  for (const way of options.ways) {
    const line = lineOf(scores, columns, { cell: name, way });
    if (line !== undefined) console.log(line);
  }
}
