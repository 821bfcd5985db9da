/**
 * The arm without a known truth: the residual stream of a language model. What can be asked there is whether another seed finds the same: 30% of 131k latents had a partner in
 * "Sparse Autoencoders Trained on the Same Data Learn Different Features" (Paulo and Belrose 2025, arXiv 2501.16615).
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExplainedVariance } from '../../src/analysis/explained-variance.ts';
import { FiringDensity } from '../../src/analysis/firing-density.ts';
import { activationFiles } from '../../src/data/activation-files.ts';
import type { ActivationSource } from '../../src/data/activation-source.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { readNpy, writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import { loadSae } from '../../src/inference/node.ts';
import { type HostTensor, hostTensor, rowNorms, rowsAt } from '../../src/tensor.ts';
import { trainSae } from '../../src/training/node.ts';
import type { SaeSettings } from '../../src/training/sae-settings.ts';
import { KeptResults } from '../tables/kept-results.ts';
import { meanOf, type TableReport } from '../tables/table.ts';
import { type Alike, alike, centredRows, foundByChance, livingRows, meanOver, SMALL } from './run-cell.ts';
import { sphericalKMeans } from './spherical-k-means.ts';

/** `ours` is the whole preset of that name: its own rate, free rows from norm 1, AuxK; `ours at .001` has the rate of the others. These differ in their start, and `small` in that its rows are free. */
type Arm = 'gaussian' | 'small' | 'ours' | 'ours at .001' | 'activations' | 'k-means';
/** What is trained of each width, the narrow ones first. */
const WIDTHS: readonly (readonly [dSae: number, arms: readonly Arm[]])[] = [
  [1024, ['gaussian', 'small', 'ours', 'ours at .001', 'activations', 'k-means']],
  [4096, ['gaussian', 'small', 'ours']],
  [16_384, ['gaussian', 'ours']],
];
/** Rounds of spherical k-means. */
const ROUNDS = 10;
const [WIDTH, K, STEPS, BATCH, LEARNING_RATE, SEEDS] = [576, 32, 1500, 1024, 0.001, 5];
/** Rows whose norm is above so many times the median are attention sinks. */
const DROP_NORM_ABOVE = 10;

interface Run {
  readonly dSae: number;
  readonly arm: Arm;
  readonly seed: number;
}

interface Score {
  readonly ev: number;
  readonly silent: number;
}

async function settingsOf({ arm, dSae, seed }: Run, data: ActivationSource): Promise<Omit<SaeSettings, 'data'>> {
  const common = { dSae, steps: STEPS, batchSize: BATCH, normalize: 'expected_average_only_in', seed } as const;
  if (arm === 'ours' || arm === 'ours at .001') {
    const rate = arm === 'ours' ? {} : { learningRate: LEARNING_RATE };
    return { ...common, activation: { kind: 'topk', k: K }, preset: 'ours', ...rate };
  }
  const centres = async (): Promise<HostTensor> =>
    sphericalKMeans(await centredRows(data, BATCH), dSae, createRandomSource(seed), ROUNDS);
  return {
    ...common,
    activation: { kind: 'topk', k: K, auxK: false },
    learningRate: LEARNING_RATE,
    schedules: { learningRate: { decay: 'linear', decaySteps: STEPS / 5 } },
    ...(arm === 'small'
      ? { decoder: 'free', start: { directions: 'gaussian', decoderNorm: SMALL } }
      : { start: { directions: arm === 'k-means' ? await centres() : arm } }),
  };
}

async function scoreOf(file: string, out: string, run: Run): Promise<Score> {
  const data = activationFiles(file, { dropNormAbove: DROP_NORM_ABOVE });
  const rows = await heldOutOf(data);
  const { sae } = await trainSae({ ...(await settingsOf(run, data)), data });
  await using loaded = await loadSae(frozenSaeToOnnx(sae.freeze()), { provider: 'cpu' });
  const { features, reconstruction } = await loaded.forward(rows);
  const [variance, firing] = [new ExplainedVariance(), new FiringDensity()];
  variance.add(rows, reconstruction as HostTensor);
  firing.add(features as HostTensor);
  const { alive, dead } = firing.compute();
  const living = livingRows(sae.featureDirections(), alive);
  await mkdir(out, { recursive: true });
  await writeFileAtomic(livingFile(out, run), writeNpy(living));
  return { ev: variance.compute() ?? Number.NaN, silent: dead.length };
}

function nameOf({ dSae, arm, seed }: Run): string {
  return `${dSae}-${arm}-${seed}`;
}

/** The file that holds the decoder rows of the latents that fire. */
function livingFile(out: string, run: Run): string {
  return join(out, `language-model-${nameOf(run)}.npy`);
}

async function rowsIn(file: string): Promise<HostTensor> {
  const { data, shape } = readNpy(await readFile(file), { file });
  return hostTensor(Float32Array.from(data as ArrayLike<number>), shape);
}

/** Rows that no training of seed 0 sees, without sinks. Other seeds hold out other rows: what is measured on these is not the loss of training alone. */
async function heldOutOf(data: ReturnType<typeof activationFiles>): Promise<HostTensor> {
  await using open = await data.open({ seed: 0, batchSize: BATCH });
  for await (const { input } of open.heldOut(5000, 5000)) {
    const norms = rowNorms(input);
    const median = [...norms].sort((a, b) => a - b)[Math.floor(norms.length / 2)]!;
    return rowsAt(
      input,
      [...norms.keys()].filter(row => norms[row]! <= DROP_NORM_ABOVE * median),
    );
  }
  throw new Error('no rows are held out');
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** Trains and matches what is not kept until the time is over, and reports. */
export async function languageModel(file: string | undefined, out: string, until: number): Promise<TableReport> {
  const results = new KeptResults(join(out, 'language-model.jsonl'));
  const common = { K, STEPS, BATCH, LEARNING_RATE };
  const done = <Result>(name: string, settings: object, make: () => Promise<Result>): Promise<Result | undefined> =>
    results.keepIf(file !== undefined && performance.now() < until, name, { ...settings, ...common }, make);
  const rows: string[][] = [];
  for (const [dSae, arms] of WIDTHS) {
    const chance = await done(`${dSae}-by-chance`, { dSae }, async () => foundByChance(dSae, WIDTH, 2));
    const trained = new Map<Arm, { readonly runs: Run[]; readonly scores: Score[]; readonly pairs: Alike[] }>();
    const runs = Array.from({ length: SEEDS }, (_, seed) => arms.map((arm): Run => ({ dSae, arm, seed }))).flat();
    for (const run of runs) {
      const { arm, seed } = run;
      const score = await done(nameOf(run), run, () => scoreOf(file!, out, run));
      if (!score) continue;
      const all = trained.get(arm) ?? { runs: [], scores: [], pairs: [] };
      for (const other of all.runs) {
        const pair = await done(`${nameOf(other)}-${seed}`, { dSae, arm, seeds: [other.seed, seed] }, async () =>
          alike(await rowsIn(livingFile(out, other)), await rowsIn(livingFile(out, run))),
        );
        if (pair) all.pairs.push(pair);
      }
      trained.set(arm, { ...all, runs: [...all.runs, run], scores: [...all.scores, score] });
    }
    for (const [arm, { scores, pairs }] of trained) {
      const of = (metric: keyof Score): number[] => scores.map(score => score[metric]);
      const { above, pwMcc } = meanOver(pairs);
      const shares = pairs.map(pair => pair.above);
      const isPaired = pairs.length > 0;
      rows.push([
        String(dSae),
        arm,
        String(scores.length),
        meanOf(of('ev'), 4),
        meanOf(of('silent'), 0),
        isPaired ? percent(above) : '–',
        isPaired ? `${percent(Math.min(...shares))}, ${percent(Math.max(...shares))}` : '–',
        chance ? percent(chance.above) : '–',
        isPaired ? pwMcc.toFixed(3) : '–',
        chance ? chance.pwMcc.toFixed(3) : '–',
      ]);
    }
  }
  const paired = rows.filter(([, , seeds]) => Number(seeds) > 1);
  return {
    title: 'A language model',
    setting:
      `SmolLM2-135M, residual stream after block 14 (the tensor /m/model/layers.14/Add_1_output_0, 576 wide) on 8,000 WordNet glosses: 121,104 rows, without those whose norm is above ${DROP_NORM_ABOVE} times the median (attention sinks); activations scaled to norm √d; ` +
      `TopK ${K}, ${STEPS.toLocaleString('en')} steps of ${BATCH.toLocaleString('en')} at ${LEARNING_RATE}, falling to 0 over the last fifth, no AuxK, unit rows (reparametrised; \`small\`: free, from norm ${SMALL}; \`k-means\`: centres of 10,000 rows, ${ROUNDS} rounds); \`ours\`: \`--preset ours\` with its own rate and AuxK, which falls over the whole training. Seeds from 0 on differ in start and in the order of rows. Variance explained and silent latents on ` +
      'up to 5,000 rows without sinks that seed 0 does not train on. Partner: share of latents whose match in another seed, one to one, has |cosine| > .7 (decoder rows; only latents that fire): mean, least and most over pairs of seeds. By chance: as many random directions as latents.',
    header: [
      'latents',
      'start',
      'seeds',
      'variance explained',
      'silent',
      'partner',
      'least, most',
      'by chance',
      'PW-MCC',
      'by chance',
    ],
    rows,
    results: results.used,
    verdict:
      paired.length === 0
        ? 'Not run.'
        : `Published for 131,072 latents on Llama 3 8B: 30% shared. Here: ${paired.map(([width, arm, , , , partner]) => `${width} ${arm} ${partner}`).join(', ')}.`,
  };
}
