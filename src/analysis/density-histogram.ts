/** A histogram of how often latents fire, by which dictionaries are judged: of log10 of their firing density. */

/** A histogram of log₁₀ densities. */
export interface DensityHistogram {
  /** Edges of the bins, in log10 of the share of samples, ascending; one more than there are bins. */
  readonly edges: readonly number[];
  /** The number of latents in each bin; the first bin also holds those that fire more rarely. */
  readonly counts: readonly number[];
  /** The number of latents that fired on none of the samples. */
  readonly never: number;
}

/** Bins go from 10⁻⁶, the resolution of a million samples, to every sample, with two bins per power of ten. */
const LOWEST = -6;
const BINS_A_DECADE = 2;

/** The histogram of `density`, the share of samples in which each latent fires, [d_sae]. */
export function densityHistogram(density: ArrayLike<number>): DensityHistogram {
  const bins = -LOWEST * BINS_A_DECADE;
  const counts = new Array<number>(bins).fill(0);
  let never = 0;
  for (let latent = 0; latent < density.length; latent++) {
    const share = density[latent]!;
    if (share === 0) never++;
    else {
      const bin = Math.floor((Math.log10(share) - LOWEST) * BINS_A_DECADE);
      counts[Math.max(0, Math.min(bins - 1, bin))]!++;
    }
  }
  return { edges: Array.from({ length: bins + 1 }, (_, i) => LOWEST + i / BINS_A_DECADE), counts, never };
}
