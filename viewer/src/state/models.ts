/** The models that are open, and which toy model and which autoencoder the page is about. */
import { computed, signal } from '@preact/signals';
import type { Model, ModelKind } from '../data/model.ts';

export const models = signal<readonly Model[]>([]);
export const toyId = signal<string | undefined>(undefined);
export const saeId = signal<string | undefined>(undefined);

const find = (id: string | undefined, kind: ModelKind) =>
  models.value.find(model => model.id === id && model.kind === kind);

/** The toy model in view. */
export const toy = computed(() => find(toyId.value, 'toy-model'));
/** The autoencoder in view. */
export const sae = computed(() => find(saeId.value, 'sparse-autoencoder'));

/** How the autoencoder in view stands to the toy model in view. */
export type Link =
  /** The file names this very toy model. */
  | 'trained on it'
  /** The file names no model, but the widths fit. */
  | 'fits'
  /** The file names another model than the one in view. */
  | 'trained on another'
  /** The autoencoder's input is not as wide as the toy model's hidden layer. */
  | 'does not fit'
  | 'alone';

export const link = computed<Link>(() => {
  if (!toy.value || !sae.value) return 'alone';
  if (sae.value.inputSize !== toy.value.codeSize) return 'does not fit';
  if (sae.value.trainedOn === undefined) return 'fits';
  return sae.value.trainedOn === toy.value.sha256 ? 'trained on it' : 'trained on another';
});

/** The toy model whose directions are the truth for the autoencoder in view. */
export const truth = computed(() => (link.value === 'does not fit' ? undefined : toy.value));

/** Adds a model, or replaces the one with its id, and brings it into view with the toy model that it names. */
export function addModel(model: Model, show = true): void {
  models.value = [...models.value.filter(({ id }) => id !== model.id), model];
  if (show) showModel(model.id);
}

/** Brings a model into view; an autoencoder brings the toy model that it was trained on, where that one is open. */
export function showModel(id: string): void {
  const model = models.value.find(candidate => candidate.id === id);
  if (!model) return;
  if (model.kind === 'toy-model') {
    toyId.value = id;
    const fitting = models.value.filter(
      other => other.kind === 'sparse-autoencoder' && other.trainedOn === model.sha256,
    );
    if (sae.value && sae.value.inputSize !== model.codeSize) saeId.value = fitting[0]?.id;
    return;
  }
  saeId.value = id;
  const toys = models.value.filter(other => other.kind === 'toy-model');
  const named = toys.find(other => other.sha256 === model.trainedOn);
  const fits = toyId.value !== undefined && find(toyId.value, 'toy-model')?.codeSize === model.inputSize;
  if (named) toyId.value = named.id;
  else if (!fits) toyId.value = toys.find(other => other.codeSize === model.inputSize)?.id;
}
