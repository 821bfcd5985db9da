/** Sparse features with given firing probabilities and magnitudes as a source. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { requireRows } from './activation-source.ts';
import { contentHash } from './content-hash.ts';
import { type Correlation, correlationFactors } from './feature-correlation.ts';
import { compensated, type FeatureTrees, type TreeRecipe, treesOf } from './feature-trees.ts';
import { type GeneratedSource, generatedSource } from './generated-source.ts';
import { type Magnitudes, meanMagnitude, requireMagnitudes } from './magnitudes.ts';
import { FiringFeatureGenerator, type FiringRecipe } from './synthetic-firing.ts';

/** Which features fire in a sample. */
export type Firing =
  /** Each feature independently with this probability. */
  | number
  /** Each feature independently with its own probability, [n_features]. */
  | readonly number[]
  /** Exactly this many features in each sample; all sets of them are equally likely. */
  | { readonly exactly: number }
  /**
   * Each feature independently. The probability of the feature of rank r = 1 … n is r^−exponent, shifted and scaled so
   * that it goes from `max` to `min`. Defaults .5, .4 and 5e-4, as in SynthSAEBench.
   */
  | { readonly zipf: { readonly exponent?: number; readonly max?: number; readonly min?: number } };

/** Which features fire, and how large they then are. */
export interface FiringFeatureOptions {
  readonly nFeatures: number;
  readonly firing: Firing;
  /** The distribution of a feature that fires. Default: uniform on [0, 1). */
  readonly magnitudes?: Magnitudes;
  /** Which features fire together. Default: they fire independently. Not with `exactly`. */
  readonly correlation?: Correlation;
  /** Which features fire only where another one does. Default: none. Not with `exactly`. */
  readonly trees?: FeatureTrees;
}

/** Sparse features and how often each fires. */
export interface FiringFeatures extends GeneratedSource {
  /**
   * [n_features]: the probability that a feature fires. In trees, the probability that it is drawn while its parent
   * fires, before its siblings exclude it.
   */
  readonly probabilities: Float64Array;
  /** The parent of each feature, −1 for none; only where there are trees. */
  readonly parents?: readonly number[];
}

/**
 * Sparse features with given firing probabilities and magnitudes, independent of each other but for `exactly`, `correlation` and `trees`.
 * @example
 * // Two trees of three features; of a root's children one fires at most, and features 0 and 3 fire together.
 * const features = firingFeatures({
 *   nFeatures: 6,
 *   firing: [0.5, 0.4, 0.4, 0.5, 0.4, 0.4],
 *   magnitudes: { kind: 'normal', mean: 1, std: 0.1 },
 *   trees: { parents: [-1, 0, 0, -1, 3, 3], exclusive: true },
 *   correlation: { factors: { data: [0.9, 0, 0, 0.9, 0, 0], shape: [6, 1] } },
 * });
 * @returns a source of rows [n_features]
 * @throws InvalidValueError for counts, probabilities and magnitudes out of range, InvalidShapeError where there is not one for each feature
 */
export function firingFeatures({
  nFeatures,
  firing,
  magnitudes = { kind: 'uniform' },
  correlation,
  trees,
}: FiringFeatureOptions): FiringFeatures {
  requireRows('nFeatures', nFeatures);
  const base = probabilitiesOf(nFeatures, firing);
  requireMagnitudes(nFeatures, magnitudes);
  const exactly = typeof firing === 'object' && 'exactly' in firing ? firing.exactly : undefined;
  if (exactly !== undefined && (correlation || trees)) {
    throw new InvalidValueError(`exactly ${exactly} features cannot fire where they are correlated or in trees`);
  }
  const factors = correlation && correlationFactors(nFeatures, correlation);
  const forest = trees && treesOf(nFeatures, trees);
  if (forest?.scaleByParent) requireParentMeans(forest, magnitudes);
  const probabilities = forest && trees.compensate ? compensated(base, forest) : base;
  const recipe: FiringRecipe = {
    kind: 'firing',
    probabilities: [...probabilities],
    ...(exactly !== undefined && { exactly }),
    magnitudes,
    ...(factors && { correlation: factors }),
    ...(forest && { trees: forest }),
  };
  const source = generatedSource({
    description: {
      kind: 'firing-features',
      nFeatures,
      firing,
      magnitudes,
      ...(correlation && factors && { correlation: described(correlation, factors.factors.data) }),
      ...(trees && forest && { trees: describedTrees(trees, forest) }),
    },
    width: nFeatures,
    generator: random => new FiringFeatureGenerator(recipe, random),
  });
  return { ...source, probabilities, ...(forest && { parents: forest.parents }) };
}

/** A child's magnitude is divided by its parent's mean one: SAELens refuses one that is not positive too. */
function requireParentMeans({ parents }: TreeRecipe, magnitudes: Magnitudes): void {
  const meanOf = meanMagnitude(magnitudes);
  const wrong = parents.find(parent => parent >= 0 && !(meanOf(parent) > 0));
  if (wrong === undefined) return;
  throw new InvalidValueError(
    `trees: the mean magnitude of feature ${wrong} is ${meanOf(wrong)}: a parent that scales its children needs a positive one`,
  );
}

/** A correlation for the record of a run: the options from which it was drawn, or a hash of the given tensor. */
function described(correlation: Correlation, factors: Float32Array): object {
  return 'rank' in correlation ? { seed: 0, ...correlation } : { factors: contentHash(factors) };
}

/** Trees for the record of a run: the options from which they were grown, or a hash of the given parents. */
function describedTrees({ compensate = false, ...trees }: FeatureTrees, forest: TreeRecipe): object {
  const { exclusive = false, scaleByParent = false } = trees;
  const shape = 'parents' in trees ? { parents: contentHash(Float32Array.from(forest.parents)) } : trees;
  const excludes = typeof exclusive === 'boolean' ? exclusive : contentHash(Float32Array.from(exclusive, Number));
  return { ...shape, exclusive: excludes, scaleByParent, compensate };
}

function probabilitiesOf(nFeatures: number, firing: Firing): Float64Array {
  const probabilities = new Float64Array(nFeatures);
  if (firing === null || (typeof firing !== 'number' && typeof firing !== 'object')) {
    throw new InvalidValueError(
      `firing is ${String(firing)}, expected a probability, one for each feature, { exactly } or { zipf }`,
    );
  }
  if (typeof firing === 'number') probabilities.fill(firing);
  else if ('exactly' in firing) {
    const { exactly } = firing;
    if (!Number.isSafeInteger(exactly) || exactly < 0 || exactly > nFeatures) {
      throw new InvalidValueError(`exactly ${exactly} of ${nFeatures} features cannot fire`);
    }
    probabilities.fill(exactly / nFeatures);
  } else if ('zipf' in firing) {
    const { exponent = 0.5, max = 0.4, min = 5e-4 } = firing.zipf;
    if (!(exponent > 0 && Number.isFinite(exponent) && min >= 0 && max >= min)) {
      throw new InvalidValueError(
        `zipf: expected a finite exponent > 0 and 0 <= min <= max, got exponent ${exponent}, min ${min}, max ${max}`,
      );
    }
    const last = nFeatures ** -exponent;
    for (let i = 0; i < nFeatures; i++) {
      const share = nFeatures === 1 ? 1 : ((i + 1) ** -exponent - last) / (1 - last);
      probabilities[i] = min + (max - min) * share;
    }
  } else {
    if (firing.length !== nFeatures) {
      throw new InvalidShapeError(`there are ${firing.length} firing probabilities for ${nFeatures} features`);
    }
    probabilities.set(firing);
  }
  const wrong = probabilities.findIndex(value => !(value >= 0 && value <= 1));
  if (wrong >= 0) {
    throw new InvalidValueError(
      `the firing probability of feature ${wrong} is ${probabilities[wrong]}: it must be between 0 and 1`,
    );
  }
  return probabilities;
}
