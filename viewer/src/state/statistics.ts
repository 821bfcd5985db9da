/** The statistics over all latents of the autoencoder in view, from the source that knows most. */
import { computed } from '@preact/signals';
import { tooFewRows } from '../data/firings.ts';
import { bundleInUse } from './bundles.ts';
import { firings } from './firings.ts';
import { sae } from './models.ts';
import { rows } from './rows.ts';

/** The summary of the open bundle, or that of the rows run so far. */
export const statistics = computed(() => bundleInUse.value?.summary ?? firings.value?.summary);

/** Whether all rows were run. */
export const statisticsDone = computed(() => bundleInUse.value !== undefined || firings.value?.done === true);

/** Whether the rows are noise, which tells nothing about what was learned. */
export const areNoise = computed(() => !bundleInUse.value && rows.value?.kind === 'noise');

/** Whether too few rows were run, for the number of latents, for a silent latent to mean anything. */
export const fewRows = computed(() => {
  const summary = statistics.value;
  const model = sae.value;
  return !summary || !model || tooFewRows(summary.rows, summary.l0, model.codeSize);
});
