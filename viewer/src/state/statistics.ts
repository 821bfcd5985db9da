/** What is known of all latents of the autoencoder in view, from whichever source knows most. */
import { computed } from '@preact/signals';
import { tooFewRows } from '../data/firings.ts';
import { bundleInUse } from './bundles.ts';
import { firings } from './firings.ts';
import { sae } from './models.ts';
import { rows } from './rows.ts';

/** A bundle's summary, or what the rows gave so far. */
export const statistics = computed(() => bundleInUse.value?.summary ?? firings.value?.summary);

/** True once all rows were run. */
export const statisticsDone = computed(() => bundleInUse.value !== undefined || firings.value?.done === true);

/** Whether the rows are noise, which says nothing of what was learned. */
export const areNoise = computed(() => !bundleInUse.value && rows.value?.kind === 'noise');

/** Whether a latent that did not fire tells nothing: too few rows for the width. */
export const fewRows = computed(() => {
  const summary = statistics.value;
  const model = sae.value;
  return !summary || !model || tooFewRows(summary.rows, summary.l0, model.codeSize);
});
