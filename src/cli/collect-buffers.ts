/**
 * V8 lets some 64 MiB of dead buffers lie before it looks at them, which is more than the batches of a command hold together: its memory
 * would grow with the file up to there. Commands collect them earlier. A command has its process to itself; a library would not do this.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Growth that is left alone, in bytes. */
const SLACK = 2 ** 23;

let collect: (() => void) | undefined;
let settled = 0;

/** Collects dead buffers where they may have grown to more than 8 MiB since the last time. */
export function collectBuffers(): void {
  if (process.memoryUsage().external < settled + SLACK) return;
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  settled = process.memoryUsage().external;
}
