/** Latents that mix two true directions: what superposition with too few active latents, or hedging, leaves behind. */
import { cosineSimilarityMatrix } from '../../src/analysis/cosine-similarity.ts';
import type { HostTensor } from '../../src/tensor.ts';

/** True directions nearest to a latent among which its pair is sought. */
const NEAREST = 12;

/**
 * How many of the latents' `directions` [n, d] lie within `threshold` of a sum of two true directions, with positive weights, and of none of those alone.
 * With G = e_i · e_j the cosine of a unit vector with its projection on the plane of both is √((c_i² + c_j² − 2 G c_i c_j) / (1 − G²)).
 */
export function mixtures(directions: HostTensor, truth: HostTensor, threshold: number): number {
  const count = truth.shape[0]!;
  const { data: cosines } = cosineSimilarityMatrix(directions, truth);
  const { data: among } = cosineSimilarityMatrix(truth, truth);
  let mixed = 0;
  for (let latent = 0; latent < directions.shape[0]!; latent++) {
    const own = cosines.subarray(latent * count, (latent + 1) * count);
    const nearest = [...own.keys()].sort((a, b) => own[b]! - own[a]!).slice(0, NEAREST);
    if (own[nearest[0]!]! > threshold) continue;
    const isMixed = nearest.some((i, at) =>
      nearest.slice(at + 1).some(j => {
        const [a, b, g] = [own[i]!, own[j]!, among[i * count + j]!];
        const rest = 1 - g * g;
        // Weights of the projection on e_i and e_j, times 1 − G².
        if (rest < 1e-6 || a - g * b <= 0 || b - g * a <= 0) return false;
        return Math.sqrt((a * a + b * b - 2 * g * a * b) / rest) > threshold;
      }),
    );
    if (isMixed) mixed++;
  }
  return mixed;
}
