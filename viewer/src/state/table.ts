/** The person's choices for the table of latents: its order, its filters, and the list of saved latents. */
import { effect, signal } from '@preact/signals';
import { sae } from './models.ts';

/** A column of the table. */
export type Column = 'latent' | 'status' | 'label' | 'density' | 'mean' | 'max' | 'norm' | 'encoder' | 'cosine';

/** All columns from left to right. */
export const COLUMNS: readonly Column[] = [
  'latent',
  'status',
  'label',
  'density',
  'mean',
  'max',
  'norm',
  'encoder',
  'cosine',
];

/** The column that the table is sorted by. */
export const sortBy = signal<Column>('latent');
/** Whether the largest values come first. */
export const descending = signal(false);
/** The text of the search field: words of a latent's label, or a latent's number. */
export const searched = signal('');
/** The least and the greatest log₁₀ density of the latents that are listed; undefined lists all. */
export const densityRange = signal<readonly [number, number] | undefined>(undefined);
/** Whether only saved latents are listed. */
export const onlySaved = signal(false);
/** Whether all latents are listed, those that fired on some row, or those that fired on none. */
export const firing = signal<'all' | 'fired' | 'silent'>('all');

/** The saved latents of the autoencoder in view. */
export const saved = signal<ReadonlySet<number>>(new Set());

const key = (sha256: string): string => `monosemantic.saved.${sha256.slice(0, 16)}`;

let reading: string | undefined;
effect(() => {
  reading = sae.value?.sha256;
  let found: unknown = [];
  try {
    if (reading) found = JSON.parse(localStorage.getItem(key(reading)) ?? '[]');
  } catch {
    // Without storage, or with a damaged entry in it, the list is empty.
  }
  saved.value = new Set(Array.isArray(found) ? found.filter(Number.isSafeInteger) : []);
});

/** Puts a latent on the list of saved latents, or takes it off. */
export function toggleSaved(latent: number): void {
  const next = new Set(saved.value);
  if (!next.delete(latent)) next.add(latent);
  saved.value = next;
  try {
    if (reading) localStorage.setItem(key(reading), JSON.stringify([...next].sort((a, b) => a - b)));
  } catch {
    // Without storage the list lasts as long as the page.
  }
}
