/**
 * Which cells are trained. A full product of all factors would be thousands of cells, so three designs stand in for it:
 * - the screen: every start × b_dec trained or held on the hundred, in full, since what a start does may depend on it; and three starts with AuxK;
 * - the sizes: every start at five, a hundred and a thousand features, the other factors at their plain level;
 * - the contrasts: from four starts (Gaussian, spread, small and the truth) one other factor at a time, its other levels.
 */
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { type WorldName, worldSettings } from './worlds.ts';

/**
 * Where an autoencoder starts. `small`: Gaussian rows of norm .1 that are free, as SAELens has them. `free`: the same at norm 1, which tells the norm from the
 * decoder's form; `small-encoder`: unit decoder rows, and an encoder of norm .1; `small-spread`: rows spread over the activations, of norm .1. `k-means`: centres of activations. `truth`: the true directions and the true bias, Gaussian rows where there are more latents than features.
 * `frozen` and `frozen-truth`: Gaussian rows and the true ones, which stay.
 */
export const STARTS = [
  'gaussian',
  'activations',
  'blend',
  'spread',
  'small',
  'small-encoder',
  'small-spread',
  'free',
  'k-means',
  'frozen',
  'truth',
  'frozen-truth',
] as const;
export type StartName = (typeof STARTS)[number];

/** Whether decoder rows stay at this start: what such a cell lacks is no optimiser's doing. */
export function staysAt(start: StartName): boolean {
  return start === 'frozen' || start === 'frozen-truth';
}

/** The kinds of architecture that are compared, and what sets their sparsity. */
export type Kind = 'topk' | 'batchtopk' | 'matryoshka' | 'relu' | 'jumprelu';

/** One cell: some seeds that differ in nothing else. */
export interface Cell {
  readonly world: WorldName;
  readonly kind: Kind;
  readonly start: StartName;
  /** What becomes of b_dec, which starts at the geometric median; `zero` is trained from 0. */
  readonly bias: 'trained' | 'held' | 'zero';
  /** What brings dead latents back: AuxK without and with ReLU, or new rows. */
  readonly revival: 'none' | 'raw' | 'relu' | 'resampling';
  readonly dSae: number;
  readonly k: number;
  readonly learningRate: number;
  readonly steps: number;
  readonly batch: number;
  readonly seeds: number;
}

/** What a cell is beside its start: cells that share it are compared with the one that starts at the truth. */
export function conditionOf({ start: _, seeds: __, ...condition }: Cell): string {
  return JSON.stringify(condition);
}

/** A cell's name, under which its result is kept. */
export function nameOf({ world, kind, start, bias, revival, dSae, k, learningRate, steps, batch }: Cell): string {
  return [world, kind, start, bias, `revival-${revival}`, dSae, `k${k}`, `lr${learningRate}`, `${steps}x${batch}`].join(
    '-',
  );
}

/** The architecture of a cell. */
function activationOf({ kind, k, dSae, revival }: Cell): ActivationConfig {
  // The weight of the penalty is steered so that as many are active as of the chosen ones.
  if (kind === 'relu') return { kind, l1: L1, targetL0: k };
  if (kind === 'jumprelu') return { kind, l0: L0, targetL0: k };
  const silent = { auxK: false } as const;
  const revived = {
    none: silent,
    resampling: silent,
    raw: { auxK: { form: 'saelens', coefficient: 1, deadAfter: DEAD_AFTER } },
    relu: { auxK: { form: 'openai', coefficient: 1 / 32, deadAfter: DEAD_AFTER } },
  } as const;
  const choosing = { k, ...revived[revival] };
  return kind === 'matryoshka'
    ? { kind, widths: PREFIXES.map(share => share * dSae), ...choosing }
    : { kind, ...choosing };
}

/** A cell's settings for `trainSaes`, but for its data and starts; `steps` where it is not trained to its end. */
export function trainingOf(cell: Cell, steps = cell.steps) {
  const { dSae, batch: batchSize, learningRate, revival } = cell;
  const resample = revival === 'resampling' && { resample: { every: RESAMPLED_AFTER, deadAfter: DEAD_AFTER } };
  const schedules = { learningRate: { decay: 'linear', decaySteps: Math.floor(steps / 5) } } as const;
  return { dSae, activation: activationOf(cell), steps, batchSize, learningRate, schedules, ...resample };
}

/** Steps of silence after which a latent is taken for dead, and from one resampling to the next. */
export const [DEAD_AFTER, RESAMPLED_AFTER] = [100, 1000] as const;
/** Shares of the latents that a Matryoshka autoencoder reconstructs with. */
export const PREFIXES = [0.25, 0.5, 1] as const;
/** Weights of the penalties at first, in the unit of the mean squared error. */
export const [L1, L0] = [0.003, 0.0003] as const;

function cells(world: WorldName, starts: readonly StartName[], other: Partial<Cell> = {}): Cell[] {
  const { dSae, k, learningRate, steps, batch, seeds } = worldSettings(world);
  const plain = { kind: 'topk', bias: 'trained', revival: 'none', dSae, k, learningRate, steps, batch, seeds } as const;
  return starts.map(start => ({ world, start, ...plain, ...other }));
}

/**
 * Seeds of the plain Gaussian cell of the hundred, which PyTorch runs again, and of the truth's that it is compared with: as many as tell means apart that differ by two directions of a hundred.
 */
const MANY = 32;

const MAIN = ['gaussian', 'activations', 'spread', 'small', 'truth'] as const;
const FEW = ['gaussian', 'spread', 'small', 'truth'] as const;

/** The cells, in parts that are run one after another. */
export const PARTS: Readonly<Record<string, readonly Cell[]>> = {
  /** Which learning rate suits each start, beside that of the screen. */
  rates: [0.001, 0.01].flatMap(learningRate => cells('hundred', FEW, { learningRate })),
  screen: [
    ...cells('hundred', ['gaussian', 'truth'], { seeds: MANY }),
    ...cells('hundred', ['activations', 'spread', 'small']),
    ...cells('hundred', MAIN, { bias: 'held' }),
    ...cells('hundred', ['gaussian', 'spread', 'truth'], { revival: 'raw' }),
  ],
  star: [
    ...(['trained', 'held'] as const).flatMap(bias => cells('star', MAIN, { bias })),
    ...[7, 10].flatMap(dSae => cells('star', FEW, { dSae })),
  ],
  /** The thousand at other rates, one seed: what a small row's step is to its norm grows with the dimension. */
  thousandRates: [0.001, 0.01].flatMap(learningRate =>
    cells('thousand', ['small', 'gaussian', 'truth'], { learningRate, seeds: 1 }),
  ),
  thousand: cells('thousand', [...MAIN, 'k-means']),
  topics: [...cells('topics', [...MAIN, 'k-means']), ...cells('topics', FEW, { k: 3 })],
  /** What of a small start it is: the norm of the decoder's rows, of the encoder's, or the decoder's form. */
  norms: [
    ...cells('hundred', ['free', 'small-encoder', 'small-spread']),
    ...cells('hundred', ['small', 'small-encoder'], { revival: 'raw' }),
    ...cells('hundred', ['gaussian', 'spread', 'truth'], { revival: 'relu' }),
  ],
  contrasts: [
    ...cells('hundred', ['blend', 'k-means', 'frozen', 'frozen-truth']),
    ...cells('hundred', ['k-means'], { revival: 'relu' }),
    ...cells('hundred', ['gaussian', 'spread', 'small'], { revival: 'resampling' }),
    ...cells('hundred', ['gaussian', 'truth'], { bias: 'zero' }),
    ...cells('star', ['gaussian', 'spread', 'truth'], { bias: 'zero' }),
    ...cells('star', ['k-means', 'frozen', 'frozen-truth']),
    ...[2, 6].flatMap(k => cells('hundred', FEW, { k })),
    ...cells('hundred', FEW, { dSae: 200 }),
    ...['correlated', 'trees', 'hundred-1', 'hundred-2'].flatMap(world => cells(world, FEW)),
  ],
  kinds: [
    ...cells('hundred', [...FEW, 'k-means'], { kind: 'batchtopk' }),
    ...cells('hundred', ['gaussian', 'spread', 'k-means'], { kind: 'batchtopk', revival: 'relu' }),
    ...cells('hundred', ['gaussian'], { kind: 'batchtopk', revival: 'raw' }),
    ...cells('hundred', FEW, { kind: 'matryoshka' }),
    ...cells('hundred', ['gaussian', 'spread'], { kind: 'matryoshka', revival: 'relu' }),
    ...(['batchtopk', 'matryoshka'] as const).flatMap(kind => cells('trees', ['gaussian', 'truth'], { kind })),
    ...cells('hundred', FEW, { kind: 'relu' }),
    ...cells('hundred', FEW, { kind: 'jumprelu' }),
  ],
  /** AuxK at a thousand, in both forms. */
  revived: [
    ...cells('thousand', FEW, { revival: 'raw' }),
    ...cells('thousand', ['gaussian', 'small', 'k-means'], { revival: 'relu' }),
  ],
};
