/**
 * Collects dead buffers and strings. V8 lets some 64 MiB of them accumulate before it does so, which is more than the
 * batches of a command hold together: memory would grow with the file up to there. A command has its process to itself;
 * a library would not do this.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** The growth in bytes below which nothing is collected. */
const SLACK = 2 ** 24;

let collect: (() => void) | undefined;
let settled = 0;

/** Collects dead buffers and strings where they may have grown to more than 16 MiB since the last time. */
export function collectBuffers(): void {
  if (held() < settled + SLACK) return;
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  settled = held();
}

/** Bytes of buffers and of JavaScript's own heap, dead ones included. */
function held(): number {
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}
