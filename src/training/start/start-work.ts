/** What is computed from a sample of activations before the first step: b_dec and the directions. */
import type { RandomState } from '../../data/random-source.ts';
import { restoreRandomSource } from '../../data/random-source.ts';
import { geometricMedian } from '../../models/geometric-median.ts';
import { type InitialDirectionsOptions, type Initialisation, initialDirections } from '../../models/initialisation.ts';
import type { HostTensor } from '../../tensor.ts';

/** A request for directions, with the random source as plain data, so that another thread draws the same. */
export interface DirectionsRequest extends Omit<InitialDirectionsOptions, 'random'> {
  readonly kind: Initialisation;
  readonly random: RandomState;
}

/** Directions [d_sae, d_in], and the state of the random source after them. */
export interface DrawnDirections {
  readonly directions: HostTensor;
  readonly random: RandomState;
}

/** Called with the share that is done, from 0 to 1. What it throws ends the work. */
export type OnShare = (share: number) => void;

/** What computes a start: this thread, or another one. */
export interface StartWork {
  geometricMedian(points: HostTensor, onShare: OnShare): Promise<HostTensor>;
  directions(request: DirectionsRequest, onShare: OnShare): Promise<DrawnDirections>;
}

/** Computes in the calling thread, which is blocked meanwhile. */
export const startHere: StartWork = {
  async geometricMedian(points, onShare) {
    return geometricMedian(points, { onUpdate: (done, most) => onShare(done / most) });
  },
  async directions({ kind, random: state, ...options }) {
    const random = restoreRandomSource(state);
    return { directions: initialDirections(kind, { ...options, random }), random: random.state() };
  },
};
