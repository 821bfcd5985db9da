/** The streams of a command: results go to stdout, everything for people besides to stderr. */
import type { Readable, Writable } from 'node:stream';
import { FileWriteError } from '../errors.ts';
import { printable } from '../wording.ts';
import { InterruptedError } from './failure.ts';

/** The three standard streams: the process's own, or a test's. */
export interface Streams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** The streams of a command, and the signal that ends it. */
export interface Terminal {
  readonly stdin: Readable;
  readonly stderr: Streams['stderr'];
  /** Aborted when the person wants the command to end. */
  readonly signal: AbortSignal | undefined;
  /** Prints a line on stdout. Control characters, which names in a file may have, are escaped. */
  print(line: string): void;
  /** Writes text to stdout unchanged; waits where the reader is slow. */
  write(text: string): Promise<void>;
  /** Prints a line on stderr, escaped as in `print`. */
  warn(line: string): void;
  /**
   * Checks whether the person wants the command to end.
   * @throws InterruptedError where that is so
   */
  checkInterruption(): void;
}

/** Makes the terminal that commands report to from three streams. */
export function createTerminal({ stdin, stdout, stderr }: Streams, signal?: AbortSignal): Terminal {
  return {
    stdin,
    stderr,
    signal,
    print: line => void stdout.write(`${printable(line)}\n`),
    write: text =>
      new Promise((done, failed) => {
        stdout.write(text, error => (error ? failed(new FileWriteError('standard output', error)) : done()));
      }),
    warn: line => void stderr.write(`${printable(line)}\n`),
    checkInterruption() {
      if (signal?.aborted) throw new InterruptedError('interrupted');
    },
  };
}

/** Reads standard input to its end. */
export async function readStdin({ stdin }: Terminal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}
