/** What became of each latent of the autoencoder in view, against the toy model in view. */
import { computed } from '@preact/signals';
import { type Matching, matchDirections, recoveryThreshold } from '../data/matching.ts';
import { sae, truth } from './models.ts';
import { statistics } from './samples.ts';

/** Beyond these, an exact matching would hold the page. */
const MOST_FEATURES = 2000;
const MOST_LATENTS = 4096;

/** The matching of the models in view; undefined without a truth or where it would be too large. */
export const matching = computed<Matching | undefined>(() => {
  const features = truth.value;
  const latents = sae.value;
  if (!features || !latents) return undefined;
  if (features.inputSize > MOST_FEATURES || latents.codeSize > MOST_LATENTS) return undefined;
  const density = statistics.value?.density;
  const fits = density?.length === latents.codeSize;
  return matchDirections(
    latents.directions,
    features.directions,
    fits ? Array.from(density, share => share > 0) : undefined,
  );
});

export type LatentStatus = 'matched' | 'duplicate' | 'mixture' | 'dead';

export interface LatentRow {
  readonly latent: number;
  readonly status: LatentStatus | undefined;
  /** True feature under the matching, or the nearest where it has none of its own; −1 without a truth. */
  readonly feature: number;
  readonly cosine: number;
  readonly density: number | undefined;
  readonly mean: number | undefined;
}

/** Every latent with what became of it. */
export const latentRows = computed<readonly LatentRow[]>(() => {
  const encoder = sae.value;
  if (!encoder) return [];
  const found = matching.value;
  const fired = statistics.value;
  const threshold = found ? recoveryThreshold(found.features) : 0;
  return Array.from({ length: encoder.codeSize }, (_, latent): LatentRow => {
    const density = fired?.density[latent];
    const mean = fired?.mean[latent];
    if (!found) return { latent, status: density === 0 ? 'dead' : undefined, feature: -1, cosine: 0, density, mean };
    const row = found.similarity.subarray(latent * found.features, (latent + 1) * found.features);
    let nearest = 0;
    for (let j = 1; j < row.length; j++) if (row[j]! > row[nearest]!) nearest = j;
    const own = found.featureOf[latent]!;
    const matched = own >= 0 && row[own]! > threshold;
    const status: LatentStatus =
      density === 0 ? 'dead' : matched ? 'matched' : row[nearest]! > threshold ? 'duplicate' : 'mixture';
    const feature = matched ? own : nearest;
    return { latent, status, feature, cosine: row[feature]!, density, mean };
  });
});
