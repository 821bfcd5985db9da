/** The table of latents: its order, what it is filtered by, and the lists that a person saves. */
import { effect, signal } from '@preact/signals';
import { sae } from './models.ts';

export type Column = 'latent' | 'status' | 'label' | 'density' | 'mean' | 'max' | 'norm' | 'encoder' | 'cosine';

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

export const sortBy = signal<Column>('latent');
export const descending = signal(false);
/** Words that a latent's label must hold, or a latent's number. */
export const searched = signal('');
/** log₁₀ density from and to; undefined keeps all. */
export const densityRange = signal<readonly [number, number] | undefined>(undefined);
/** Only latents of the saved list. */
export const onlySaved = signal(false);
/** Only latents that fired on no row, or only those that did. */
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
    // A page without storage, or a damaged entry: no list.
  }
  saved.value = new Set(Array.isArray(found) ? found.filter(Number.isSafeInteger) : []);
});

/** Puts a latent on the saved list, or takes it off. */
export function toggleSaved(latent: number): void {
  const next = new Set(saved.value);
  if (!next.delete(latent)) next.add(latent);
  saved.value = next;
  try {
    if (reading) localStorage.setItem(key(reading), JSON.stringify([...next].sort((a, b) => a - b)));
  } catch {
    // The list then lasts as long as the page.
  }
}
