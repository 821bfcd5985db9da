/** The one-to-one matching of latents to true features with the largest total similarity (the assignment problem). */
import { linearSumAssignment } from 'linear-sum-assignment';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

/** The one-to-one matching of true features and latents with the largest sum of similarities. */
export interface Matching {
  /**
   * The latent of each true feature, [n_features]; −1 where it has none, because there are fewer latents than features.
   */
  readonly latents: Int32Array;
  /** Similarity of each true feature to its latent, 0 where it has none. */
  readonly similarities: Float32Array;
  /** Mean similarity over matched features; 0 where there are none. */
  readonly mean: number;
}

/**
 * Matches latents to true features so that the sum of `similarity` [sae, true] over min(sae, true) pairs is largest
 * (Jonker-Volgenant). A pair is made even where its similarity is low or negative.
 * @throws InvalidShapeError where `similarity` is not a matrix
 * @throws InvalidValueError where an entry is not finite
 */
export function optimalMatching(similarity: HostTensor): Matching {
  const [nLatents, nFeatures] = similarity.shape;
  if (similarity.shape.length !== 2 || nLatents === undefined || nFeatures === undefined) {
    throw new InvalidShapeError(`similarity has shape [${similarity.shape.join(', ')}]: expected [latents, features]`);
  }
  if (!similarity.data.every(Number.isFinite)) {
    throw new InvalidValueError('optimal matching: every similarity must be finite');
  }
  const latents = new Int32Array(nFeatures).fill(-1);
  const similarities = new Float32Array(nFeatures);
  const matched = Math.min(nLatents, nFeatures);
  if (matched === 0) return { latents, similarities, mean: 0 };

  const rows = Array.from({ length: nLatents }, (_, latent) =>
    Float64Array.from(similarity.data.subarray(latent * nFeatures, (latent + 1) * nFeatures)),
  );
  const { columnAssignments } = linearSumAssignment(rows, { maximaze: true });
  let total = 0;
  for (let feature = 0; feature < nFeatures; feature++) {
    const latent = columnAssignments[feature]!;
    if (latent < 0) continue;
    latents[feature] = latent;
    similarities[feature] = similarity.data[latent * nFeatures + feature]!;
    total += similarities[feature]!;
  }
  return { latents, similarities, mean: total / matched };
}
