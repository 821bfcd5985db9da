/** Where a command reads from and writes to: results on stdout, everything for people beside it on stderr. */
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

export interface Terminal {
  readonly stdin: Readable;
  readonly stderr: Streams['stderr'];
  /** Aborted where the person wants the command to end. */
  readonly signal: AbortSignal | undefined;
  /** A line on stdout. Control characters, which names in a file may have, are escaped. */
  print(line: string): void;
  /** Text on stdout as it is; waits where the reader is slow. */
  write(text: string): Promise<void>;
  /** A line on stderr, as `print`. */
  warn(line: string): void;
  /** InterruptedError where the person wants the command to end. */
  checkInterruption(): void;
}

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

/** All bytes of stdin. */
export async function readStdin({ stdin }: Terminal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}
