/** A bar on stderr for long work, where a person is looking; nothing in a pipe, a log or a test. */
import { SingleBar } from 'cli-progress';
import type { Terminal } from './terminal.ts';

/** A bar that shows how far a command is. */
export interface Progress {
  advance(by: number): void;
  stop(): void;
}

/** Starts a bar that is full at `total` `unit`s. */
export function startProgress(total: number, unit: string, { stderr }: Terminal): Progress {
  if (!stderr.isTTY) return { advance() {}, stop() {} };
  const bar = new SingleBar({
    stream: stderr as NodeJS.WritableStream,
    format: `{bar} {percentage}% of {total} ${unit}, {eta_formatted} left`,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, 0);
  return { advance: by => bar.increment(by), stop: () => bar.stop() };
}
