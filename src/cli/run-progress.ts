/** How far a long run is: rows a second and the time that is left, on one line of a terminal, or on a line now and then elsewhere. */
import type { Terminal } from './terminal.ts';

/** Seconds between two lines where nobody is looking. */
export const QUIET_SECONDS = 10;

/** The progress of a training on the terminal. */
export interface RunProgress {
  update(done: number, rows: number): void;
  stop(): void;
}

/** A time as people say it: `3 h 20 min`, `4 min 10 s`, `12 s`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours} h ${minutes} min` : minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/**
 * Shows how far a long run is, on stderr.
 * @param total the number of samples in all, where that is known
 * @param from the number of samples that were done before
 */
export function startRunProgress(total: number | undefined, from: number, { stderr, warn }: Terminal): RunProgress {
  const started = performance.now();
  let shown = started;
  let hasLine = false;
  return {
    update(done, rows) {
      const now = performance.now();
      if (now - shown < (stderr.isTTY ? 200 : 1000 * QUIET_SECONDS)) return;
      shown = now;
      const seconds = (now - started) / 1000;
      const share = total === undefined ? '' : ` of ${total}`;
      const left =
        total === undefined ? '' : `, ${duration(((total - done) * seconds) / Math.max(done - from, 1))} left`;
      const line = `${done}${share} samples, ${rows} rows, ${Math.round(rows / seconds)} rows/s${left}`;
      if (stderr.isTTY) {
        stderr.write(`\r\x1b[2K${line}`);
        hasLine = true;
      } else warn(line);
    },
    stop() {
      if (hasLine) stderr.write('\r\x1b[2K');
    },
  };
}
