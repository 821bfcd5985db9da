/** Finds for each latent the true feature that its direction is nearest to; several latents may share one. */
import type { HostTensor } from '../tensor.ts';
import { requireDirections } from './directions.ts';
import { productBlocks, unitRows } from './row-products.ts';

/** The nearest true feature of each latent. */
export interface BestMatches {
  /** The nearest true feature of each latent, [dSae]; of equal ones the first, −1 where there are no features. */
  readonly features: Int32Array;
  /** The absolute cosine to it, [dSae]; 0 where there is none. */
  readonly cosines: Float32Array;
}

/**
 * argmax_j |cos(d_i, t_j)| of each latent i, as `synthetic/evals.py` of SAELens matches latents before it computes F1 and uniqueness.
 * @param directions latents' directions, [dSae, d]
 * @param trueDirections the true features', [nFeatures, d]
 * @throws InvalidShapeError unless both are matrices of the same width.
 */
export function bestMatches(directions: HostTensor, trueDirections: HostTensor): BestMatches {
  const { rows, width } = requireDirections(directions, 'directions');
  const { rows: nFeatures } = requireDirections(trueDirections, 'true directions', width);
  const features = new Int32Array(rows).fill(-1);
  const cosines = new Float32Array(rows);
  if (nFeatures === 0) return { features, cosines };
  const [a, b] = [unitRows(directions.data, width), unitRows(trueDirections.data, width)];
  for (const { start, count, products } of productBlocks(a, b, width)) {
    for (let row = 0; row < count; row++) {
      let best = 0;
      for (let j = 1; j < nFeatures; j++) {
        if (Math.abs(products[row * nFeatures + j]!) > Math.abs(products[row * nFeatures + best]!)) best = j;
      }
      features[start + row] = best;
      cosines[start + row] = Math.abs(products[row * nFeatures + best]!);
    }
  }
  return { features, cosines };
}

/**
 * Uniqueness: the share of latents that are counted once where latents with the same nearest true feature count as one,
 * |{argmax_j |cos(d_i, t_j)|}| / dSae. 1 where each latent has a feature of its own; at most nFeatures / dSae. As `feature_uniqueness` of SAELens.
 * @param matches what `bestMatches` gives
 * @returns in [0, 1]; 0 where there are no latents
 */
export function uniqueness({ features }: BestMatches): number {
  const distinct = new Set(features);
  distinct.delete(-1);
  return features.length === 0 ? 0 : distinct.size / features.length;
}
