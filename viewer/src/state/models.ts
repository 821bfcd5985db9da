/** The models that are open, and which toy model and which autoencoder the page is about. */
import { computed, signal } from '@preact/signals';
import type { Model, ModelKind } from '../data/model.ts';

/** All models that are open. */
export const models = signal<readonly Model[]>([]);
/** The id of the toy model in view. */
export const toyId = signal<string | undefined>(undefined);
/** The id of the autoencoder in view. */
export const saeId = signal<string | undefined>(undefined);
/** The id of the autoencoder that the one in view is compared with. */
export const otherId = signal<string | undefined>(undefined);

const find = (id: string | undefined, kind: ModelKind) =>
  models.value.find(model => model.id === id && model.kind === kind);

/** The toy model in view. */
export const toy = computed(() => find(toyId.value, 'toy-model'));
/** The autoencoder in view. */
export const sae = computed(() => find(saeId.value, 'sparse-autoencoder'));
/** The autoencoder that the one in view is compared with. */
export const other = computed(() => find(otherId.value, 'sparse-autoencoder'));

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

/** How the autoencoder in view stands to the toy model in view; 'alone' where one of them is missing. */
export const link = computed<Link>(() => {
  if (!toy.value || !sae.value) return 'alone';
  if (sae.value.inputSize !== toy.value.codeSize) return 'does not fit';
  if (sae.value.trainedOn === undefined) return 'fits';
  return sae.value.trainedOn === toy.value.sha256 ? 'trained on it' : 'trained on another';
});

/** The toy model whose directions are the truth for the autoencoder in view. */
export const truth = computed(() => (link.value === 'does not fit' ? undefined : toy.value));

/** `name`, with a number behind it where another open model has it already. */
export function freeName(name: string, id: string): string {
  const taken = new Set(models.value.filter(model => model.id !== id).map(model => model.name));
  if (!taken.has(name)) return name;
  for (let number = 2; ; number++) if (!taken.has(`${name} (${number})`)) return `${name} (${number})`;
}

/**
 * Adds a model, or replaces the open one of the same id. Where `show`, it comes into view together with the toy model
 * that it names.
 */
export function addModel(model: Model, show = true): void {
  const named = { ...model, name: freeName(model.name, model.id) };
  const known = models.value.some(({ id }) => id === model.id);
  models.value = known ? models.value.map(old => (old.id === model.id ? named : old)) : [...models.value, named];
  if (show) showModel(model.id);
}

/**
 * Brings an open model into view. A model of the other kind comes along where the file says that it belongs to this
 * one; otherwise the one in view stays.
 */
export function showModel(id: string): void {
  const model = models.value.find(candidate => candidate.id === id);
  if (!model) return;
  if (model.kind === 'toy-model') {
    toyId.value = id;
    const current = sae.value;
    const trained = models.value.find(
      candidate => candidate.kind === 'sparse-autoencoder' && candidate.trainedOn === model.sha256,
    );
    if (trained && current?.inputSize !== model.codeSize) saeId.value = trained.id;
    return;
  }
  saeId.value = id;
  if (otherId.value === id) otherId.value = undefined;
  const toys = models.value.filter(candidate => candidate.kind === 'toy-model');
  const named = toys.find(candidate => candidate.sha256 === model.trainedOn);
  const current = find(toyId.value, 'toy-model');
  if (named) toyId.value = named.id;
  else if (current?.codeSize !== model.inputSize) {
    toyId.value = toys.find(candidate => candidate.codeSize === model.inputSize)?.id;
  }
}
