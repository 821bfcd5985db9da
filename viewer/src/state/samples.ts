/** The many samples behind clouds, histograms and densities: drawn from a seed, run through the toy model where there is one. */
import { computed, signal } from '@preact/signals';
import { createRandomSource } from '../../../src/data/random-source.ts';
import { SyntheticSparseDataGenerator } from '../../../src/data/synthetic-sparse.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import { inference } from '../workers/inference-client.ts';
import { sae, toy, truth } from './models.ts';
import { resource } from './resource.ts';

/** Seed of every draw on the page. */
export const seed = signal(0);
/** Probability that a feature is present; undefined takes the toy model's own, or one in ten. */
export const chosenDensity = signal<number | undefined>(undefined);
export const density = computed(() => chosenDensity.value ?? 1 - (truth.value?.sparsity ?? 0.9));

/** Samples that an autoencoder is judged on: fewer where it is wide, so that they take about a second. */
const SAMPLES = 4000;
const FEWEST = 256;
const LARGEST_PRODUCT = 6e9;

function sampleCount(multiplications: number): number {
  return Math.max(FEWEST, Math.min(SAMPLES, Math.floor(LARGEST_PRODUCT / multiplications)));
}

export interface Samples {
  /** [samples, n_features]; undefined where no toy model made them. */
  readonly features: HostTensor | undefined;
  /** [samples, d]: what the autoencoder sees. */
  readonly activations: HostTensor;
  /** Where they came from, in words. */
  readonly origin: string;
}

/** Sparse features [count, n], each present with probability `presence`, uniform on [0, 1) then. */
export function sparseFeatures(count: number, n: number, presence: number, fromSeed: number): HostTensor {
  const sparsity = new Array<number>(n).fill(1 - presence);
  return new SyntheticSparseDataGenerator(count, sparsity, createRandomSource(fromSeed)).generateBatch();
}

function gaussian(count: number, mean: Float32Array, width: number, fromSeed: number): HostTensor {
  const random = createRandomSource(fromSeed);
  const data = new Float32Array(count * width);
  for (let i = 0; i < data.length; i++) data[i] = (mean[i % width] ?? 0) + random.normal();
  return { data, shape: [count, width] };
}

/** The samples for the models in view. */
export const samples = resource<Samples>('Drawing samples failed', () => {
  const source = truth.value ?? (sae.value ? undefined : toy.value);
  const encoder = sae.value;
  const fromSeed = seed.value;
  const presence = density.value;
  const count = sampleCount(encoder ? encoder.inputSize * encoder.codeSize : 1);
  if (source) {
    const features = sparseFeatures(count, source.inputSize, presence, fromSeed);
    return inference()
      .then(api => api.hidden(source.id, features))
      .then(activations => ({ features, activations, origin: `${count} sparse samples through ${source.name}` }));
  }
  if (!encoder) return undefined;
  const activations = gaussian(count, encoder.bias, encoder.inputSize, fromSeed);
  return Promise.resolve({
    features: undefined,
    activations,
    origin: `${count} Gaussian activations around b_dec (no toy model is open)`,
  });
});

/** How often and how strongly each latent fires on them. */
export const statistics = resource('Running the samples failed', () => {
  const encoder = sae.value;
  const drawn = samples.value;
  if (!encoder || !drawn || drawn.activations.shape[1] !== encoder.inputSize) return undefined;
  return inference().then(api => api.statistics(encoder.id, drawn.activations));
});
