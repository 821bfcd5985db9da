/** Play, pause, and a slider over a history; arrow keys move by one snapshot. */
import type { Playback } from '../state/playback.ts';
import { Slider } from './slider.tsx';

interface TransportProps {
  readonly playback: Playback;
  /** How many snapshots the history has. */
  readonly frames: number;
  /** The training step of the snapshot that is shown. */
  readonly step: number;
}

/** The controls of `playback`: a button that plays or pauses, the slider, and the step that is shown. */
export function Transport({ playback, frames, step }: TransportProps) {
  const { position, playing } = playback;
  const label = playing.value ? 'Pause' : 'Play';
  return (
    <div class="transport">
      <button
        type="button"
        class="button primary"
        style={{ minWidth: '84px' }}
        onClick={() => (playing.value ? playback.pause() : playback.play())}
      >
        <svg width="11" height="12" viewBox="0 0 11 12" fill="currentColor" aria-hidden="true">
          {playing.value ? <path d="M0 0h4v12H0zM7 0h4v12H7z" /> : <path d="M0 0l11 6-11 6z" />}
        </svg>
        {label}
      </button>
      <Slider
        label="Snapshot"
        value={position.value * (frames - 1)}
        max={frames - 1}
        step={1}
        valueText={`Step ${step}`}
        onInput={value => {
          playback.pause();
          position.value = value / (frames - 1);
        }}
      />
      <span class="number">step {step.toLocaleString('en')}</span>
    </div>
  );
}
