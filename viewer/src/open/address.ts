/**
 * Writes the state of the page into its address and reads it from there. A step to another view, model or latent adds
 * an entry to the browser's history; what a slider moves replaces the present one. A page opened from disk keeps its
 * state behind the #, the only part of its address that may change.
 */
import { batch, effect } from '@preact/signals';
import type { Model } from '../data/model.ts';
import { splicedText } from '../state/live-text.ts';
import { models, other, otherId, sae, saeId, showModel, toy, toyId } from '../state/models.ts';
import { isView, scene, view } from '../state/navigation.ts';
import { chosenDirections, showCloud, showLatents, showRegions, showTruth } from '../state/plane-state.ts';
import { playback } from '../state/playback.ts';
import { pins, probeInput } from '../state/probe.ts';
import { chosenDensity, seed } from '../state/rows.ts';
import { selectedFeature, selectedLatent, selectedRow } from '../state/selection.ts';
import { COLUMNS, densityRange, descending, firing, onlySaved, searched, sortBy } from '../state/table.ts';
import { followed, openAddress } from './addresses.ts';
import { openBundled } from './bundled-models.ts';
import { openKept } from './kept-models.ts';

/** The widest input that the address holds. */
const WIDEST_INPUT = 128;
/** The most models that one address may open. */
const MOST_MODELS = 8;

const isFile = location.protocol === 'file:';

const compact = (value: number): string => String(Number(value.toPrecision(5)));
const integer = (text: string | null): number | undefined =>
  text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
const numbers = (text: string | null): number[] | undefined => {
  const values = text?.split(',').map(Number);
  return values?.every(Number.isFinite) ? values : undefined;
};

/**
 * The name of a model in an address. Models from files are named by their hash, which only this browser can resolve.
 */
function nameOf({ source, sha256 }: Model): string {
  if (source.type === 'bundled') return source.id;
  if (source.type === 'url') return source.url;
  return `kept:${sha256.slice(0, 16)}`;
}

/** Whether somebody else's browser can open every model of the address. */
export function isShareable(): boolean {
  const local = isFile || /^(localhost|127\.|\[::1\])/.test(location.hostname);
  return !local && [toy.value, sae.value].every(model => !model || /^(bundled|url)$/.test(model.source.type));
}

const LAYERS = { cloud: showCloud, truth: showTruth, latents: showLatents, regions: showRegions } as const;

interface Addressed {
  readonly href: string;
  /** The part of the address that differs between one place and another. */
  readonly place: string;
}

function addressed(): Addressed {
  const query = new URLSearchParams();
  for (const model of [toy.value, sae.value]) if (model) query.append('model', nameOf(model));
  for (const name of followed.value) query.append('model', name);
  if (other.value) query.set('with', nameOf(other.value));
  query.set('view', view.value);
  if (view.value === 'story' && scene.value > 0) query.set('scene', String(scene.value + 1));
  if (selectedFeature.value !== undefined) query.set('feature', String(selectedFeature.value));
  if (selectedLatent.value !== undefined) query.set('latent', String(selectedLatent.value));
  if (selectedRow.value !== undefined) query.set('row', String(selectedRow.value));
  const place = query.toString();

  if (seed.value !== 0) query.set('seed', String(seed.value));
  if (chosenDensity.value !== undefined) query.set('density', compact(chosenDensity.value));
  if (playback.position.value < 1 && !playback.playing.value) query.set('position', compact(playback.position.value));
  const { type, values } = probeInput.value;
  if (values.length > 0 && values.length <= WIDEST_INPUT) query.set(type, Array.from(values, compact).join(','));
  if (pins.value.size > 0) query.set('pins', Array.from(pins.value, ([i, v]) => `${i}:${compact(v)}`).join(','));
  if (chosenDirections.value) query.set('axes', chosenDirections.value.join(','));
  const hidden = Object.entries(LAYERS).filter(([, layer]) => !layer.value);
  if (hidden.length > 0) query.set('hide', hidden.map(([name]) => name).join(','));
  if (sortBy.value !== 'latent' || descending.value) query.set('sort', `${descending.value ? '-' : ''}${sortBy.value}`);
  if (searched.value !== '') query.set('search', searched.value);
  if (densityRange.value) query.set('log-density', densityRange.value.map(compact).join(','));
  if (onlySaved.value) query.set('saved', '1');
  if (firing.value !== 'all') query.set('firing', firing.value);

  const address = new URL(location.href);
  const text = query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%2F', '/');
  address.search = isFile ? '' : text;
  address.hash = isFile ? `?${text}` : '';
  return { href: address.href, place };
}

/** The address of what the page shows now. */
export const currentAddress = (): string => addressed().href;

function currentQuery(): URLSearchParams {
  return new URLSearchParams(location.search || location.hash.replace(/^#\??/, ''));
}

async function openNamed(name: string): Promise<Model | undefined> {
  if (name.startsWith('kept:')) return openKept(name.slice('kept:'.length), false);
  const known = models.value.find(({ source }) => source.type === 'url' && source.url === name);
  if (known || followed.value.includes(name)) return known;
  return /[/.]/.test(name) ? openAddress(name, false) : openBundled(name, false);
}

let restoring = false;

/** Restores the state that an address describes. Parts that are unknown or damaged are left out. */
export async function restore(query: URLSearchParams = currentQuery()): Promise<void> {
  restoring = true;
  try {
    // A bundle is named by its folder; what is open in the page is named by the file that describes it.
    const folders = query.getAll('bundle').map(folder => `${folder.replace(/\/*$/, '/')}bundle.json`);
    const names = [...query.getAll('model'), ...folders].slice(0, MOST_MODELS);
    const opened: Model[] = [];
    for (const name of names) {
      const model = await openNamed(name);
      if (model) opened.push(model);
    }
    const second = query.get('with');
    const compared = second ? await openNamed(second) : undefined;
    batch(() => {
      for (const model of opened) showModel(model.id);
      // The models that the address names come into view, and not those that usually follow a model.
      const lastOf = (kind: Model['kind']) => opened.findLast(model => model.kind === kind)?.id;
      if (opened.length > 0) {
        toyId.value = lastOf('toy-model') ?? toyId.value;
        saeId.value = lastOf('sparse-autoencoder') ?? (lastOf('toy-model') && saeId.value);
      }
      otherId.value = compared?.id;
      const wanted = query.get('view');
      const about = sae.value && opened.some(({ kind }) => kind === 'sparse-autoencoder') ? 'overview' : 'toy';
      const first = opened.length > 0 ? about : splicedText.value ? 'text' : 'story';
      view.value = wanted && isView(wanted) ? wanted : first;
      scene.value = Math.max(0, (integer(query.get('scene')) ?? 1) - 1);
      restoreDetails(query);
    });
  } finally {
    restoring = false;
  }
}

function restoreDetails(query: URLSearchParams): void {
  seed.value = integer(query.get('seed')) ?? 0;
  const presence = Number(query.get('density') ?? Number.NaN);
  chosenDensity.value = presence > 0 && presence <= 1 ? presence : undefined;
  const position = Number(query.get('position') ?? Number.NaN);
  playback.pause();
  playback.position.value = position >= 0 && position < 1 ? position : 1;
  selectedFeature.value = integer(query.get('feature'));
  selectedLatent.value = integer(query.get('latent'));
  selectedRow.value = integer(query.get('row'));
  for (const type of ['features', 'activations'] as const) {
    const values = numbers(query.get(type));
    const width = type === 'features' ? toy.value?.inputSize : sae.value?.inputSize;
    if (values && values.length === width) probeInput.value = { type, values: Float32Array.from(values) };
  }
  const held = query
    .get('pins')
    ?.split(',')
    .map(text => text.split(':').map(Number));
  const isHeld = held?.every(pair => pair.length === 2 && pair.every(Number.isFinite));
  pins.value = new Map(isHeld ? (held as [number, number][]) : []);
  const axes = numbers(query.get('axes'));
  chosenDirections.value = axes?.length === 2 ? [axes[0]!, axes[1]!] : undefined;
  const hidden = new Set(query.get('hide')?.split(','));
  for (const [name, layer] of Object.entries(LAYERS)) layer.value = !hidden.has(name);
  const sort = query.get('sort') ?? 'latent';
  const column = COLUMNS.find(name => name === sort.replace(/^-/, ''));
  sortBy.value = column ?? 'latent';
  descending.value = column !== undefined && sort.startsWith('-');
  searched.value = query.get('search') ?? '';
  const range = numbers(query.get('log-density'));
  densityRange.value = range?.length === 2 ? [range[0]!, range[1]!] : undefined;
  onlySaved.value = query.get('saved') === '1';
  const fires = query.get('firing');
  firing.value = fires === 'fired' || fires === 'silent' ? fires : 'all';
}

/**
 * Keeps the address up to date: at once when the page goes to another place, and shortly after the last of any other
 * changes.
 */
export function followInAddress(): void {
  let timer = 0;
  let place = addressed().place;
  history.replaceState(null, '', currentAddress());
  effect(() => {
    const now = addressed();
    clearTimeout(timer);
    if (restoring) return;
    if (now.place !== place) {
      place = now.place;
      if (now.href !== location.href) history.pushState(null, '', now.href);
      return;
    }
    timer = window.setTimeout(() => {
      const { href } = addressed();
      if (href !== location.href) history.replaceState(null, '', href);
    }, 250);
  });
  addEventListener('popstate', () => {
    clearTimeout(timer);
    void restore().then(() => {
      place = addressed().place;
    });
  });
}
