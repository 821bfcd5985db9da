/** Shows how a training goes: a bar and its numbers on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';
import type { Progress } from '../training/train.ts';
import { duration, QUIET_SECONDS } from './run-progress.ts';
import type { Terminal } from './terminal.ts';

/** Milliseconds between two lines where nobody is looking. */
const QUIET = 1000 * QUIET_SECONDS;

/**
 * Shows how a training of `total` steps goes, on stderr: as a bar where that is a terminal, otherwise as a line every
 * ten seconds.
 * @returns a function for the trainer's option `onProgress`; it can begin at any step
 */
export function showTraining(label: string, total: number, terminal: Terminal): (progress: Progress) => void {
  return terminal.stderr.isTTY ? bar(label, total, terminal) : lines(label, terminal);
}

function bar(label: string, total: number, { stderr }: Terminal): (progress: Progress) => void {
  const shown = new SingleBar({
    stream: stderr as NodeJS.WritableStream,
    format: `${label.padEnd(20)} {bar} {value}/{total} | {numbers}`,
    barsize: 16,
    hideCursor: true,
    clearOnComplete: false,
  });
  let started = false;
  return progress => {
    const { step, steps } = progress;
    const numbers = describeProgress(progress);
    if (!started) shown.start(total, step, { numbers });
    started = true;
    shown.update(step, { numbers });
    if (step >= steps) shown.stop();
  };
}

function lines(label: string, { warn }: Terminal): (progress: Progress) => void {
  let last = performance.now();
  return progress => {
    const now = performance.now();
    if (now - last < QUIET) return;
    last = now;
    warn(`${label}: step ${progress.step} of ${progress.steps}, ${describeProgress(progress)}`);
  };
}

/**
 * The loss and its terms, L0, explained variance, dead latents, pace and time left; numbers that are not counted are
 * left out.
 */
export function describeProgress(progress: Progress): string {
  const { loss, losses, l0, explained_variance, dead, rowsPerSecond, secondsLeft } = progress;
  const terms = Object.entries(losses);
  const named = terms.map(([name, value]) => `${name} ${value.toExponential(2)}`).join(' + ');
  return [
    `loss ${loss.toExponential(2)}${terms.length > 1 ? ` (${named})` : ''}`,
    ...(l0 === undefined ? [] : [`L0 ${l0.toFixed(1)}`]),
    ...(explained_variance === undefined ? [] : [`EV ${explained_variance?.toFixed(3) ?? 'undefined'}`]),
    ...(dead === undefined ? [] : [`${Math.round(dead)} dead`]),
    `${Math.round(rowsPerSecond).toLocaleString('en')} rows/s`,
    `${duration(secondsLeft)} left`,
  ].join(', ');
}
