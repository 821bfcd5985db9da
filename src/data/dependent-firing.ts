/**
 * Features that fire together (a Gaussian copula) and in trees, drawn exactly and without looking at all of them.
 *
 * Given the factors ε, features are independent with p_i(ε) = Φ((F_i·ε − t_i) / √δ_i), t_i the threshold of probability p_i. So a sample draws ε, then
 * roots and features outside trees, then the children of parents that are active, level by level; of a child whose parent is silent nothing is
 * drawn. Features without a parent are skipped through in groups by a bound on p_i(ε), |F_i·ε| ≤ ‖F_i‖ ‖ε‖, and each one met is kept with p_i(ε)
 * divided by the bound, which is exact (thinning).
 */
import type { CorrelationFactors } from './feature-correlation.ts';
import { childrenOf, type TreeRecipe } from './feature-trees.ts';
import type { FiringSample } from './firing-sample.ts';
import { type Magnitudes, magnitudeOf, meanMagnitude } from './magnitudes.ts';
import { normalCdf, normalThreshold } from './normal-distribution.ts';
import type { RandomSource } from './random-source.ts';

/** What determines which features fire together, and how often. */
export interface DependentFiringParts {
  /** [n_features]: the probability that a feature fires; for one with a parent, while its parent fires. */
  readonly probabilities: readonly number[];
  readonly magnitudes: Magnitudes;
  readonly correlation?: CorrelationFactors;
  readonly trees?: TreeRecipe;
}

/** Features without a parent whose probabilities have a common bound. */
interface Group {
  readonly features: Int32Array;
  /** The largest probability, without correlation. */
  readonly most: number;
  /** Over the features of the group: the largest ‖F_i‖, the smallest t_i, the smallest and the largest √δ_i. */
  readonly norm: number;
  readonly threshold: number;
  readonly leastOwn: number;
  readonly mostOwn: number;
}

/** From this bound on, asking every feature costs less than skipping. */
const SKIP_BELOW = 0.3;

/** Draws features that fire together (a Gaussian copula), in trees, or both. */
export class DependentFiring implements FiringSample {
  readonly features: Int32Array;
  readonly values: Float32Array;
  readonly #random: RandomSource;
  readonly #probabilities: Float64Array;
  readonly #magnitude: (feature: number) => number;
  readonly #mean: (feature: number) => number;
  readonly #groups: readonly Group[];
  readonly #children: readonly Int32Array[];
  readonly #trees: TreeRecipe | undefined;
  readonly #factors: Float64Array;
  /** The length of ε. */
  readonly #rank: number;
  /**
   * How many of each feature's factors are used: up to the last one that is not 0. A matrix's factors are a lower
   * triangle.
   */
  readonly #used: Int32Array;
  readonly #own: Float64Array;
  readonly #thresholds: Float64Array;
  readonly #epsilon: Float64Array;

  constructor({ probabilities, magnitudes, correlation, trees }: DependentFiringParts, random: RandomSource) {
    const n = probabilities.length;
    this.features = new Int32Array(n);
    this.values = new Float32Array(n);
    this.#random = random;
    this.#probabilities = Float64Array.from(probabilities);
    this.#magnitude = magnitudeOf(magnitudes, random);
    this.#mean = meanMagnitude(magnitudes);
    this.#trees = trees;
    this.#children = trees ? childrenOf(trees) : [];
    const rank = correlation?.factors.shape[1] ?? 0;
    this.#rank = rank;
    this.#factors = Float64Array.from(correlation?.factors.data ?? []);
    this.#used = Int32Array.from({ length: n }, (_, i) => {
      let used = rank;
      while (used > 0 && this.#factors[i * rank + used - 1] === 0) used--;
      return used;
    });
    this.#own = Float64Array.from(correlation?.own ?? []);
    this.#thresholds = correlation ? this.#probabilities.map(normalThreshold) : new Float64Array(0);
    this.#epsilon = new Float64Array(rank);
    this.#groups = this.#groupsOf(probabilities, trees);
  }

  draw(): number {
    const { features } = this;
    const epsilon = this.#epsilon;
    let squared = 0;
    for (let i = 0; i < epsilon.length; i++) {
      epsilon[i] = this.#random.normal();
      squared += epsilon[i]! * epsilon[i]!;
    }
    let count = this.#drawRoots(Math.sqrt(squared));
    // The features that were added last have children that have not been drawn yet: the loop goes level by level from
    // the roots.
    if (this.#trees) {
      for (let i = 0; i < count; i++) count = this.#drawChildren(features[i]!, this.values[i]!, count);
    }
    this.#sort(count);
    return count;
  }

  /** Features without a parent. */
  #drawRoots(norm: number): number {
    const random = this.#random;
    let count = 0;
    for (const group of this.#groups) {
      const most = this.#rank === 0 ? group.most : boundOf(group, norm);
      if (most === 0) continue;
      const { features } = group;
      if (most > SKIP_BELOW) {
        for (let i = 0; i < features.length; i++) {
          if (random.uniform() < this.#probability(features[i]!)) count = this.#add(features[i]!, 1, count);
        }
        continue;
      }
      const inverseLogAbsence = 1 / Math.log1p(-most);
      // 1 − u lies in (0, 1].
      let i = Math.floor(Math.log(1 - random.uniform()) * inverseLogAbsence);
      while (i < features.length) {
        const feature = features[i]!;
        if (random.uniform() * most < this.#probability(feature)) count = this.#add(feature, 1, count);
        i += 1 + Math.floor(Math.log(1 - random.uniform()) * inverseLogAbsence);
      }
    }
    return count;
  }

  /** Draws the children of an active parent; of exclusive ones at most one is kept. */
  #drawChildren(parent: number, value: number, start: number): number {
    const { exclusive, scaleByParent } = this.#trees!;
    const scale = scaleByParent ? value / this.#mean(parent) : 1;
    let count = start;
    for (const child of this.#children[parent]!) {
      if (this.#random.uniform() < this.#probability(child)) count = this.#add(child, scale, count);
    }
    if (!exclusive[parent] || count - start < 2) return count;
    const winner = start + this.#random.integer(count - start);
    this.features[start] = this.features[winner]!;
    this.values[start] = this.values[winner]!;
    return start + 1;
  }

  /** Adds a feature that fires, unless its magnitude is 0. */
  #add(feature: number, scale: number, count: number): number {
    const value = Math.fround(this.#magnitude(feature) * scale);
    if (!(value > 0)) return count;
    this.features[count] = feature;
    this.values[count] = value;
    return count + 1;
  }

  /** p_i(ε). */
  #probability(feature: number): number {
    const rank = this.#rank;
    if (rank === 0) return this.#probabilities[feature]!;
    const [factors, epsilon] = [this.#factors, this.#epsilon];
    let common = 0;
    for (let i = 0, at = feature * rank, end = this.#used[feature]!; i < end; i++)
      common += factors[at + i]! * epsilon[i]!;
    const above = common - this.#thresholds[feature]!;
    const own = this.#own[feature]!;
    // The factors alone decide about a feature with δ = 0.
    return own === 0 ? Number(above > 0) : normalCdf(above / own);
  }

  #sort(count: number): void {
    const { features, values } = this;
    for (let i = 1; i < count; i++) {
      const [feature, value] = [features[i]!, values[i]!];
      let at = i;
      for (; at > 0 && features[at - 1]! > feature; at--) {
        features[at] = features[at - 1]!;
        values[at] = values[at - 1]!;
      }
      features[at] = feature;
      values[at] = value;
    }
  }

  /** Groups of like probability and like ‖F_i‖. */
  #groupsOf(probabilities: readonly number[], trees: TreeRecipe | undefined): Group[] {
    const rank = this.#rank;
    const normOf = (i: number): number => Math.hypot(...this.#factors.subarray(i * rank, (i + 1) * rank));
    const byKey = new Map<string, number[]>();
    for (const [feature, probability] of probabilities.entries()) {
      if (probability === 0 || (trees && trees.parents[feature]! >= 0)) continue;
      const key = `${Math.floor(Math.log2(probability))} ${Math.floor(20 * normOf(feature))}`;
      const features = byKey.get(key);
      if (features) features.push(feature);
      else byKey.set(key, [feature]);
    }
    const extreme = (features: readonly number[], of: (feature: number) => number, which: 'min' | 'max'): number =>
      features.reduce((found, feature) => Math[which](found, of(feature)), which === 'min' ? Infinity : -Infinity);
    return Array.from(byKey.values(), features => ({
      features: Int32Array.from(features),
      most: extreme(features, feature => probabilities[feature]!, 'max'),
      norm: extreme(features, normOf, 'max'),
      threshold: extreme(features, feature => this.#thresholds[feature] ?? 0, 'min'),
      leastOwn: extreme(features, feature => this.#own[feature] ?? 1, 'min'),
      mostOwn: extreme(features, feature => this.#own[feature] ?? 1, 'max'),
    }));
  }
}

/** An upper bound of p_i(ε) for all features of a group, given ‖ε‖. */
function boundOf({ norm, threshold, leastOwn, mostOwn }: Group, epsilonNorm: number): number {
  const above = norm * epsilonNorm - threshold;
  if (above > 0) return leastOwn === 0 ? 1 : normalCdf(above / leastOwn);
  return mostOwn === 0 ? 0 : normalCdf(above / mostOwn);
}
