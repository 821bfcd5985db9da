/**
 * The rows that the autoencoder in view is run on: the person's own; where there are none, a toy model's; and else
 * noise, where that can tell anything.
 */
import { computed, signal } from '@preact/signals';
import { createRandomSource } from '../../../src/data/random-source.ts';
import { SyntheticSparseDataGenerator } from '../../../src/data/synthetic-sparse.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import { FEWEST_FIRINGS } from '../data/firings.ts';
import type { Model } from '../data/model.ts';
import { countOf, type RowNames } from '../data/row-labels.ts';
import type { Rows } from '../data/rows.ts';
import { inference } from '../workers/inference-client.ts';
import { sae, toy, truth } from './models.ts';
import { resource } from './resource.ts';

/** The seed of everything that is drawn at random on the page. */
export const seed = signal(0);
/**
 * The probability that a feature is present, as the person chose it; undefined stands for that of the toy model's
 * training data, or 0.1 where the file does not say.
 */
export const chosenDensity = signal<number | undefined>(undefined);
/** The probability that a feature is present in rows that are drawn here. */
export const density = computed(() => chosenDensity.value ?? 1 - (truth.value?.sparsity ?? 0.9));

/** The rows that the person opened, the newest last. */
export const ownRows = signal<readonly Rows[]>([]);
/** The labels and tokens that the person opened. They belong to rows of their own number. */
export const rowNames = signal<readonly RowNames[]>([]);

/** How many samples of a toy model are drawn. */
const SAMPLES = 4000;
/** The most multiplications that noise may cost, about a second of them. */
const LARGEST_PRODUCT = 6e9;
/** How often a sample is drawn anew because it is empty. */
const DRAWS = 64;

/** Sparse features [count, n]: each is present with probability `presence`, and then uniform on [0, 1). */
export function sparseFeatures(count: number, n: number, presence: number, fromSeed: number): HostTensor {
  const sparsity = new Array<number>(n).fill(1 - presence);
  return new SyntheticSparseDataGenerator(count, sparsity, createRandomSource(fromSeed)).generateBatch();
}

/** One sparse sample of n features, of which at least one is present, because an empty sample shows nothing. */
export function oneSample(n: number, presence: number, fromSeed: number): Float32Array {
  const { data } = sparseFeatures(DRAWS, n, presence, fromSeed);
  for (let draw = 0; draw < DRAWS; draw++) {
    const sample = data.subarray(draw * n, (draw + 1) * n);
    if (sample.some(value => value > 0)) return sample.slice();
  }
  const random = createRandomSource(fromSeed);
  const sample = new Float32Array(n);
  sample[Math.floor(random.float32() * n)] = 0.5 + random.float32() / 2;
  return sample;
}

function gaussian(count: number, mean: Float32Array, width: number, fromSeed: number): Float32Array {
  const random = createRandomSource(fromSeed);
  const data = new Float32Array(count * width);
  for (let i = 0; i < data.length; i++) data[i] = (mean[i % width] ?? 0) + random.normal();
  return data;
}

/** How many rows of noise can be run within about a second; 0 where they would be too few to tell anything. */
function noiseRows({ inputSize, codeSize, k }: Model): number {
  const affordable = Math.min(SAMPLES, Math.floor(LARGEST_PRODUCT / (inputSize * codeSize)));
  // Where the file gives no k, one latent in twenty is taken to fire.
  const active = k ?? codeSize / 20;
  return (affordable * active) / codeSize >= FEWEST_FIRINGS ? affordable : 0;
}

/** The newest of the person's own rows that are as wide as the input of the autoencoder in view. */
export const fittingRows = computed(() => ownRows.value.findLast(({ width }) => width === sae.value?.inputSize));

/** The rows for the models in view. */
export const rows = resource<Rows>('Drawing samples failed', () => {
  const own = fittingRows.value;
  if (own) return { about: own.id, ask: () => Promise.resolve(own) };
  const source = truth.value ?? (sae.value ? undefined : toy.value);
  const encoder = sae.value;
  const fromSeed = seed.value;
  const presence = density.value;
  if (source) {
    const about = `toy ${source.id} ${presence} ${fromSeed}`;
    return {
      about,
      ask: async () => {
        const features = sparseFeatures(SAMPLES, source.inputSize, presence, fromSeed);
        const { data } = await (await inference()).hidden(source.id, features);
        const origin = `${SAMPLES.toLocaleString('en')} sparse samples through ${source.name}`;
        const shape = { count: SAMPLES, width: source.codeSize };
        return { type: 'memory', id: about, name: origin, origin, kind: 'toy', ...shape, data, features };
      },
    };
  }
  const count = encoder?.runs ? noiseRows(encoder) : 0;
  if (!encoder || count === 0) return undefined;
  const about = `noise ${encoder.id} ${fromSeed}`;
  return {
    about,
    ask: async () => {
      const data = gaussian(count, encoder.bias, encoder.inputSize, fromSeed);
      const origin = `${count.toLocaleString('en')} rows of Gaussian noise around b_dec`;
      return { type: 'memory', id: about, name: origin, origin, kind: 'noise', count, width: encoder.inputSize, data };
    },
  };
});

/** Labels or tokens of the rows in use. */
export const namesOfRows = computed(() => {
  const used = rows.value;
  return used?.kind === 'own' ? rowNames.value.findLast(names => countOf(names) === used.count) : undefined;
});
