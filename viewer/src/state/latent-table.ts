/**
 * The table of latents as it is shown: its columns as numbers, which rows the filters leave, and their order, which a
 * worker works out.
 */
import { computed } from '@preact/signals';
import { analysis } from '../workers/analysis-client.ts';
import { matching } from './matching.ts';
import { sae } from './models.ts';
import { resource } from './resource.ts';
import { fewRows, statistics } from './statistics.ts';
import { type Column, densityRange, descending, firing, onlySaved, saved, searched, sortBy } from './table.ts';

/** Gives the label of a latent, or '' where it has none; undefined where nothing labels latents. */
export const labelsOfLatents = computed<((latent: number) => string) | undefined>(() => {
  const labels = statistics.value?.labels;
  if (!labels) return undefined;
  return latent => (labels.best[latent]! >= 0 ? labels.names[labels.best[latent]!]! : '');
});

/** The columns that have values for the autoencoder in view. */
export const columnsInUse = computed<readonly Column[]>(() => {
  const model = sae.value;
  const known = statistics.value !== undefined;
  const has: Record<Column, boolean> = {
    latent: true,
    status: matching.value !== undefined,
    cosine: matching.value !== undefined,
    label: labelsOfLatents.value !== undefined,
    density: known,
    mean: known,
    max: known,
    norm: model?.geometry !== undefined && matching.value === undefined,
    encoder: model?.geometry?.encoderCosines !== undefined,
  };
  return (['latent', 'status', 'cosine', 'label', 'density', 'mean', 'max', 'norm', 'encoder'] as const).filter(
    column => has[column],
  );
});

/** The numbers of a column, by which the table is sorted. */
function numbersOf(column: Column, size: number): Float32Array {
  const summary = statistics.value;
  const found = matching.value;
  const geometry = sae.value?.geometry;
  const given = {
    latent: undefined,
    status: found && Float32Array.from(found.verdicts.status),
    cosine: found?.verdicts.cosine,
    label: summary?.labels?.f1,
    density: summary?.density,
    mean: summary?.mean,
    max: summary?.max,
    norm: geometry?.decoderNorms,
    encoder: geometry?.encoderCosines,
  }[column];
  return given?.length === size ? given : Float32Array.from({ length: size }, (_, i) => i);
}

/** 1 for each latent that the filters leave, 0 for the others; undefined where there is no filter. */
const kept = computed<Uint8Array | undefined>(() => {
  const size = sae.value?.codeSize ?? 0;
  const words = searched.value.trim().toLowerCase();
  const range = densityRange.value;
  const density = statistics.value?.density;
  const labelOf = labelsOfLatents.value;
  const fires = firing.value;
  if (words === '' && !range && !onlySaved.value && fires === 'all') return undefined;
  const keep = new Uint8Array(size);
  for (let latent = 0; latent < size; latent++) {
    if (onlySaved.value && !saved.value.has(latent)) continue;
    if (density && fires !== 'all' && density[latent]! > 0 !== (fires === 'fired')) continue;
    if (range && density) {
      const log = Math.log10(density[latent]!);
      if (!(log >= range[0] && log <= range[1])) continue;
    }
    if (words !== '' && String(latent) !== words && !labelOf?.(latent).toLowerCase().includes(words)) continue;
    keep[latent] = 1;
  }
  return keep;
});

/** The latents that the filters leave, in the table's order. */
export const tableOrder = resource<Int32Array>('The table could not be sorted', () => {
  const model = sae.value;
  if (!model) return undefined;
  const column = numbersOf(sortBy.value, model.codeSize);
  const wanted = { column, descending: descending.value, keep: kept.value };
  return { about: model.id, ask: () => analysis().order(wanted) };
});

/** A histogram of log₁₀ density over the latents that fired. */
export const densityHistogram = computed(() => {
  const summary = statistics.value;
  if (!summary || fewRows.value) return undefined;
  const lowest = Math.floor(Math.log10(1 / summary.rows));
  const bins = Math.max(8, Math.min(60, -lowest * 10));
  const counts = new Array<number>(bins).fill(0);
  for (const share of summary.density) {
    if (share === 0) continue;
    const place = Math.floor((bins * (Math.log10(share) - lowest)) / -lowest);
    counts[Math.max(0, Math.min(bins - 1, place))]! += 1;
  }
  return { from: lowest, to: 0, counts };
});
