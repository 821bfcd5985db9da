/** What is computed of a sample of activations before the first step: b_dec and the directions. */
import type { RandomState } from '../../data/random-source.ts';
import { restoreRandomSource } from '../../data/random-source.ts';
import { geometricMedian } from '../../models/geometric-median.ts';
import { type InitialDirectionsOptions, type Initialisation, initialDirections } from '../../models/initialisation.ts';
import type { HostTensor } from '../../tensor.ts';

/** Directions that are asked for, with the random source as plain data, so that another thread draws the same. */
export interface DirectionsRequest extends Omit<InitialDirectionsOptions, 'random'> {
  readonly kind: Initialisation;
  readonly random: RandomState;
}

/** Directions [d_sae, d_in], and where the random source stands then. */
export interface DrawnDirections {
  readonly directions: HostTensor;
  readonly random: RandomState;
}

/** Told how far it is, from 0 to 1. What it throws ends the work. */
export type OnShare = (share: number) => void;

/** Who computes it: this thread, or another. */
export interface StartWork {
  geometricMedian(points: HostTensor, onShare: OnShare): Promise<HostTensor>;
  directions(request: DirectionsRequest, onShare: OnShare): Promise<DrawnDirections>;
}

/** In the calling thread, which hears nothing meanwhile. */
export const startHere: StartWork = {
  async geometricMedian(points, onShare) {
    return geometricMedian(points, { onUpdate: (done, most) => onShare(done / most) });
  },
  async directions({ kind, random: state, ...options }) {
    const random = restoreRandomSource(state);
    return { directions: initialDirections(kind, { ...options, random }), random: random.state() };
  },
};
