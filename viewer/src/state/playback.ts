/** Playing a history: a position that runs from the first frame to the last, by itself or by hand. */
import { type Signal, signal } from '@preact/signals';
import type { History } from './models.ts';
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

export interface Frame {
  /** Index of the last snapshot at or before the position. */
  readonly index: number;
  readonly step: number;
  readonly loss: number;
  /** Between snapshots, drawn on the straight line from one to the next. */
  readonly directions: readonly (readonly number[])[];
}

/** The state of a history at a position between 0 and 1. */
export function frameAt(history: History, position: number): Frame {
  const last = history.steps.length - 1;
  const at = Math.min(last, Math.max(0, position * last));
  const index = Math.floor(at + 1e-9);
  const next = Math.min(last, index + 1);
  const part = at - index;
  const mix = (a: number, b: number): number => a + (b - a) * Math.max(0, part);
  const before = history.directions[index]!;
  const after = history.directions[next]!;
  return {
    index,
    step: Math.round(mix(history.steps[index]!, history.steps[next]!)),
    loss: mix(history.loss[index]!, history.loss[next]!),
    directions: before.map((row, i) => row.map((value, j) => mix(value, after[i]![j]!))),
  };
}
