/**
 * The map of latents: their directions along the first two principal components, for spaces of too many dimensions for
 * the plane.
 */
import { computed, signal } from '@preact/signals';
import { analysis } from '../workers/analysis-client.ts';
import { sae } from './models.ts';
import { view } from './navigation.ts';
import { isFlat } from './plane-state.ts';
import { resource } from './resource.ts';
import { statistics } from './statistics.ts';

/** What the dots of the map may be coloured by. */
export type MapColour = 'density' | 'alignment';

/** The person's choice of what the dots are coloured by. */
export const mapColour = signal<MapColour>('density');

/** Where the latents of the autoencoder in view lie on the map. */
export const latentMap = resource(
  'The map could not be drawn',
  () => {
    const model = sae.value;
    return model?.runs ? { about: model.id, once: true, ask: () => analysis().map(model.id) } : undefined;
  },
  () => view.value === 'plane' && !isFlat.value,
);

/** The values that colour the dots, and what they are. */
export interface MapColours {
  readonly colour: MapColour;
  readonly title: string;
  readonly from: number;
  readonly to: number;
  /** One value for each latent; NaN where there is none. */
  readonly values: Float32Array;
}

/** The values that colour the dots: those that the person chose where they are known, else those that are. */
export const mapValues = computed<MapColours | undefined>(() => {
  const cosines = sae.value?.geometry?.encoderCosines;
  const summary = statistics.value;
  const wanted =
    mapColour.value === 'density' ? (summary ? 'density' : 'alignment') : cosines ? 'alignment' : 'density';
  if (wanted === 'alignment') {
    if (!cosines) return undefined;
    return { colour: 'alignment', title: 'cosine of encoder and decoder', from: 0, to: 1, values: cosines };
  }
  if (!summary) return undefined;
  const values = summary.density.map(share => (share > 0 ? Math.log10(share) : Number.NaN));
  let [lowest, highest] = [0, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  return { colour: 'density', title: 'log₁₀ density', from: lowest, to: Math.min(0, highest), values };
});
