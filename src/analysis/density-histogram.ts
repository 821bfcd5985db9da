/** How often latents fire, as the histogram that dictionaries are judged by: of log10 of their firing density. */

export interface DensityHistogram {
  /** Edges of the bins, in log10 of the share of samples, rising; one more than there are bins. */
  readonly edges: readonly number[];
  /** Latents in each bin; the first also holds those that fire more rarely. */
  readonly counts: readonly number[];
  /** Latents that fired on none of the samples. */
  readonly never: number;
}

/** From 10⁻⁶, where a run of a million samples ends, to every sample, two bins a power of ten. */
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
