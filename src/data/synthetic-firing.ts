/**
 * Sparse features that fire with given probabilities and have given magnitudes, drawn sample by sample. The cost of a sample follows the
 * features that fire in it, not all features: features whose probabilities lie within a factor of two are skipped through together by the
 * largest of them, and each one met is kept with its own probability divided by that one, which is exact (thinning).
 */
import { InvalidShapeError } from '../errors.ts';
import type { RandomSource } from './random-source.ts';
import type { PresentEntries, SampleGenerator, SampleRecipe } from './sample-generator.ts';

/** How large a feature is where it fires. */
export type Magnitudes =
  /** Uniform on [0, 1). */
  | { readonly kind: 'uniform' }
  /** max(0, mean + std · n) with n standard normal; one number for all features or one each. */
  | { readonly kind: 'normal'; readonly mean: number | readonly number[]; readonly std: number | readonly number[] }
  /** std · |n|. */
  | { readonly kind: 'half-normal'; readonly std: number }
  /** exp(mean + std · n). */
  | { readonly kind: 'log-normal'; readonly mean: number; readonly std: number };

/** A generator of firing features as plain data. */
export type FiringRecipe = Extract<SampleRecipe, { kind: 'firing' }>;

/** Features whose probabilities lie within a factor of two. */
interface Group {
  /** The largest probability. */
  readonly most: number;
  /** 1 / ln(1 − most). */
  readonly inverseLogAbsence: number;
  readonly features: Int32Array;
  /** Each feature's probability divided by the largest. */
  readonly kept: Float64Array;
}

export class FiringFeatureGenerator implements SampleGenerator {
  readonly recipe: FiringRecipe;
  readonly #random: RandomSource;
  readonly #groups: readonly Group[];
  readonly #magnitude: (feature: number) => number;
  readonly #nFeatures: number;
  /** The features that fire in a sample, ascending. */
  readonly #firing: Int32Array;
  #positions = new Int32Array(0);
  #values = new Float32Array(0);

  constructor(recipe: FiringRecipe, random: RandomSource) {
    const { probabilities, magnitudes } = recipe;
    this.recipe = recipe;
    this.#random = random;
    this.#nFeatures = probabilities.length;
    this.#groups = recipe.exactly === undefined ? groupsOf(probabilities) : [];
    this.#magnitude = magnitudeOf(magnitudes, random);
    this.#firing = new Int32Array(probabilities.length);
  }

  /** Overwrites `into` with the next samples. InvalidShapeError where its length is not a multiple of n_features. */
  fill(into: Float32Array): void {
    const samples = into.length / this.#nFeatures;
    if (!Number.isInteger(samples)) {
      throw new InvalidShapeError(
        `an array of ${into.length} values cannot be filled with samples of ${this.#nFeatures} features`,
      );
    }
    into.fill(0);
    for (let sample = 0; sample < samples; sample++) {
      const count = this.#drawFiring();
      for (let i = 0; i < count; i++) {
        const feature = this.#firing[i]!;
        into[sample * this.#nFeatures + feature] = this.#magnitude(feature);
      }
    }
  }

  /** The next samples as their present entries. */
  drawPresent(samples: number): PresentEntries {
    let total = 0;
    for (let sample = 0; sample < samples; sample++) {
      const count = this.#drawFiring();
      if (total + count > this.#positions.length) this.#grow(total + count);
      for (let i = 0; i < count; i++) {
        const feature = this.#firing[i]!;
        this.#positions[total] = sample * this.#nFeatures + feature;
        this.#values[total++] = this.#magnitude(feature);
      }
    }
    return { count: total, positions: this.#positions, values: this.#values };
  }

  #grow(least: number): void {
    const [positions, values] = [new Int32Array(2 * least), new Float32Array(2 * least)];
    positions.set(this.#positions);
    values.set(this.#values);
    this.#positions = positions;
    this.#values = values;
  }

  /** Draws which features fire in the next sample into `#firing`, ascending; gives how many. */
  #drawFiring(): number {
    const { exactly } = this.recipe;
    const count = exactly === undefined ? this.#drawEach() : this.#drawSet(exactly);
    const firing = this.#firing;
    // Few fire, and those of each group come in order: insertion is the fastest sort.
    for (let i = 1; i < count; i++) {
      const feature = firing[i]!;
      let at = i;
      for (; at > 0 && firing[at - 1]! > feature; at--) firing[at] = firing[at - 1]!;
      firing[at] = feature;
    }
    return count;
  }

  #drawEach(): number {
    const random = this.#random;
    let count = 0;
    for (const { most, inverseLogAbsence, features, kept } of this.#groups) {
      // 1 − u lies in (0, 1]. Where all fire, ln(1 − most) is −∞ and every skip is 0.
      const skip = (): number => (most === 1 ? 0 : Math.floor(Math.log(1 - random.uniform()) * inverseLogAbsence));
      for (let i = skip(); i < features.length; i += 1 + skip()) {
        if (kept[i] === 1 || random.uniform() < kept[i]!) this.#firing[count++] = features[i]!;
      }
    }
    return count;
  }

  /** A set of `size` features, all sets equally likely (Floyd's algorithm). */
  #drawSet(size: number): number {
    const firing = this.#firing;
    for (let count = 0; count < size; count++) {
      const last = this.#nFeatures - size + count;
      const feature = this.#random.integer(last + 1);
      firing[count] = firing.subarray(0, count).includes(feature) ? last : feature;
    }
    return size;
  }
}

function groupsOf(probabilities: readonly number[]): Group[] {
  const byMagnitude = new Map<number, number[]>();
  for (const [feature, probability] of probabilities.entries()) {
    if (probability === 0) continue;
    const magnitude = Math.floor(Math.log2(probability));
    const features = byMagnitude.get(magnitude);
    if (features) features.push(feature);
    else byMagnitude.set(magnitude, [feature]);
  }
  return Array.from(byMagnitude.values(), features => {
    const most = features.reduce((largest, feature) => Math.max(largest, probabilities[feature]!), 0);
    return {
      most,
      inverseLogAbsence: 1 / Math.log1p(-most),
      features: Int32Array.from(features),
      kept: Float64Array.from(features, feature => probabilities[feature]! / most),
    };
  });
}

function magnitudeOf(magnitudes: Magnitudes, random: RandomSource): (feature: number) => number {
  switch (magnitudes.kind) {
    case 'uniform':
      return () => random.float32();
    case 'normal': {
      const { mean, std } = magnitudes;
      const of = (value: number | readonly number[], feature: number): number =>
        typeof value === 'number' ? value : value[feature]!;
      return feature => Math.max(0, of(mean, feature) + of(std, feature) * random.normal());
    }
    case 'half-normal':
      return () => magnitudes.std * Math.abs(random.normal());
    case 'log-normal':
      return () => Math.exp(magnitudes.mean + magnitudes.std * random.normal());
  }
}
