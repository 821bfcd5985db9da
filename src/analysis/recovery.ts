/** Finds out which true directions a dictionary has recovered, each by a latent of its own. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { cosineSimilarityMatrix } from './cosine-similarity.ts';
import { optimalMatching } from './optimal-matching.ts';
import { sphericalCapShare } from './spherical-cap.ts';

/** The two sets of directions, which latents are alive, and the threshold. */
export interface RecoveryOptions {
  /** Latents' directions, [dSae, d]. */
  readonly directions: HostTensor;
  /** The true features' directions, [nFeatures, d]. */
  readonly trueDirections: HostTensor;
  /** Which latents fire on held-out data, [dSae]. Default all. */
  readonly alive?: readonly boolean[];
  /** A feature is recovered above this cosine, in (−1, 1): commonly 0.98 for a few features, 0.9 otherwise. */
  readonly threshold: number;
  /**
   * Whether a latent in the opposite direction counts as well: cosines are then absolute values. Default false, because
   * latents only add.
   */
  readonly eitherSign?: boolean;
}

/** Whether one true feature was found, and by which latent. */
export interface FeatureRecovery {
  /** The index of its alive latent; null where there are fewer alive latents than features. */
  readonly latent: number | null;
  /** Cosine to that latent; 0 where there is none. */
  readonly cosine: number;
  /** Whether it has an alive latent. */
  readonly alive: boolean;
  readonly recovered: boolean;
}

/** How many true features a dictionary has found, each by a latent of its own. */
export interface Recovery {
  /** One entry for each true feature, in order. */
  readonly features: readonly FeatureRecovery[];
  /** The number of features recovered. */
  readonly recovered: number;
  /** The share of features recovered, in [0, 1]. */
  readonly share: number;
  /** The share that as many random directions as there are alive latents would be expected to recover. */
  readonly chance: number;
  /** Mean cosine of matched pairs. */
  readonly meanCosine: number;
}

/**
 * Matches true directions to alive latents, one to one with the largest total cosine, and counts those above the
 * threshold. Dead latents are left out before matching, so that none takes a feature's place by a direction that it
 * never uses.
 *
 * `chance` is 1 − (1 − p)ᴺ, with p the share of the sphere within the threshold of a direction and N the number of
 * alive latents: the probability that one of N uniform directions falls there. It is exact for one feature and an upper
 * bound for several, because a direction may lie near two and can be matched to only one.
 * @throws InvalidShapeError where the directions are not two matrices of one width, or `alive` does not have one entry
 *   for each latent
 * @throws InvalidValueError for a threshold outside [−1, 1]
 */
export function recovery(options: RecoveryOptions): Recovery {
  const { directions, trueDirections, alive, threshold, eitherSign = false } = options;
  const [dSae, width] = directions.shape;
  const [nFeatures] = trueDirections.shape;
  if (directions.shape.length !== 2 || trueDirections.shape.length !== 2 || dSae === undefined || width === undefined) {
    throw new InvalidShapeError(
      `recovery of [${trueDirections.shape.join(', ')}] by [${directions.shape.join(', ')}]: expected two matrices`,
    );
  }
  if (alive !== undefined && alive.length !== dSae) {
    throw new InvalidShapeError(`alive has ${alive.length} entries for ${dSae} latents`);
  }
  if (!(threshold >= -1 && threshold <= 1)) {
    throw new InvalidValueError(`threshold is ${threshold}: it must be a cosine, between -1 and 1`);
  }
  const living = Array.from({ length: dSae }, (_, latent) => latent).filter(latent => alive?.[latent] !== false);
  const data = new Float32Array(living.length * width);
  living.forEach((latent, row) => {
    data.set(directions.data.subarray(latent * width, (latent + 1) * width), row * width);
  });
  const cosines = cosineSimilarityMatrix({ data, shape: [living.length, width] }, trueDirections);
  const matching = optimalMatching(eitherSign ? { ...cosines, data: cosines.data.map(Math.abs) } : cosines);
  const features = Array.from(matching.latents, (row, feature): FeatureRecovery => {
    const latent = living[row] ?? null;
    const cosine = matching.similarities[feature]!;
    return { latent, cosine, alive: latent !== null, recovered: latent !== null && cosine > threshold };
  });
  const recovered = features.filter(feature => feature.recovered).length;
  const cap = sphericalCapShare(width, threshold);
  const near = eitherSign ? Math.min(1, 2 * cap) : cap;
  return {
    features,
    recovered,
    share: nFeatures ? recovered / nFeatures : 0,
    chance: living.length === 0 ? 0 : -Math.expm1(living.length * Math.log1p(-near)),
    meanCosine: matching.mean,
  };
}
