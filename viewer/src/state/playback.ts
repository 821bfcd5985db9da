/** The playback of a history: a position that runs from the first snapshot to the last, by itself or by hand. */
import { type Signal, signal } from '@preact/signals';
import { sae, toy } from './models.ts';
import { reducedMotion } from './settings.ts';

/** The milliseconds that a whole history takes to play. */
export const DURATION = 4000;

/** A position in a history, and the means to play it. */
export interface Playback {
  /** The position: 0 at the first snapshot, 1 at the last. */
  readonly position: Signal<number>;
  readonly playing: Signal<boolean>;
  play(): void;
  pause(): void;
}

/** The milliseconds for which each snapshot is shown where the person asked for less motion. */
const STANDING = 400;

/**
 * Makes a playback that stands at the end. Where the person asked for less motion it shows one snapshot after another
 * without moving between them.
 * @param frames - Says how many snapshots there are.
 */
export function createPlayback(frames: () => number = () => 2): Playback {
  const position = signal(1);
  const playing = signal(false);
  let frame = 0;
  let timer = 0;

  const pause = (): void => {
    cancelAnimationFrame(frame);
    clearInterval(timer);
    playing.value = false;
  };
  const play = (): void => {
    pause();
    const from = position.value >= 1 ? 0 : position.value;
    position.value = from;
    playing.value = true;
    if (reducedMotion.value) {
      // A dozen snapshots are enough to see it.
      const last = Math.max(1, frames() - 1);
      const step = Math.max(1, Math.round(last / 12)) / last;
      timer = window.setInterval(() => {
        position.value = Math.min(1, position.value + step);
        if (position.value >= 1) pause();
      }, STANDING);
      return;
    }
    const start = performance.now() - from * DURATION;
    const tick = (now: number): void => {
      position.value = Math.min(1, Math.max(0, (now - start) / DURATION));
      if (position.value < 1) frame = requestAnimationFrame(tick);
      else playing.value = false;
    };
    frame = requestAnimationFrame(tick);
  };
  return { position, playing, play, pause };
}

/** The playback of the training view. */
export const playback = createPlayback(() => sae.value?.history?.steps.length ?? toy.value?.history?.steps.length ?? 2);
