/** How the latents of the autoencoder in view stand to the features of the toy model in view. */
import { computed } from '@preact/signals';
import { type LatentStatus, type Matching, matchDirections, verdictOf } from '../data/matching.ts';
import { analysis } from '../workers/analysis-client.ts';
import { sae, truth } from './models.ts';
import { resource } from './resource.ts';
import { fewRows, statistics, statisticsDone } from './statistics.ts';

/** The most features that are matched. Beyond them an exact matching takes minutes. */
const MOST_FEATURES = 2000;
const MOST_LATENTS = 4096;
/** The most cosines for which the matching takes less than a millisecond and is made on the page's own thread. */
const SMALL = 600;

interface Pair {
  readonly about: string;
  readonly latents: NonNullable<typeof sae.value>;
  readonly features: NonNullable<typeof truth.value>;
  /** Whether each latent fired on the rows; undefined while that is not known. */
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

/**
 * The matching of the models in view; undefined where no truth is open, while it is being made, and where it would be
 * too large.
 */
export const matching = computed(() => small.value ?? large.value);

/** How a latent stands to the true features, or `silent` where it fired on none of the rows. */
export type Standing = LatentStatus | 'silent';

/** What the table says of how a latent stands to the truth. */
export interface LatentRow {
  readonly latent: number;
  /** Its standing; undefined where neither a truth nor rows are there to tell. */
  readonly status: Standing | undefined;
  /**
   * Its true feature under the matching, or the nearest one where it has none of its own; −1 where no truth is open.
   */
  readonly feature: number;
  readonly cosine: number;
  readonly density: number | undefined;
  readonly mean: number | undefined;
}

/** How one latent stands to the truth. */
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
