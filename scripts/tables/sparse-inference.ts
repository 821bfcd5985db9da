/**
 * F1, "Compute optimal inference and provable amortisation gap in sparse autoencoders" (O'Neill, Gumran and Klindt, ICML 2025, arXiv 2411.13117; charlieoneill11/sparse-inference): 16 sources, 3 of them in a
 * sample, in 8 dimensions; dictionary and codes are both unknown. They have one data seed; here every seed has a
 * dictionary and codes of its own.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { optimalMatching } from '../../src/analysis/optimal-matching.ts';
import { type DictionaryFeatures, dictionaryFeatures } from '../../src/data/dictionary-features.ts';
import { generatedSource } from '../../src/data/generated-source.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSae } from '../../src/inference/node.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSaes } from '../../src/training/node.ts';
import type { SaeSettings } from '../../src/training/sae-settings.ts';
import { KeptResults } from './kept-results.ts';
import { meanOf, type TableOptions, type TableReport } from './table.ts';

const [SOURCES, D_IN, K, ROWS] = [16, 8, 3, 1024];
const TRAINING = { steps: 40_000, learningRate: 1e-3 };

interface Score {
  /** Mean |Pearson| of codes with true codes, matched one to one. */
  readonly code: number;
  /** Mean |Pearson| of decoder rows with true directions, matched greedily. */
  readonly dictionary: number;
}

type Recipe = Pick<SaeSettings, 'activation' | 'start' | 'decoder' | 'optimizer'>;

// Loss: mean of squared errors over all elements + .01 · mean of |s| over all of the 16; ours sums the latents of a sample.
const THEIRS: Recipe = {
  activation: { kind: 'relu', l1: 0.01 / SOURCES },
  start: { directions: 'gaussian', biases: false },
  optimizer: { name: 'adam', betas: [0.9, 0.999] },
};

const RECIPES: Readonly<Record<string, Recipe>> = {
  'SAE, their recipe': { ...THEIRS, decoder: 'unprojected' },
  'SAE, no gradient along rows': { ...THEIRS, decoder: 'renormalise' },
  'TopK 3, spread': { activation: { kind: 'topk', k: K }, start: { directions: 'spread' } },
  'TopK 3, gaussian': { activation: { kind: 'topk', k: K }, start: { directions: 'gaussian' } },
};

/** PyTorch's rows, and the variants of sparse_inference.py that they are. */
const TORCH: Readonly<Record<string, string>> = {
  'PyTorch, their recipe': 'theirs',
  'PyTorch, encoder along the decoder': 'decoder',
  'PyTorch, no gradient along rows': 'projected',
};

const PUBLISHED: Readonly<Record<string, string>> = {
  'SAE, their recipe': 'code .566 ± .011, dictionary .745 ± .015',
  'PyTorch, their recipe': 'code .566 ± .011, dictionary .745 ± .015',
};

/** The rows [1024, 8] over and over: every step sees all of them. */
function fullBatch(rows: HostTensor, seed: number) {
  return generatedSource({
    description: { kind: 'full-batch', seed },
    width: D_IN,
    generator: () => {
      let at = 0;
      return {
        fill(into) {
          for (let done = 0; done < into.length; ) {
            const part = rows.data.subarray(at, at + into.length - done);
            into.set(part, done);
            done += part.length;
            at = (at + part.length) % rows.data.length;
          }
        },
      };
    },
  });
}

function dataOf(seed: number): DictionaryFeatures {
  return dictionaryFeatures({
    nFeatures: SOURCES,
    dIn: D_IN,
    firing: { exactly: K },
    magnitudes: { kind: 'half-normal', std: 1 },
    seed,
  });
}

/** |Pearson| of each row of a with each of b; 0 where one does not vary. */
export function pearson(a: HostTensor, b: HostTensor): HostTensor {
  const centred = ({ data, shape }: HostTensor): Float64Array[] => {
    const width = shape[1]!;
    return Array.from({ length: shape[0]! }, (_, row) => {
      const values = Float64Array.from(data.subarray(row * width, (row + 1) * width));
      const mean = values.reduce((sum, value) => sum + value, 0) / width;
      const moved = values.map(value => value - mean);
      const norm = Math.hypot(...moved);
      return norm < 1e-12 ? moved.fill(0) : moved.map(value => value / norm);
    });
  };
  const [left, right] = [centred(a), centred(b)];
  const data = left.flatMap(x => right.map(y => Math.abs(x.reduce((sum, value, i) => sum + value * y[i]!, 0))));
  return hostTensor(Float32Array.from(data), [left.length, right.length]);
}

function transposed({ data, shape }: HostTensor): HostTensor {
  const [rows, columns] = shape as [number, number];
  return hostTensor(
    Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!),
    [columns, rows],
  );
}

/** The mean of the largest entries of a matrix, one to a row and to a column, taken greedily. */
export function greedyMean({ data, shape }: HostTensor): number {
  const [rows, columns] = shape as [number, number];
  const order = [...data.keys()].sort((a, b) => data[b]! - data[a]!);
  const [usedRows, usedColumns] = [new Set<number>(), new Set<number>()];
  let sum = 0;
  for (const entry of order) {
    const [row, column] = [Math.floor(entry / columns), entry % columns];
    if (usedRows.has(row) || usedColumns.has(column)) continue;
    usedRows.add(row);
    usedColumns.add(column);
    sum += data[entry]!;
  }
  return sum / Math.min(rows, columns);
}

/** Seeds of PyTorch's rows: it takes several times as long as ours. */
const TORCH_SEEDS = 16;

/** Their recipe in PyTorch, or a variant of it, on data of NumPy's. */
async function trainedByTorch(
  python: string,
  variant: string,
  { steps, learningRate }: typeof TRAINING,
): Promise<Score[]> {
  const script = fileURLToPath(new URL('sparse_inference.py', import.meta.url));
  const given = [script, String(TORCH_SEEDS), String(steps), String(learningRate), variant];
  const { stdout } = await promisify(execFile)(python, given, { env: { ...process.env, OMP_NUM_THREADS: '1' } });
  return JSON.parse(stdout) as Score[];
}

async function trained(recipe: Recipe, seeds: number, training: typeof TRAINING): Promise<Score[]> {
  const sources = Array.from({ length: seeds }, (_, seed) => dataOf(seed));
  const optionsOf = (seed: number) => ({ seed, batchSize: ROWS });
  const vary = await Promise.all(
    sources.map(async (source, seed) => ({
      seed,
      data: fullBatch(await (await source.open(optionsOf(seed))).sample(ROWS), seed),
    })),
  );
  const results = await trainSaes({
    ...recipe,
    ...training,
    data: vary[0]!.data,
    dSae: SOURCES,
    batchSize: ROWS,
    sampleSize: ROWS,
    vary,
  });
  const first = async (rows: AsyncIterable<{ input: HostTensor }>): Promise<HostTensor> => {
    for await (const { input } of rows) return input;
    throw new Error('no rows were drawn');
  };
  const scores: Score[] = [];
  // One session at a time: each has threads of its own.
  for (const [seed, { sae }] of results.entries()) {
    const source = sources[seed]!;
    const options = optionsOf(seed);
    const rows = await first((await source.open(options)).heldOut(ROWS, ROWS));
    const codes = await first((await source.features.open(options)).heldOut(ROWS, ROWS));
    const frozen = sae.freeze();
    await using loaded = await loadSae(frozenSaeToOnnx(frozen), { provider: 'cpu' });
    const { features } = await loaded.forward(rows);
    scores.push({
      code: optimalMatching(pearson(transposed(features as HostTensor), transposed(codes))).mean,
      dictionary: greedyMean(pearson(frozen.weights['W_dec']!, source.dictionary)),
    });
  }
  return scores;
}

/** Trains what is not kept, and reports how well codes and dictionary match the truth. */
export async function sparseInference({ out, seeds = 64, python, ...given }: TableOptions): Promise<TableReport> {
  const training = {
    steps: given.steps ?? TRAINING.steps,
    learningRate: given.learningRate ?? TRAINING.learningRate,
  };
  const results = new KeptResults(join(out, 'F1.jsonl'));
  const rows: string[][] = [];
  const codes = new Map<string, number[]>();
  const add = (name: string, scores: readonly Score[]): void => {
    const of = (metric: keyof Score): number[] => scores.map(score => score[metric]);
    codes.set(name, of('code'));
    const range = `${Math.min(...of('code')).toFixed(2)}–${Math.max(...of('code')).toFixed(2)}`;
    const [code, dictionary] = [meanOf(of('code'), 3), meanOf(of('dictionary'), 3)];
    rows.push([name, PUBLISHED[name] ?? '–', String(scores.length), code, range, dictionary]);
  };
  for (const [name, recipe] of Object.entries(RECIPES)) {
    add(name, await results.keep(name, { ...training, seeds }, () => trained(recipe, seeds, training)));
  }
  for (const [name, variant] of Object.entries(TORCH)) {
    const settings = { ...training, seeds: TORCH_SEEDS };
    const make = (): Promise<Score[]> => trainedByTorch(python!, variant, training);
    const scores = await results.keepIf(python !== undefined, name, settings, make);
    if (scores) add(name, scores);
  }
  const said = [
    'SAE, their recipe',
    'PyTorch, their recipe',
    'SAE, no gradient along rows',
    'PyTorch, no gradient along rows',
  ].flatMap(name => (codes.has(name) ? [`${meanOf(codes.get(name)!, 3)} (${name})`] : []));
  return {
    title: 'F1: O’Neill et al., unknown codes and dictionary (arXiv 2411.13117)',
    setting:
      `16 sources |N(0, 1)|, exactly 3 in a sample, unit Gaussian directions in 8 dimensions; 1,024 rows to train on, all in every step, 1,024 others to score; ${training.steps.toLocaleString('en')} steps of Adam at ` +
      `${training.learningRate} (the paper: 40,000 at 0.001). ${seeds} seeds, each with a dictionary, codes and a start of its own; PyTorch's rows are of \`scripts/tables/sparse_inference.py\`. ` +
      'The paper has one data seed and five models, so that its ± is of models alone. Our encoder starts along the decoder, theirs uniform on ±1/√8. ' +
      'Code: mean |Pearson| of codes matched one to one; dictionary: mean |Pearson| of directions matched greedily. Their MLPs, sparse coding and ITO are not among ours; SAELens was not run.',
    header: ['trained', 'published', 'seeds', 'code', 'code, least–most', 'dictionary'],
    rows,
    results: results.used,
    verdict: `Mean code correlation: ${said.join(', ')}; published .566 ± .011 for one data seed.`,
  };
}
