/**
 * V8 lets some 64 MiB of dead buffers and strings lie before it looks at them, which is more than the batches of a command hold together: its memory
 * would grow with the file up to there. Commands collect them earlier. A command has its process to itself; a library would not do this.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Growth that is left alone, in bytes. */
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
