/** The distributions of features that fire. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { RandomSource } from './random-source.ts';

/** The distribution of a feature where it fires; n is standard normal. */
export type Magnitudes =
  /** Uniform on [0, 1). */
  | { readonly kind: 'uniform' }
  /** max(0, mean + std · n); `mean` and `std` are one number for all features, or [n_features]. */
  | { readonly kind: 'normal'; readonly mean: number | readonly number[]; readonly std: number | readonly number[] }
  /** std · |n|. */
  | { readonly kind: 'half-normal'; readonly std: number }
  /** exp(mean + std · n). */
  | { readonly kind: 'log-normal'; readonly mean: number; readonly std: number };

/** A function that draws the magnitude of a feature. */
export function magnitudeOf(magnitudes: Magnitudes, random: RandomSource): (feature: number) => number {
  switch (magnitudes.kind) {
    case 'uniform':
      return () => random.float32();
    case 'normal': {
      const { mean, std } = magnitudes;
      return feature => Math.max(0, numberOf(mean, feature) + numberOf(std, feature) * random.normal());
    }
    case 'half-normal':
      return () => magnitudes.std * Math.abs(random.normal());
    case 'log-normal':
      return () => Math.exp(magnitudes.mean + magnitudes.std * random.normal());
  }
}

/**
 * The number by which a parent's magnitude is divided where it scales its children: the mean that `normal` was given,
 * otherwise the distribution's mean.
 */
export function meanMagnitude(magnitudes: Magnitudes): (feature: number) => number {
  switch (magnitudes.kind) {
    case 'uniform':
      return () => 0.5;
    case 'normal':
      return feature => numberOf(magnitudes.mean, feature);
    case 'half-normal':
      return () => magnitudes.std * Math.sqrt(2 / Math.PI);
    case 'log-normal':
      return () => Math.exp(magnitudes.mean + magnitudes.std ** 2 / 2);
  }
}

/** Deviations that a normal stays within, in as many samples as anybody draws. */
const FAR = 9;
/** The largest float32. */
const LARGEST = 3.4028234663852886e38;

function numberOf(given: number | readonly number[], feature: number): number {
  return typeof given === 'number' ? given : given[feature]!;
}

/**
 * Checks magnitudes.
 * @throws InvalidShapeError where a list does not have one number for each of `nFeatures` features
 * @throws InvalidValueError for a number out of range
 */
export function requireMagnitudes(nFeatures: number, magnitudes: Magnitudes): void {
  const kinds: readonly unknown[] = ['uniform', 'normal', 'half-normal', 'log-normal'];
  if (!kinds.includes(magnitudes.kind)) {
    throw new InvalidValueError(`magnitudes: kind is ${String(magnitudes.kind)}, expected one of ${kinds.join(', ')}`);
  }
  if (magnitudes.kind === 'uniform') return;
  const mean = magnitudes.kind === 'half-normal' ? 0 : magnitudes.mean;
  for (const [name, given] of Object.entries({ mean, std: magnitudes.std })) {
    if (typeof given !== 'number' && (typeof given !== 'object' || given === null)) {
      throw new InvalidValueError(`magnitudes: ${name} is ${String(given)}, expected a number or a list of them`);
    }
    const values: readonly number[] = typeof given === 'number' ? [given] : given;
    if (typeof given !== 'number' && values.length !== nFeatures) {
      throw new InvalidShapeError(`magnitudes: there are ${values.length} of ${name} for ${nFeatures} features`);
    }
    const wrong = values.find(value => !Number.isFinite(value) || (name === 'std' && value < 0));
    if (wrong !== undefined) throw new InvalidValueError(`magnitudes: ${name} is ${wrong}, which is out of range`);
  }
  for (let feature = 0; feature < nFeatures; feature++) {
    const [centre, spread] = [numberOf(mean, feature), numberOf(magnitudes.std, feature)];
    const far = Math.abs(centre) + FAR * spread;
    const largest = magnitudes.kind === 'log-normal' ? Math.exp(far) : far;
    if (largest <= LARGEST) continue;
    throw new InvalidValueError(
      `magnitudes: with mean ${centre} and std ${spread} feature ${feature} may be ${largest}, more than float32 holds`,
    );
  }
}
