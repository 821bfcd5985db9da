/** The selection, which all views share: one true feature, one latent, one row. */
import { signal } from '@preact/signals';
import { view } from './navigation.ts';

/** Index of the selected input feature. */
export const selectedFeature = signal<number | undefined>(undefined);
/** Index of the selected latent. */
export const selectedLatent = signal<number | undefined>(undefined);
/** Index of the row that the sample page shows. */
export const selectedRow = signal<number | undefined>(undefined);

/** Selects a feature, or ends the selection where it is selected already. */
export function toggleFeature(index: number): void {
  selectedFeature.value = selectedFeature.value === index ? undefined : index;
}

/** Selects a latent, or ends the selection where it is selected already. */
export function toggleLatent(index: number): void {
  selectedLatent.value = selectedLatent.value === index ? undefined : index;
}

/** Goes to a latent's page. */
export function openLatent(index: number): void {
  selectedLatent.value = index;
  view.value = 'latent';
}
