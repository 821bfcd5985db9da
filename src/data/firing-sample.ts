/** Which features fire in one sample, and how large they are: what generators of firing features draw again and again. */
import { type Magnitudes, magnitudeOf } from './magnitudes.ts';
import type { RandomSource } from './random-source.ts';

/** Draws samples one by one. */
export interface FiringSample {
  /**
   * Draws the next sample.
   * @returns how many features fire
   */
  draw(): number;
  /** The features that fire, ascending. */
  readonly features: Int32Array;
  /** Their magnitudes. */
  readonly values: Float32Array;
}

/** Features that are skipped through together. */
interface Group {
  /** The largest probability. */
  readonly most: number;
  /** 1 / ln(1 − most). */
  readonly inverseLogAbsence: number;
  readonly features: Int32Array;
  /** Each feature's probability divided by the largest. */
  readonly kept: Float64Array;
}

/**
 * Draws features that fire independently, or exactly so many of them. The cost of a sample grows with the features that
 * fire in it, not with all features: features whose probabilities lie within a factor of two are skipped through
 * together by the largest of them, and each one met is kept with its own probability divided by that one, which is
 * exact (thinning).
 */
export class IndependentFiring implements FiringSample {
  readonly features: Int32Array;
  readonly values: Float32Array;
  readonly #random: RandomSource;
  readonly #groups: readonly Group[];
  readonly #exactly: number | undefined;
  readonly #magnitude: (feature: number) => number;

  constructor(
    probabilities: readonly number[],
    exactly: number | undefined,
    magnitudes: Magnitudes,
    random: RandomSource,
  ) {
    this.#random = random;
    this.#exactly = exactly;
    this.#groups = exactly === undefined ? groupsOf(probabilities) : [];
    this.#magnitude = magnitudeOf(magnitudes, random);
    this.features = new Int32Array(probabilities.length);
    this.values = new Float32Array(probabilities.length);
  }

  draw(): number {
    const { features, values } = this;
    const count = this.#exactly === undefined ? this.#drawEach() : this.#drawSet(this.#exactly);
    // Few fire, and those of each group come in order: insertion is the fastest sort.
    for (let i = 1; i < count; i++) {
      const feature = features[i]!;
      let at = i;
      for (; at > 0 && features[at - 1]! > feature; at--) features[at] = features[at - 1]!;
      features[at] = feature;
    }
    for (let i = 0; i < count; i++) values[i] = this.#magnitude(features[i]!);
    return count;
  }

  #drawEach(): number {
    const random = this.#random;
    let count = 0;
    for (const { most, inverseLogAbsence, features, kept } of this.#groups) {
      // 1 − u lies in (0, 1]. Where all fire, ln(1 − most) is −∞ and every skip is 0.
      const skip = (): number => (most === 1 ? 0 : Math.floor(Math.log(1 - random.uniform()) * inverseLogAbsence));
      for (let i = skip(); i < features.length; i += 1 + skip()) {
        if (kept[i] === 1 || random.uniform() < kept[i]!) this.features[count++] = features[i]!;
      }
    }
    return count;
  }

  /** A set of `size` features, all sets equally likely (Floyd's algorithm). */
  #drawSet(size: number): number {
    const { features } = this;
    for (let count = 0; count < size; count++) {
      const last = features.length - size + count;
      const feature = this.#random.integer(last + 1);
      features[count] = features.subarray(0, count).includes(feature) ? last : feature;
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
