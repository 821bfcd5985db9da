/** Playing a history: a position that runs from the first frame to the last, by itself or by hand. */
import { type Signal, signal } from '@preact/signals';
import { reducedMotion } from './settings.ts';

/** A whole history plays in this many milliseconds. */
export const DURATION = 4000;

export interface Playback {
  /** 0 at the first frame, 1 at the last. */
  readonly position: Signal<number>;
  readonly playing: Signal<boolean>;
  play(): void;
  pause(): void;
}

/** A playback that stands at its end. Where the person asked for less motion, `play` moves there at once. */
export function createPlayback(): Playback {
  const position = signal(1);
  const playing = signal(false);
  let frame = 0;

  const pause = (): void => {
    cancelAnimationFrame(frame);
    playing.value = false;
  };
  const play = (): void => {
    pause();
    if (reducedMotion.value) {
      position.value = 1;
      return;
    }
    const from = position.value >= 1 ? 0 : position.value;
    const start = performance.now() - from * DURATION;
    playing.value = true;
    const tick = (now: number): void => {
      position.value = Math.min(1, Math.max(0, (now - start) / DURATION));
      if (position.value < 1) frame = requestAnimationFrame(tick);
      else playing.value = false;
    };
    position.value = from;
    frame = requestAnimationFrame(tick);
  };
  return { position, playing, play, pause };
}

/** Playback of the history in the plane and training views. */
export const playback = createPlayback();
