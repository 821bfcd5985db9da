/** An experiment's command line, run in this process. */
import { PassThrough, Readable, Writable } from 'node:stream';
import { runnable } from '../../src/cli/experiment/command.ts';
import { saeExperiment } from '../../src/cli/experiment/sae.ts';
import { toyModelExperiment } from '../../src/cli/experiment/toy-model.ts';
import { main } from '../../src/cli/main.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

const commands = {
  toy: (terminal: Terminal) => runnable(toyModelExperiment('toy'), terminal),
  sae: (terminal: Terminal) => runnable(saeExperiment('sae'), terminal),
};

/** Its exit status, and the lines that it wrote on stderr. */
export async function runCommand(
  name: keyof typeof commands,
  ...args: readonly string[]
): Promise<{ readonly status: number; readonly lines: readonly string[] }> {
  const chunks: string[] = [];
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString());
      done();
    },
  });
  const streams = { stdin: Readable.from([]), stdout: new PassThrough().resume(), stderr };
  const status = await main(args, { streams, build: commands[name] });
  return { status, lines: chunks.join('').trim().split('\n') };
}
