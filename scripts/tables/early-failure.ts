/**
 * Can a failing seed be seen early? Autoencoders of one toy model that differ in their seed alone are looked at after 500 steps, and again at the end; how well each
 * early sign tells those that will have missed a feature from those that will not is its AUROC. A rule is fitted on the smallest size and tried on the others.
 */
import { join } from 'node:path';
import { cosineSimilarityMatrix } from '../../src/analysis/cosine-similarity.ts';
import { dictionaryCosine } from '../../src/analysis/dictionary-cosine.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { heldOutActivations, scoreSae } from '../../src/experiments/sae-run.ts';
import { activationsOf, readToyModel } from '../../src/experiments/toy-model-truth.ts';
import type { HostTensor } from '../../src/tensor.ts';
import { biasWalk } from '../../src/training/bias-walk.ts';
import { trainSaes } from '../../src/training/node.ts';
import { KeptResults } from './kept-results.ts';
import type { TableOptions, TableReport } from './table.ts';

/** What is trained: the star of five features, with as many latents and with more, and a model that hides some sixty. */
const SIZES = [
  { name: '5 → 2 → 5', toyModel: 'models/toy-model.onnx', dSae: 5, k: 1, steps: 5000, seeds: 128 },
  { name: '5 → 2 → 7', toyModel: 'models/toy-model.onnx', dSae: 7, k: 1, steps: 5000, seeds: 128 },
  { name: '5 → 2 → 10', toyModel: 'models/toy-model.onnx', dSae: 10, k: 1, steps: 5000, seeds: 128 },
  { name: '100 → 25 → 100', toyModel: 'models/toy-model-big.onnx', dSae: 100, k: 6, steps: 3000, seeds: 24 },
] as const;
type Size = (typeof SIZES)[number];
const EARLY = 500;
const SPARSITY = 0.9;
const [BATCH, LEARNING_RATE] = [1024, 0.005];
/** Steps before EARLY over which the loss is averaged. */
const LOSS_OVER = 50;
const RESAMPLES = 1000;
/** A rule tells failing seeds above this AUROC. */
const TOLD = 0.8;

/** What is known of a run after 500 steps: each is larger where it would be expected to go wrong. */
const SIGNS = {
  loss: 'loss, to that of step 0',
  bias: '‖b_dec − its start‖, to the root mean square of activations',
  overlap: 'largest cosine of two latents',
  cDec: 'c_dec',
  dead: 'share of latents that do not fire',
} as const;
type Sign = keyof typeof SIGNS;
const NAMES = Object.keys(SIGNS) as Sign[];

interface Run extends Readonly<Record<Sign, number>> {
  readonly recovered: number;
  readonly sought: number;
}

/** The largest cosine between two different rows [n, d]. */
function largestOverlap(directions: HostTensor): number {
  const n = directions.shape[0]!;
  return cosineSimilarityMatrix(directions, directions).data.reduce(
    (largest, cosine, at) => (Math.floor(at / n) === at % n ? largest : Math.max(largest, cosine)),
    -1,
  );
}

async function runsOf({ toyModel, dSae, k, steps }: Size, seeds: number): Promise<Run[]> {
  const truth = await readToyModel(toyModel);
  const data = activationsOf(truth, { sparsity: SPARSITY });
  const settings = {
    data,
    dSae,
    activation: { kind: 'topk', k, auxK: false },
    batchSize: BATCH,
    learningRate: LEARNING_RATE,
    start: { directions: 'gaussian' },
    vary: Array.from({ length: seeds }, (_, seed) => ({ seed, sampleSeed: 0 })),
  } as const;
  // Nothing in these settings depends on the number of steps: a run of EARLY steps is the beginning of the whole one.
  const beginnings = await trainSaes({ ...settings, steps: EARLY });
  const results = await trainSaes({ ...settings, steps });
  const heldOut = await heldOutActivations(data, { seed: 0, batchSize: BATCH });
  return results.map(({ sae, start }, i) => {
    const { sae: early, history } = beginnings[i]!;
    const directions = early.featureDirections();
    const loss = history.loss.slice(-LOSS_OVER).reduce((sum, value) => sum + value, 0) / LOSS_OVER;
    const [before, after] = [start, early].map(({ state }) => state.parameters['b_dec']!) as [HostTensor, HostTensor];
    return {
      loss: loss / history.loss[0]!,
      bias: biasWalk(before, after, heldOut),
      overlap: largestOverlap(directions),
      cDec: dictionaryCosine(directions).mean ?? 0,
      dead: scoreSae(early, truth.directions, heldOut).neverFired / dSae,
      recovered: scoreSae(sae, truth.directions, heldOut).recovered,
      sought: truth.directions.shape[0]!,
    };
  });
}

/** The share of pairs of a failed and a sound run of which the failed one has the larger value; ties count half. */
export function auroc(values: readonly number[], failed: readonly boolean[]): number {
  const [bad, good] = [true, false].map(which => values.filter((_, i) => failed[i] === which)) as [number[], number[]];
  let wins = 0;
  for (const a of bad) for (const b of good) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (bad.length * good.length);
}

/** AUROC with its 95% interval, by resampling runs. */
function aurocText(values: readonly number[], failed: readonly boolean[]): string {
  const bad = failed.filter(Boolean).length;
  if (bad === 0 || bad === failed.length) return '–';
  const random = createRandomSource(7);
  const drawn: number[] = [];
  while (drawn.length < RESAMPLES) {
    const picks = values.map(() => random.integer(values.length));
    const own = auroc(
      picks.map(i => values[i]!),
      picks.map(i => failed[i]!),
    );
    if (!Number.isNaN(own)) drawn.push(own);
  }
  drawn.sort((a, b) => a - b);
  const [low, high] = [0.025, 0.975].map(share => drawn[Math.floor(share * RESAMPLES)]!);
  return `${auroc(values, failed).toFixed(2)} [${low!.toFixed(2)}, ${high!.toFixed(2)}]`;
}

/** A logistic rule of the signs, fitted by gradient descent on standardised values with a small penalty. Gives a run's score. */
export function fittedRule(runs: readonly Run[], failed: readonly boolean[]): (run: Run) => number {
  const means = NAMES.map(name => runs.reduce((sum, run) => sum + run[name], 0) / runs.length);
  const spreads = NAMES.map(
    (name, i) => Math.sqrt(runs.reduce((sum, run) => sum + (run[name] - means[i]!) ** 2, 0) / runs.length) || 1,
  );
  const inputs = (run: Run): number[] => NAMES.map((name, i) => (run[name] - means[i]!) / spreads[i]!);
  const weights = NAMES.map(() => 0);
  let offset = 0;
  const scoreOf = (run: Run): number => inputs(run).reduce((sum, value, i) => sum + value * weights[i]!, offset);
  for (let step = 0; step < 2000; step++) {
    const gradient = NAMES.map((_, i) => 0.01 * weights[i]!);
    let ofOffset = 0;
    for (const [i, run] of runs.entries()) {
      const miss = (1 / (1 + Math.exp(-scoreOf(run))) - Number(failed[i])) / runs.length;
      for (const [j, value] of inputs(run).entries()) gradient[j]! += miss * value;
      ofOffset += miss;
    }
    for (const [j, slope] of gradient.entries()) weights[j]! -= 0.5 * slope;
    offset -= 0.5 * ofOffset;
  }
  return scoreOf;
}

/**
 * Which runs failed: those that missed a feature, or, where no run finds all, those that found fewer than the median
 * run.
 */
function failures(runs: readonly Run[]): { readonly failed: boolean[]; readonly what: string } {
  const found = runs.map(run => run.recovered).sort((a, b) => a - b);
  const all = runs[0]!.sought;
  const someFindAll = found.at(-1) === all;
  const bound = someFindAll ? all : found[Math.floor(found.length / 2)]!;
  return { failed: runs.map(run => run.recovered < bound), what: `found fewer than ${bound}` };
}

/** Trains the autoencoders that are not kept, and reports how well early signs tell failures. */
export async function earlyFailure({ out, minutes = Number.POSITIVE_INFINITY }: TableOptions): Promise<TableReport> {
  const started = performance.now();
  const results = new KeptResults(join(out, 'early.jsonl'));
  const rows: string[][] = [];
  const elsewhere: { readonly name: string; readonly few: number; readonly score: number }[] = [];
  let rule: ((run: Run) => number) | undefined;
  const notRun: string[] = [];
  for (const size of SIZES) {
    const { name, toyModel, dSae, k, steps, seeds } = size;
    const settings = { toyModel, dSae, k, steps, seeds, EARLY, BATCH, LEARNING_RATE, SPARSITY, NAMES };
    const isLate = performance.now() - started > minutes * 60_000;
    const runs = await results.keepIf(!isLate, name, settings, () => runsOf(size, seeds));
    if (!runs) {
      notRun.push(name);
      continue;
    }
    const { failed, what } = failures(runs);
    const isFitted = rule === undefined;
    rule ??= fittedRule(runs, failed);
    const scores = runs.map(rule);
    const hasBoth = failed.includes(true) && failed.includes(false);
    const failing = failed.filter(Boolean).length;
    const few = Math.min(failing, seeds - failing);
    if (!isFitted && hasBoth) elsewhere.push({ name, few, score: auroc(scores, failed) });
    rows.push([
      name,
      `${failing} of ${seeds} ${what}`,
      ...NAMES.map(sign =>
        aurocText(
          runs.map(run => run[sign]),
          failed,
        ),
      ),
      `${aurocText(scores, failed)}${isFitted ? ' (fitted here)' : ''}`,
    ]);
  }
  const said = (isTold: boolean): string =>
    elsewhere
      .filter(({ score }) => score > TOLD === isTold)
      .map(({ name, few, score }) => `${name} (${score.toFixed(2)}${few < 5 ? `, ${few} against all others` : ''})`)
      .join(', ');
  const verdict =
    elsewhere.length === 0
      ? 'Sizes that the rule was not fitted on have not been run.'
      : `The rule’s AUROC on sizes that it was not fitted on: after ${EARLY} steps it tells failing seeds of ${said(true) || 'none'}${said(false) && `, and not those of ${said(false)}`}.`;
  return {
    title: 'Can failure be seen early?',
    setting: `TopK on the hidden activations of \`models/toy-model.onnx\` (k 1, 5,000 steps, 128 seeds) and \`models/toy-model-big.onnx\` (k 6, 3,000 steps, 24 seeds), Gaussian start, one sample for b_dec, Adam (0, .999) at ${LEARNING_RATE}, batches of ${BATCH}, sparsity ${SPARSITY} of the star; each sign after ${EARLY} steps, AUROC for failing at the end with the 95% interval of ${RESAMPLES} resamplings of seeds. The rule is logistic in the five signs and fitted on the first size.${notRun.length > 0 ? ` Not run: ${notRun.join(', ')}.` : ''}`,
    header: ['size', 'failed', ...NAMES.map(name => SIGNS[name]), 'rule of all five'],
    rows,
    results: results.used,
    verdict,
  };
}
