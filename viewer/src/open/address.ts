/** The state in the address: models that an address can name, view, inputs, seed, selection, position. */
import { effect } from '@preact/signals';
import type { Model } from '../data/model.ts';
import { models, sae, showModel, toy } from '../state/models.ts';
import { isView, view } from '../state/navigation.ts';
import { playback } from '../state/playback.ts';
import { pins, probeInput } from '../state/probe.ts';
import { chosenDensity, seed } from '../state/samples.ts';
import { selectedFeature, selectedLatent } from '../state/selection.ts';
import { openAddress, openBundled } from './open-models.ts';

/** Inputs wider than this stay out of the address. */
const WIDEST_INPUT = 128;

const compact = (value: number): string => String(Number(value.toPrecision(5)));
const integer = (text: string | null): number | undefined =>
  text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined;

function nameOf(model: Model | undefined): string | undefined {
  if (model?.source.type === 'bundled') return model.source.id;
  if (model?.source.type === 'url') return model.source.url;
  return undefined;
}

/** The address of what the page shows now. Models from files are not in it: nothing is uploaded. */
export function currentAddress(): string {
  const query = new URLSearchParams();
  for (const model of [toy.value, sae.value]) {
    const name = nameOf(model);
    if (name !== undefined) query.append('model', name);
  }
  query.set('view', view.value);
  if (seed.value !== 0) query.set('seed', String(seed.value));
  if (chosenDensity.value !== undefined) query.set('density', compact(chosenDensity.value));
  if (selectedFeature.value !== undefined) query.set('feature', String(selectedFeature.value));
  if (selectedLatent.value !== undefined) query.set('latent', String(selectedLatent.value));
  if (playback.position.value < 1 && !playback.playing.value) query.set('position', compact(playback.position.value));
  const { type, values } = probeInput.value;
  if (values.length > 0 && values.length <= WIDEST_INPUT) query.set(type, Array.from(values, compact).join(','));
  if (pins.value.size > 0) query.set('pins', Array.from(pins.value, ([i, v]) => `${i}:${compact(v)}`).join(','));
  const address = new URL(location.href);
  address.search = query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
  address.hash = '';
  return address.href;
}

/** Restores what the address says; unknown or damaged parts are left out. */
export async function restoreFromAddress(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const wanted = query.get('view');
  const names = query.getAll('model').slice(0, 8);
  if (wanted && isView(wanted)) view.value = wanted;
  else if (names.length > 0) view.value = 'plane';
  seed.value = integer(query.get('seed')) ?? seed.value;
  const presence = Number(query.get('density') ?? Number.NaN);
  if (presence > 0 && presence <= 1) chosenDensity.value = presence;
  const position = Number(query.get('position') ?? Number.NaN);
  if (position >= 0 && position < 1) playback.position.value = position;

  const opened: Model[] = [];
  for (const name of names) {
    const model = await (/[/.]/.test(name) ? openAddress(name) : openBundled(name));
    if (model) opened.push(model);
  }
  for (const model of opened) showModel(model.id);

  selectedFeature.value = integer(query.get('feature'));
  selectedLatent.value = integer(query.get('latent'));
  for (const type of ['features', 'activations'] as const) {
    const values = query.get(type)?.split(',').map(Number);
    if (!values?.every(Number.isFinite)) continue;
    const width = type === 'features' ? toy.value?.inputSize : sae.value?.inputSize;
    if (values.length === width) probeInput.value = { type, values: Float32Array.from(values) };
  }
  const held = query
    .get('pins')
    ?.split(',')
    .map(text => text.split(':').map(Number));
  if (held?.every(pair => pair.length === 2 && pair.every(Number.isFinite)))
    pins.value = new Map(held as [number, number][]);
}

/** Keeps the address in step with the page, a moment after the last change. */
export function followInAddress(): void {
  let timer = 0;
  effect(() => {
    const address = currentAddress();
    void models.value;
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      if (location.protocol !== 'file:' && address !== location.href) history.replaceState(null, '', address);
    }, 250);
  });
}
