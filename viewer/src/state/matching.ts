/** What became of each latent of the autoencoder in view, against the toy model in view. */
import { computed } from '@preact/signals';
import { type LatentStatus, type Matching, matchDirections, verdictOf } from '../data/matching.ts';
import { analysis } from '../workers/analysis-client.ts';
import { sae, truth } from './models.ts';
import { resource } from './resource.ts';
import { fewRows, statistics, statisticsDone } from './statistics.ts';

/** Beyond these, an exact matching takes minutes. */
const MOST_FEATURES = 2000;
const MOST_LATENTS = 4096;
/** Up to so many cosines the matching takes less than a millisecond and is made where it is asked. */
const SMALL = 600;

interface Pair {
  readonly about: string;
  readonly latents: NonNullable<typeof sae.value>;
  readonly features: NonNullable<typeof truth.value>;
  /** Latents that fire; undefined while that is not known. */
  readonly alive: readonly boolean[] | undefined;
}

const pair = computed<Pair | undefined>(() => {
  const latents = sae.value;
  const features = truth.value;
  if (!latents?.runs || !features?.directions) return undefined;
  if (features.inputSize > MOST_FEATURES || latents.codeSize > MOST_LATENTS) return undefined;
  const density = fewRows.value || !statisticsDone.value ? undefined : statistics.value?.density;
  const alive = density && Array.from(density, share => share > 0);
  return { about: `${latents.id} ${features.id}`, latents, features, alive };
});

const isSmall = ({ latents, features }: Pair): boolean =>
  latents.directions !== undefined && latents.codeSize * features.inputSize <= SMALL;

const small = computed(() => {
  const now = pair.value;
  if (!now || !isSmall(now)) return undefined;
  return matchDirections(now.latents.directions!, now.features.directions!, now.alive);
});

const large = resource<Matching>('The latents could not be matched', () => {
  const now = pair.value;
  if (!now || isSmall(now)) return undefined;
  const { about, latents, features, alive } = now;
  return { about, ask: () => analysis().match(latents.id, features.directions!, alive) };
});

/** The matching of the models in view; undefined without a truth, while it is made, or where it would be too large. */
export const matching = computed(() => small.value ?? large.value);

/** What a latent is; `silent` where it fired on none of the rows. */
export type Standing = LatentStatus | 'silent';

export interface LatentRow {
  readonly latent: number;
  /** Undefined where neither a truth nor rows say anything. */
  readonly status: Standing | undefined;
  /** True feature under the matching, or the nearest where it has none of its own; −1 without a truth. */
  readonly feature: number;
  readonly cosine: number;
  readonly density: number | undefined;
  readonly mean: number | undefined;
}

/** One latent with what became of it. */
export function latentRow(latent: number): LatentRow {
  const summary = statistics.value;
  const density = summary?.density[latent];
  const mean = summary?.mean[latent];
  const silent = density === 0 && !fewRows.value;
  const found = matching.value;
  if (!found) return { latent, status: silent ? 'silent' : undefined, feature: -1, cosine: 0, density, mean };
  const { status, feature, cosine } = verdictOf(latent, found);
  return { latent, status: silent ? 'silent' : status, feature, cosine, density, mean };
}
