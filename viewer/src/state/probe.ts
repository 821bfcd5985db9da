/** The probe: one input, run through the toy model and the autoencoder; latents may be pinned or ablated. */
import { computed, effect, signal } from '@preact/signals';
import type { Pin, ProbeRequest, ProbeResult } from '../workers/inference-api.ts';
import { inference } from '../workers/inference-client.ts';
import { sae, toy, truth } from './models.ts';
import { newestAnswer } from './newest-answer.ts';
import { density, oneSample, seed } from './rows.ts';

/** The input of the probe. */
export type ProbeInput = ProbeRequest['input'];

/** The input that the page shows. */
export const probeInput = signal<ProbeInput>({ type: 'features', values: new Float32Array(0) });
/** The latents that are held at a value, by index; a value of 0 is an ablation. */
export const pins = signal<ReadonlyMap<number, number>>(new Map());

/** Sets one entry of the input. */
export function setInput(index: number, value: number): void {
  const values = probeInput.value.values.slice();
  values[index] = value;
  probeInput.value = { ...probeInput.value, values };
}

/** Makes an activation vector the input, which goes straight into the autoencoder. */
export function setActivations(values: Float32Array): void {
  probeInput.value = { type: 'activations', values };
}

/** Holds a latent at `value`, or lets it go where that is undefined. */
export function setPin(latent: number, value: number | undefined): void {
  const next = new Map(pins.value);
  if (value === undefined) next.delete(latent);
  else next.set(latent, value);
  pins.value = next;
}

/** The ways to fill the input at once. */
export type Preset = 'one-hot' | 'all' | 'none' | 'random';

/** Fills the input: one feature (`hot`), all, none, or a random sparse sample of the page's density and seed. */
export function applyPreset(preset: Preset, hot = 0): void {
  const type = truth.value || !sae.value ? 'features' : 'activations';
  const width = type === 'features' ? (toy.value?.inputSize ?? 0) : (sae.value?.inputSize ?? 0);
  let values = new Float32Array(width);
  if (preset === 'one-hot' && width > 0) values[Math.min(hot, width - 1)] = 1;
  if (preset === 'all') values.fill(1);
  if (preset === 'random' && width > 0) values = new Float32Array(oneSample(width, density.value, seed.value));
  probeInput.value = { type, values };
}

// A new model in view gets an input of its own width; an input that fits stays.
effect(() => {
  const first = truth.value ?? (sae.value ? undefined : toy.value);
  const encoder = sae.value;
  const { type, values } = probeInput.peek();
  const fits =
    type === 'features'
      ? first !== undefined && values.length === first.inputSize
      : encoder !== undefined && values.length === encoder.inputSize;
  if (!fits) applyPreset('one-hot');
});

// Pins belong to one autoencoder, and are dropped when another comes into view.
let pinned: string | undefined;
effect(() => {
  const id = sae.value?.id;
  if (pinned !== undefined && id !== pinned) pins.value = new Map();
  pinned = id;
});

/** The request that the page's present state makes; undefined where there is nothing to run. */
const request = computed<ProbeRequest | undefined>(() => {
  const input = probeInput.value;
  const source = truth.value ?? (sae.value ? undefined : toy.value);
  const width = input.type === 'features' ? source?.inputSize : sae.value?.inputSize;
  if (input.values.length === 0 || input.values.length !== width) return undefined;
  const held: Pin[] = Array.from(pins.value, ([latent, value]) => ({ latent, value }));
  return { toy: source?.id, sae: sae.value?.runs ? sae.value.id : undefined, input, pins: held };
});

const { answer, isBusy } = newestAnswer(request, async to => (await inference()).probe(to), 'The probe could not run');

/**
 * The newest result for the models in view. While a slider moves it may be about the input of a moment ago; it is never
 * about another model.
 */
export const probeResult = computed<ProbeResult | undefined>(() => {
  const wanted = request.value;
  const got = answer.value;
  if (!wanted || !got) return undefined;
  const { toy: ofToy, sae: ofSae, input } = got.to;
  const same = ofToy === wanted.toy && ofSae === wanted.sae && input.type === wanted.input.type;
  return same ? got.result : undefined;
});

/**
 * Waits for the result of exactly the input that the page shows; undefined where there is nothing to run or the run
 * failed.
 */
export async function exactProbe(): Promise<ProbeResult | undefined> {
  while (request.value && answer.value?.to !== request.value && isBusy()) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return request.value && answer.value?.to === request.value ? answer.value.result : undefined;
}
