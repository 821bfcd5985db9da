/** The text page: which spliced model is open, what was typed, what is added to latents, and what the model makes of it. */
import { computed, signal } from '@preact/signals';
import type { SplicedText, TextRequest } from '../data/live-text.ts';
import { inference } from '../workers/inference-client.ts';
import { newestAnswer } from './newest-answer.ts';

export const splicedText = signal<SplicedText | undefined>(undefined);
/** Name of the tokenizer's file; undefined where none is open. */
export const tokenizerName = signal<string | undefined>(undefined);
export const typedText = signal('');
/** What is added to latents at every token, by latent. */
export const addedToLatents = signal<ReadonlyMap<number, number>>(new Map());
/** The token that is looked at; undefined is the last. */
export const chosenToken = signal<number | undefined>(undefined);
/** The latent that colours the text; undefined colours each token by its strongest. */
export const colouringLatent = signal<number | undefined>(undefined);

/** Adds to a latent at every token, or nothing any more where `value` is 0. */
export function addToLatent(latent: number, value: number): void {
  const next = new Map(addedToLatents.value);
  if (value === 0) next.delete(latent);
  else next.set(latent, value);
  addedToLatents.value = next;
}

/** Brings a spliced model into view. */
export function showSplicedText(model: SplicedText): void {
  addedToLatents.value = new Map();
  chosenToken.value = undefined;
  colouringLatent.value = undefined;
  splicedText.value = model;
}

const request = computed<TextRequest | undefined>(() => {
  const model = splicedText.value;
  // A tokenizer that was opened later reads the same text anew.
  void tokenizerName.value;
  if (!model || typedText.value.trim() === '') return undefined;
  const added = Array.from(addedToLatents.value, ([latent, value]) => ({ latent, value }));
  return { model: model.id, text: typedText.value, added };
});

const { answer } = newestAnswer(request, async to => (await inference()).readText(to), 'The text could not be read');

/** What the model in view made of the text, perhaps of the text a moment ago; never another model's. */
export const textReading = computed(() => {
  const wanted = request.value;
  const got = answer.value;
  return wanted && got?.to.model === wanted.model ? got.result : undefined;
});

/** The token that is looked at, as far as there is one. */
export const tokenInView = computed(() => {
  const count = textReading.value?.tokens.length ?? 0;
  const chosen = chosenToken.value ?? count - 1;
  return count === 0 ? undefined : Math.min(chosen, count - 1);
});
