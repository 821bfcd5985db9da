/** Runs command lines in this process, with streams of their own, and reads what they printed. */
import { Readable, Writable } from 'node:stream';

// Imported late: mocha loads test files as CommonJS, and commands would then get a second copy of every module.
const command = import('../../src/cli/main.ts');

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** Runs `monosemantic ...args` with `stdin` as its standard input. */
export async function runCommand(
  args: readonly string[],
  { stdin = '', signal }: { readonly stdin?: string | Uint8Array; readonly signal?: AbortSignal } = {},
): Promise<CommandResult> {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const streams = { stdin: Readable.from([Buffer.from(stdin)]), stdout, stderr };
  const { main } = await command;
  const status = await main(args, { streams, ...(signal && { signal }) });
  return { status, stdout: stdout.text, stderr: stderr.text };
}
