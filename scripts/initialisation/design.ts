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
 * decoder's form; `small-encoder`: unit decoder rows, and an encoder of norm .1; `small-spread`: rows spread over the activations, of norm .1. `truth`: the true directions and the true bias, Gaussian rows where there are more latents than features.
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
  'truth',
] as const;
export type StartName = (typeof STARTS)[number];

/** The kinds of architecture that are compared, and what sets their sparsity. */
export type Kind = 'topk' | 'batchtopk' | 'relu' | 'jumprelu';

/** One cell: some seeds that differ in nothing else. */
export interface Cell {
  readonly world: WorldName;
  readonly kind: Kind;
  readonly start: StartName;
  readonly bias: 'trained' | 'held';
  readonly auxK: 'none' | 'raw' | 'relu';
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

/** A cell's name, which is that of its file. */
export function nameOf({ world, kind, start, bias, auxK, dSae, k, learningRate, steps, batch }: Cell): string {
  return [world, kind, start, bias, `aux-${auxK}`, dSae, `k${k}`, `lr${learningRate}`, `${steps}x${batch}`].join('-');
}

/** The architecture of a cell. */
function activationOf({ kind, k, auxK }: Cell): ActivationConfig {
  // The weight of the penalty is steered so that as many are active as of the chosen ones.
  if (kind === 'relu') return { kind, l1: L1, targetL0: k };
  if (kind === 'jumprelu') return { kind, l0: L0, targetL0: k };
  const revived = {
    none: { auxK: false },
    raw: { auxK: { form: 'saelens', coefficient: 1, deadAfter: DEAD_AFTER } },
    relu: { auxK: { form: 'openai', coefficient: 1 / 32, deadAfter: DEAD_AFTER } },
  } as const;
  return { kind, k, ...revived[auxK] };
}

/** A cell's settings for `trainSaes`, but for its data and starts; `steps` where it is not trained to its end. */
export function trainingOf(cell: Cell, steps = cell.steps) {
  const { dSae, batch: batchSize, learningRate } = cell;
  const schedules = { learningRate: { decay: 'linear', decaySteps: Math.floor(steps / 5) } } as const;
  return { dSae, activation: activationOf(cell), steps, batchSize, learningRate, schedules };
}

/** Steps of silence after which AuxK takes a latent for dead. */
export const DEAD_AFTER = 100;
/** Weights of the penalties at first, in the unit of the mean squared error. */
export const [L1, L0] = [0.003, 0.0003] as const;

function cells(world: WorldName, starts: readonly StartName[], other: Partial<Cell> = {}): Cell[] {
  const { dSae, k, learningRate, steps, batch, seeds } = worldSettings(world);
  const plain = { kind: 'topk', bias: 'trained', auxK: 'none', dSae, k, learningRate, steps, batch, seeds } as const;
  return starts.map(start => ({ world, start, ...plain, ...other }));
}

/**
 * Seeds of the plain Gaussian cell of the hundred, which PyTorch runs again: as many as tell means apart that differ by two directions of a hundred.
 */
const MANY = 32;

const MAIN = ['gaussian', 'activations', 'spread', 'small', 'truth'] as const;
const FEW = ['gaussian', 'spread', 'small', 'truth'] as const;

/** Seeds of a contrast. */
const FOUR = { seeds: 4 } as const;

/** The cells, in parts that are run one after another. */
export const PARTS: Readonly<Record<string, readonly Cell[]>> = {
  /** Which learning rate suits each start, beside that of the screen. */
  rates: [0.001, 0.01].flatMap(learningRate => cells('hundred', FEW, { ...FOUR, learningRate })),
  screen: [
    ...cells('hundred', ['gaussian'], { seeds: MANY }),
    ...cells('hundred', MAIN.slice(1)),
    ...cells('hundred', MAIN, { bias: 'held' }),
    ...cells('hundred', ['gaussian', 'spread', 'truth'], { auxK: 'raw' }),
  ],
  star: [
    ...(['trained', 'held'] as const).flatMap(bias => cells('star', MAIN, { bias })),
    ...[7, 10].flatMap(dSae => cells('star', FEW, { dSae })),
  ],
  /** The thousand at other rates, one seed: what a small row's step is to its norm grows with the dimension. */
  thousandRates: [0.001, 0.01].flatMap(learningRate =>
    cells('thousand', ['small', 'gaussian', 'truth'], { learningRate, seeds: 1 }),
  ),
  thousand: [...cells('thousand', FEW), ...cells('thousand', ['activations'], { seeds: 1 })],
  topics: [...cells('topics', MAIN), ...cells('topics', FEW, { k: 3 })],
  /** What of a small start it is: the norm of the decoder's rows, of the encoder's, or the decoder's form. */
  norms: [
    ...cells('hundred', ['free', 'small-encoder', 'small-spread']),
    ...cells('hundred', ['small', 'small-encoder'], { auxK: 'raw' }),
    ...cells('hundred', ['gaussian', 'spread', 'truth'], { auxK: 'relu' }),
  ],
  contrasts: [
    ...cells('hundred', ['blend'], FOUR),
    ...[2, 6].flatMap(k => cells('hundred', FEW, { ...FOUR, k })),
    ...cells('hundred', FEW, { ...FOUR, dSae: 200 }),
    ...['correlated', 'trees', 'hundred-1', 'hundred-2'].flatMap(world => cells(world, FEW, FOUR)),
  ],
  kinds: [
    ...cells('hundred', FEW, { ...FOUR, kind: 'batchtopk' }),
    ...cells('hundred', ['gaussian', 'spread'], { ...FOUR, kind: 'batchtopk', auxK: 'relu' }),
    ...cells('hundred', ['gaussian'], { ...FOUR, kind: 'batchtopk', auxK: 'raw' }),
    ...cells('hundred', FEW, { ...FOUR, kind: 'relu' }),
    ...cells('hundred', FEW, { ...FOUR, kind: 'jumprelu' }),
  ],
  /** AuxK at a thousand, in both forms. */
  revived: [...cells('thousand', FEW, { auxK: 'raw' }), ...cells('thousand', ['gaussian', 'small'], { auxK: 'relu' })],
};
