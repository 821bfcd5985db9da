/**
 * The state of the text page: the spliced model that is open, the text, what is added to latents, and the model's
 * answer.
 */
import { computed, signal } from '@preact/signals';
import type { SplicedText, TextRequest } from '../data/live-text.ts';
import { inference } from '../workers/inference-client.ts';
import { newestAnswer } from './newest-answer.ts';

/** The spliced model that is open; undefined while there is none. */
export const splicedText = signal<SplicedText | undefined>(undefined);
/** The name of the tokenizer's file; undefined while none is open. */
export const tokenizerName = signal<string | undefined>(undefined);
/** The text that the person typed. */
export const typedText = signal('');
/** The values that are added to latents at every token, by latent. */
export const addedToLatents = signal<ReadonlyMap<number, number>>(new Map());
/** The index of the token that the page describes; undefined stands for the last one. */
export const chosenToken = signal<number | undefined>(undefined);
/**
 * The latent by whose activation tokens are coloured; where undefined, each token is coloured by its strongest latent.
 */
export const colouringLatent = signal<number | undefined>(undefined);

/** Adds `value` to a latent at every token; 0 ends the addition. */
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
  // Reading the tokenizer's name makes a new tokenizer ask for the same text again.
  void tokenizerName.value;
  if (!model || typedText.value.trim() === '') return undefined;
  const added = Array.from(addedToLatents.value, ([latent, value]) => ({ latent, value }));
  return { model: model.id, text: typedText.value, added };
});

const { answer } = newestAnswer(request, async to => (await inference()).readText(to), 'The text could not be read');

/** The answer of the model in view. It may be about the text of a moment ago, but is never another model's. */
export const textReading = computed(() => {
  const wanted = request.value;
  const got = answer.value;
  return wanted && got?.to.model === wanted.model ? got.result : undefined;
});

/** The index of the token that the page describes; undefined where the text has none. */
export const tokenInView = computed(() => {
  const count = textReading.value?.tokens.length ?? 0;
  const chosen = chosenToken.value ?? count - 1;
  return count === 0 ? undefined : Math.min(chosen, count - 1);
});
