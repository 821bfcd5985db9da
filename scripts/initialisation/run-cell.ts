/** Trains the seeds of a cell side by side where they are small, and measures each at step 0, on the way and at the end. */
import { dictionaryCosine } from '../../src/analysis/dictionary-cosine.ts';
import { duplicates } from '../../src/analysis/duplicates.ts';
import { ExplainedVariance } from '../../src/analysis/explained-variance.ts';
import { FiringDensity } from '../../src/analysis/firing-density.ts';
import { L0 } from '../../src/analysis/l0.ts';
import { matchDirections } from '../../src/analysis/match-directions.ts';
import { recovery } from '../../src/analysis/recovery.ts';
import type { ActivationSource } from '../../src/data/activation-source.ts';
import { unitRows } from '../../src/data/random-dictionary.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { applyPlainSae } from '../../src/export/plain-sae.ts';
import { geometricMedian } from '../../src/models/geometric-median.ts';
import type { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { type HostTensor, hostTensor, rowNorms, rowsAt } from '../../src/tensor.ts';
import { biasWalk } from '../../src/training/bias-walk.ts';
import { finalLoss } from '../../src/training/history.ts';
import { trainSaes } from '../../src/training/node.ts';
import type { SaeSettings, SaeStartSettings } from '../../src/training/sae-settings.ts';
import { snapshotSteps } from '../../src/training/snapshot-steps.ts';
import type { SaeTrainingResult } from '../../src/training/train-sae.ts';
import { type Cell, staysAt, trainingOf } from './design.ts';
import { mixtures } from './mixtures.ts';
import { sphericalKMeans } from './spherical-k-means.ts';
import { heldOutRows, type World } from './worlds.ts';

/** About how many times the directions are looked at on the way. */
const LOOKS = 16;
/** Rows that centres are drawn from, as many as b_dec's start is. */
const SAMPLED = 10_000;
/** The norm of rows that start small. */
export const SMALL = 0.1;

/** One training, measured on rows that no training saw. */
export interface Run {
  readonly seed: number;
  /** True directions with an alive latent of their own under optimal matching, at step 0 and at the end. */
  readonly foundAtStart: number;
  readonly found: number;
  /** The same where a latent that points the other way counts as well. */
  readonly foundEitherSign: number;
  /** How many directions all latents, alive or not, have found at each look. */
  readonly foundOver: readonly number[];
  /** Unexplained share of the variance, at step 0 and at the end. */
  readonly fvuAtStart: number;
  readonly fvu: number;
  /** Mean of the training loss over the last twentieth: what was optimised. */
  readonly loss: number;
  readonly l0: number;
  readonly dead: number;
  readonly duplicates: number;
  readonly mixtures: number;
  /** ‖b_dec − its start‖ and ‖b_dec − b‖, to the root mean square of the activations. */
  readonly biasMoved: number;
  readonly biasMissed: number;
  readonly cDec: number;
  /** The share of directions that as many random latents would find. */
  readonly chance: number;
}

/** The runs of a cell, and how alike their dictionaries are. */
export interface CellResult {
  readonly sought: number;
  /** The steps of the looks. */
  readonly looks: readonly number[];
  readonly runs: readonly Run[];
  readonly again: FoundAgain;
}

/** How much of what one seed finds another finds again, one latent to one; only those that fire. */
export interface Alike {
  /** Mean |cosine| of matched latents (PW-MCC). */
  readonly pwMcc: number;
  /** Share of latents whose partner has |cosine| > .7. */
  readonly above: number;
}

/** The same over all pairs of seeds. */
export interface FoundAgain extends Alike {
  /** For random directions of the same number and width. */
  readonly chance: Alike;
}

const PARTNER = 0.7;
/** Pairs of random dictionaries that chance is estimated from. */
const CHANCE_SETS = 3;

/** The decoder rows of the latents that fire. */
export function livingRows(directions: HostTensor, alive: readonly boolean[]): HostTensor {
  return rowsAt(
    directions,
    alive.flatMap((is, i) => (is ? [i] : [])),
  );
}

/** How alike dictionaries are, beside random ones. */
export function foundAgain(dictionaries: readonly HostTensor[]): FoundAgain {
  const [, width] = dictionaries[0]!.shape as [number, number];
  const rows = Math.round(
    dictionaries.reduce((sum, { shape }) => sum + shape[0]!, 0) / Math.max(1, dictionaries.length),
  );
  return { ...meanOver(alikePairs(dictionaries)), chance: foundByChance(Math.max(1, rows), width, CHANCE_SETS) };
}

/** How alike so many random dictionaries are. */
export function foundByChance(rows: number, width: number, sets: number): Alike {
  const random = createRandomSource(11);
  return meanOver(alikePairs(Array.from({ length: sets }, () => unitRows(rows, width, random))));
}

/** How alike two dictionaries are. */
export function alike(a: HostTensor, b: HostTensor): Alike {
  const { similarities, mean } = matchDirections(a, b);
  const above = similarities.reduce((count, cosine) => count + Number(cosine > PARTNER), 0);
  return { pwMcc: mean ?? 0, above: above / Math.max(1, Math.min(a.shape[0]!, b.shape[0]!)) };
}

function alikePairs(dictionaries: readonly HostTensor[]): Alike[] {
  return dictionaries.flatMap((a, i) => dictionaries.slice(i + 1).map(b => alike(a, b)));
}

/** The mean over pairs. */
export function meanOver(pairs: readonly Alike[]): Alike {
  const meanOf = (metric: keyof Alike): number =>
    pairs.reduce((sum, pair) => sum + pair[metric], 0) / Math.max(1, pairs.length);
  return { pwMcc: meanOf('pwMcc'), above: meanOf('above') };
}

/** The settings of a start. */
function startOf(cell: Cell, world: World, seed: number, rows: HostTensor | undefined): Partial<SaeSettings> {
  const { start, bias, dSae } = cell;
  const common: SaeStartSettings = {
    ...(bias === 'held' && { holdBias: true }),
    ...(bias === 'zero' && { bias: 'zero' }),
    ...(staysAt(start) && { holdDecoder: true }),
  };
  switch (start) {
    case 'truth':
    case 'frozen-truth':
      return {
        start: {
          ...common,
          directions: truthFirst(world.truth, dSae, seed),
          ...(bias !== 'zero' && { bias: world.bias.data }),
        },
      };
    case 'small':
      return { decoder: 'free', start: { ...common, directions: 'gaussian', decoderNorm: SMALL } };
    case 'small-encoder':
      return { start: { ...common, directions: 'gaussian', encoderNorm: SMALL } };
    case 'small-spread':
      return { decoder: 'free', start: { ...common, directions: 'spread', decoderNorm: SMALL } };
    case 'free':
      return { decoder: 'free', start: { ...common, directions: 'gaussian' } };
    case 'frozen':
      return { start: { ...common, directions: 'gaussian' } };
    case 'k-means':
      return { start: { ...common, directions: sphericalKMeans(rows!, dSae, createRandomSource(seed)) } };
    default:
      return { start: { ...common, directions: start } };
  }
}

/** Activations less their geometric median, [n, d], without those of less than a tenth of the mean norm: what centres are drawn from. */
export async function centredRows(data: ActivationSource, batchSize: number): Promise<HostTensor> {
  await using open = await data.open({ seed: 0, batchSize });
  const rows = await open.sample(SAMPLED);
  const centre = geometricMedian(rows).data;
  const centred = hostTensor(
    rows.data.map((value, i) => value - centre[i % centre.length]!),
    rows.shape,
  );
  const norms = rowNorms(centred);
  const least = norms.reduce((sum, norm) => sum + norm, 0) / norms.length / 10;
  return rowsAt(
    centred,
    [...norms.keys()].filter(row => norms[row]! >= least),
  );
}

/** The true directions, and Gaussian ones after them. */
function truthFirst(truth: HostTensor, dSae: number, seed: number): HostTensor {
  const [count, width] = truth.shape as [number, number];
  const rest = unitRows(dSae - count, width, createRandomSource(seed));
  const norms = rowNorms(truth);
  const unit = truth.data.map((value, i) => value / norms[Math.floor(i / width)]!);
  return hostTensor([...unit, ...rest.data], [dSae, width]);
}

/** Trains and measures. */
export async function runCell(cell: Cell, world: World): Promise<CellResult> {
  const { steps, seeds } = cell;
  const looks = snapshotSteps(steps, LOOKS);
  const rows = cell.start === 'k-means' ? await centredRows(world.data, cell.batch) : undefined;
  const results = await trainSaes(
    {
      data: world.data,
      ...trainingOf(cell),
      vary: Array.from({ length: seeds }, (_, seed) => ({ seed, sampleSeed: 0, ...startOf(cell, world, seed, rows) })),
    },
    { snapshotAt: looks },
  );
  const heldOut = await heldOutRows(cell.world, world);
  const measured = results.map((result, seed) => measure(result, seed, world, heldOut));
  return {
    sought: world.truth.shape[0]!,
    looks,
    runs: measured.map(({ run }) => run),
    again: foundAgain(measured.map(({ living }) => living)),
  };
}

/** What an autoencoder makes of `rows`, and which of its latents fire there. */
function answer(sae: SparseAutoencoder, rows: HostTensor) {
  const { features, reconstruction } = applyPlainSae(sae.freeze(), rows, { wantsMargins: false });
  const { dSae } = sae.config;
  const firing = new FiringDensity();
  const l0 = new L0();
  const fired = { data: new Float32Array(features), shape: [rows.shape[0]!, dSae] };
  firing.add(fired);
  l0.add(fired);
  const variance = new ExplainedVariance();
  variance.add(rows, { data: new Float32Array(reconstruction), shape: rows.shape });
  const { alive, dead } = firing.compute();
  return { alive, dead: dead.length, l0: l0.compute(), fvu: 1 - (variance.compute() ?? Number.NaN) };
}

function measure(
  { sae, start, history }: SaeTrainingResult,
  seed: number,
  { truth, bias, threshold }: World,
  heldOut: HostTensor,
): { readonly run: Run; readonly living: HostTensor } {
  const [before, after] = [answer(start, heldOut), answer(sae, heldOut)];
  const directions = sae.featureDirections();
  const foundBy = (rows: HostTensor, alive?: readonly boolean[], eitherSign = false) =>
    recovery({ directions: rows, trueDirections: truth, ...(alive && { alive }), threshold, eitherSign });
  const living = livingRows(directions, after.alive);
  const [started, ended] = [start, sae].map(({ state }) => state.parameters['b_dec']!) as [HostTensor, HostTensor];
  const found = foundBy(directions, after.alive);
  return {
    living,
    run: {
      seed,
      foundAtStart: foundBy(start.featureDirections(), before.alive).recovered,
      found: found.recovered,
      foundEitherSign: foundBy(directions, after.alive, true).recovered,
      foundOver: history.snapshots.map(snapshot => foundBy(snapshot.directions).recovered),
      fvuAtStart: before.fvu,
      fvu: after.fvu,
      loss: finalLoss(history.loss),
      l0: after.l0,
      dead: after.dead,
      duplicates: duplicates(directions, { alive: after.alive }).length,
      // In a plane every direction is a sum of two others.
      mixtures: truth.shape[1]! > 2 ? mixtures(living, truth, threshold) : 0,
      biasMoved: biasWalk(started, ended, heldOut),
      biasMissed: biasWalk(bias, ended, heldOut),
      cDec: dictionaryCosine(directions).mean ?? 0,
      chance: found.chance,
    },
  };
}
