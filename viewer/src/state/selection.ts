/** What is selected, everywhere at once: one true feature and one latent. */
import { signal } from '@preact/signals';

/** Index of the selected input feature. */
export const selectedFeature = signal<number | undefined>(undefined);
/** Index of the selected latent. */
export const selectedLatent = signal<number | undefined>(undefined);

/** Selects a feature, or takes the selection back where it was the one. */
export function toggleFeature(index: number): void {
  selectedFeature.value = selectedFeature.value === index ? undefined : index;
}

/** Selects a latent, or takes the selection back where it was the one. */
export function toggleLatent(index: number): void {
  selectedLatent.value = selectedLatent.value === index ? undefined : index;
}
