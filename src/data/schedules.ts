/** How sparsity varies over models and importance over features: the schedules of "Toy Models of Superposition". */
import { InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

/**
 * The same sparsity for every feature.
 * @param nFeatures at least 1
 * @param sparsity the probability that a feature is 0, in [0, 1]
 * @returns [n_features]
 * @throws InvalidValueError for a value out of range
 */
export function createUniformSparsity(nFeatures: number, sparsity: number): HostTensor {
  requireCount('number of features', nFeatures);
  if (!(sparsity >= 0 && sparsity <= 1)) {
    throw new InvalidValueError(`sparsity is ${sparsity}: it must be between 0 and 1`);
  }
  return vector(nFeatures, () => sparsity);
}

/**
 * Sparsities from `min` to `max`, one for each model and the same for all its features. The densities 1 − sparsity are
 * spaced evenly on a log scale. A single model gets `min`.
 * @param min at least 0, below `max`
 * @param max below 1
 * @returns [n_models, n_features]
 * @throws InvalidValueError for bounds or counts out of range
 */
export function createSparsityRange(min: number, max: number, nModels: number, nFeatures: number): HostTensor {
  if (!(min >= 0 && min < max && max < 1)) {
    throw new InvalidValueError(`sparsity from ${min} to ${max}: the bounds must satisfy 0 <= min < max < 1`);
  }
  requireCount('number of models', nModels);
  requireCount('number of features', nFeatures);
  const ratio = (1 - min) / (1 - max);
  const data = new Float32Array(nModels * nFeatures);
  for (let model = 0; model < nModels; model++) {
    const progress = nModels > 1 ? model / (nModels - 1) : 0;
    data.fill(1 - (1 - min) * ratio ** -progress, model * nFeatures, (model + 1) * nFeatures);
  }
  return { data, shape: [nModels, nFeatures] };
}

/**
 * An importance that falls by a given factor from feature to feature: ratioⁱ for feature i = 0, 1, …
 * @param nFeatures at least 1
 * @param ratio at least 0
 * @returns [n_features]
 * @throws InvalidValueError for a value out of range
 */
export function importanceDecayByRatio(nFeatures: number, ratio: number): HostTensor {
  requireCount('number of features', nFeatures);
  requireNonNegative('ratio', ratio);
  return vector(nFeatures, i => ratio ** i);
}

/**
 * An importance that falls by a constant factor from feature to feature, from 1 for the first to `min` for the last.
 * @param nFeatures at least 1
 * @param min at least 0
 * @returns [n_features]; [1] for one feature
 * @throws InvalidValueError for a value out of range
 */
export function importanceDecayByMin(nFeatures: number, min: number): HostTensor {
  requireCount('number of features', nFeatures);
  requireNonNegative('minimum importance', min);
  return vector(nFeatures, i => (i === 0 ? 1 : min ** (i / (nFeatures - 1))));
}

function vector(length: number, valueAt: (index: number) => number): HostTensor {
  return { data: Float32Array.from({ length }, (_, i) => valueAt(i)), shape: [length] };
}

function requireCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidValueError(`${name} is ${value}: it must be positive, and an integer`);
  }
}

function requireNonNegative(name: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new InvalidValueError(`${name} is ${value}: it must be a finite number of at least 0`);
  }
}
