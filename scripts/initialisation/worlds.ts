/** What autoencoders are to find in the study of initialisation: five features in two dimensions, a hundred in 25, a thousand in a hundred. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivationSource } from '../../src/data/activation-source.ts';
import { type DictionaryFeatureOptions, dictionaryFeatures } from '../../src/data/dictionary-features.ts';
import { heldOutActivations, recoveryThreshold } from '../../src/experiments/sae-run.ts';
import { activationsOf, readToyModel } from '../../src/experiments/toy-model-truth.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import { type HostTensor, hostTensor, zeros } from '../../src/tensor.ts';

/** Activations with the truth behind them, and how autoencoders of this size are trained. */
export interface World {
  readonly data: ActivationSource;
  /** The directions that are to be found, [n, d_in]. */
  readonly truth: HostTensor;
  /** The b of x = aE + b, [d_in]: where b_dec belongs. */
  readonly bias: HostTensor;
  /** A direction counts as found above this cosine. */
  readonly threshold: number;
}

/** What a world is in words, and the settings of its trainings where an arm does not say otherwise. */
export interface WorldSettings {
  readonly inWords: string;
  readonly dSae: number;
  readonly k: number;
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seeds: number;
  /** Rows that training never sees, on which all is measured. */
  readonly heldOut: number;
  readonly make: () => Promise<World>;
}

/** The firing probability and the size of independent features: they are drawn from [0, 1), as the toy models' are. */
const HUNDRED = { nFeatures: 100, dIn: 25, firing: 0.03, bias: 1 } satisfies DictionaryFeatureOptions;

async function planted(options: DictionaryFeatureOptions): Promise<World> {
  const source = dictionaryFeatures(options);
  return {
    data: source,
    truth: source.dictionary,
    bias: source.bias,
    threshold: recoveryThreshold(options.nFeatures),
  };
}

async function toyModel(file: string, sparsity: number): Promise<World> {
  const truth = await readToyModel(file);
  return {
    data: activationsOf(truth, { sparsity }),
    truth: truth.directions,
    bias: zeros([truth.weight.shape[1]!]),
    threshold: recoveryThreshold(truth.directions.shape[0]!),
  };
}

const STAR = { dSae: 5, k: 1, steps: 10_000, batch: 1024, learningRate: 0.005, seeds: 32, heldOut: 10_000 } as const;
const OF_A_HUNDRED = {
  dSae: 100,
  k: 3,
  steps: 8000,
  batch: 256,
  learningRate: 0.003,
  seeds: 8,
  heldOut: 4000,
} as const;
const OTHER_DICTIONARIES = [1, 2] as const;

export const WORLDS = {
  star: {
    ...STAR,
    inWords: 'the star of `models/toy-model.onnx`: 5 features in 2 dimensions, each present with probability .1',
    make: () => toyModel('models/toy-model.onnx', 0.9),
  },
  hundred: {
    ...OF_A_HUNDRED,
    inWords: '100 random unit directions in 25 dimensions, each present with probability .03, and a bias of norm 1',
    make: () => planted(HUNDRED),
  },
  correlated: {
    ...OF_A_HUNDRED,
    inWords: 'the same hundred, firing together by a Gaussian copula (five factors of scale .3)',
    make: () => planted({ ...HUNDRED, correlation: { rank: 5, scale: 0.3 } }),
  },
  trees: {
    ...OF_A_HUNDRED,
    k: 4,
    inWords:
      'the same hundred in 20 trees: roots fire with probability .1, and each of their four children with .25 where the root does',
    make: () =>
      planted({
        ...HUNDRED,
        firing: Array.from({ length: 100 }, (_, i) => (i < 20 ? 0.1 : 0.25)),
        trees: { roots: 20, branching: 4, depth: 1 },
      }),
  },
  topics: {
    ...OF_A_HUNDRED,
    k: 6,
    inWords:
      'the toy model of topics `models/toy-model-big.onnx`: 62 of 100 features represented in 25 dimensions, firing in groups',
    make: () => toyModel('models/toy-model-big.onnx', 0.9),
  },
  ...Object.fromEntries(
    OTHER_DICTIONARIES.map(seed => [
      `hundred-${seed}`,
      {
        ...OF_A_HUNDRED,
        inWords: `as the hundred, of dictionary seed ${seed}`,
        make: () => planted({ ...HUNDRED, seed }),
      },
    ]),
  ),
  thousand: {
    dSae: 1000,
    k: 6,
    steps: 5000,
    batch: 256,
    learningRate: 0.003,
    seeds: 5,
    heldOut: 2000,
    inWords: '1,000 random unit directions in 100 dimensions, each present with probability .006, and a bias of norm 1',
    make: () => planted({ nFeatures: 1000, dIn: 100, firing: 0.006, bias: 1 }),
  },
} satisfies Record<string, WorldSettings>;

export type WorldName = string;

/** The settings of a world. */
export function worldSettings(name: WorldName): WorldSettings {
  const world = (WORLDS as Readonly<Record<string, WorldSettings>>)[name];
  if (!world) throw new Error(`world ${name} does not exist; choose from ${Object.keys(WORLDS).join(', ')}`);
  return world;
}

/** The rows of a world on which all is measured: no training sees them. */
export async function heldOutRows(name: WorldName, { data }: World): Promise<HostTensor> {
  const { batch, heldOut } = worldSettings(name);
  const all = await heldOutActivations(data, { seed: 0, batchSize: batch });
  const [rows, width] = all.shape as [number, number];
  return hostTensor(all.data.subarray(0, heldOut * width), [Math.min(heldOut, rows), width]);
}

/** Writes what somebody needs to run a cell on the same world: NAME-dictionary.npy, NAME-bias.npy and NAME-held-out.npy. */
export async function writeWorlds(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of Object.keys(WORLDS)) {
    const world = await worldSettings(name).make();
    const { truth: dictionary, bias } = world;
    const tensors = { dictionary, bias, 'held-out': await heldOutRows(name, world) };
    for (const [what, tensor] of Object.entries(tensors)) {
      await writeFileAtomic(join(folder, `${name}-${what}.npy`), writeNpy(tensor));
    }
  }
}
