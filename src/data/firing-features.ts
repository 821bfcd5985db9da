/** Sparse features with given firing probabilities and magnitudes as a source. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { requireRows } from './activation-source.ts';
import { type GeneratedSource, generatedSource } from './generated-source.ts';
import { FiringFeatureGenerator, type FiringRecipe, type Magnitudes } from './synthetic-firing.ts';

/** Which features fire in a sample. */
export type Firing =
  /** Each by itself with this probability. */
  | number
  /** Each by itself with its own probability, [n_features]. */
  | readonly number[]
  /** Exactly so many in each sample, all sets of them equally likely. */
  | { readonly exactly: number }
  /**
   * Each by itself; the probability of rank r = 1 … n follows r^−exponent, moved and scaled to go from `max` to `min`. Defaults .5, .4 and
   * 5e-4, those of SynthSAEBench.
   */
  | { readonly zipf: { readonly exponent?: number; readonly max?: number; readonly min?: number } };

/** Which features fire, and how large they then are. */
export interface FiringFeatureOptions {
  readonly nFeatures: number;
  readonly firing: Firing;
  /** Default uniform on [0, 1). */
  readonly magnitudes?: Magnitudes;
}

/** Sparse features and how often each fires. */
export interface FiringFeatures extends GeneratedSource {
  /** The probability that each feature fires, [n_features]. */
  readonly probabilities: Float64Array;
}

/**
 * Sparse features with given firing probabilities and magnitudes, independent of each other but for `exactly`.
 * @returns a source of rows [n_features]
 * @throws InvalidValueError for counts, probabilities and magnitudes out of range, InvalidShapeError where there is not one for each feature
 */
export function firingFeatures({
  nFeatures,
  firing,
  magnitudes = { kind: 'uniform' },
}: FiringFeatureOptions): FiringFeatures {
  requireRows('nFeatures', nFeatures);
  const probabilities = probabilitiesOf(nFeatures, firing);
  requireMagnitudes(nFeatures, magnitudes);
  const exactly = typeof firing === 'object' && 'exactly' in firing ? firing.exactly : undefined;
  const recipe: FiringRecipe = {
    kind: 'firing',
    probabilities: [...probabilities],
    ...(exactly !== undefined && { exactly }),
    magnitudes,
  };
  const source = generatedSource({
    description: { kind: 'firing-features', nFeatures, firing, magnitudes },
    width: nFeatures,
    generator: random => new FiringFeatureGenerator(recipe, random),
  });
  return { ...source, probabilities };
}

function probabilitiesOf(nFeatures: number, firing: Firing): Float64Array {
  const probabilities = new Float64Array(nFeatures);
  if (typeof firing === 'number') probabilities.fill(firing);
  else if ('exactly' in firing) {
    const { exactly } = firing;
    if (!Number.isSafeInteger(exactly) || exactly < 0 || exactly > nFeatures) {
      throw new InvalidValueError(`exactly ${exactly} of ${nFeatures} features cannot fire`);
    }
    probabilities.fill(exactly / nFeatures);
  } else if ('zipf' in firing) {
    const { exponent = 0.5, max = 0.4, min = 5e-4 } = firing.zipf;
    if (!(exponent > 0 && min >= 0 && max >= min)) {
      throw new InvalidValueError(
        `zipf: expected exponent > 0 and 0 <= min <= max, got exponent ${exponent}, min ${min}, max ${max}`,
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

function requireMagnitudes(nFeatures: number, magnitudes: Magnitudes): void {
  if (magnitudes.kind === 'uniform') return;
  const mean = magnitudes.kind === 'half-normal' ? 0 : magnitudes.mean;
  for (const [name, given] of Object.entries({ mean, std: magnitudes.std })) {
    const values = typeof given === 'number' ? [given] : given;
    if (typeof given !== 'number' && values.length !== nFeatures) {
      throw new InvalidShapeError(`magnitudes: there are ${values.length} of ${name} for ${nFeatures} features`);
    }
    const wrong = values.find(value => !Number.isFinite(value) || (name === 'std' && value < 0));
    if (wrong !== undefined) throw new InvalidValueError(`magnitudes: ${name} is ${wrong}, which is out of range`);
  }
}
