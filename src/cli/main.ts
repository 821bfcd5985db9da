/**
 * Runs command lines: parses, calls, and turns whatever goes wrong into one line and an exit status. `program.ts` holds
 * the options, `commands/` the work; each command is imported when it is asked for, so that `--help` answers at once.
 */
import { type Command, CommanderError } from 'commander';
import { FileWriteError } from '../errors.ts';
import { describeFailure, exitStatusOf, InterruptedError } from './failure.ts';
import { buildProgram } from './program.ts';
import { createTerminal, type Streams, type Terminal } from './terminal.ts';

/** What `main` takes from the process that it runs in. */
export interface MainOptions {
  /** The standard streams. Default: the process's own. */
  readonly streams?: Streams;
  /** Aborting interrupts long work, which then leaves no half-written file. */
  readonly signal?: AbortSignal;
  /** The command to run. Default: the whole program. */
  readonly build?: (terminal: Terminal) => Command;
}

/**
 * Runs one command line (without `node` and the script) and gives its exit status: 0 done, 1 it failed, 2 wrong usage, 130 interrupted.
 * Nothing is thrown.
 */
export async function main(args: readonly string[], options: MainOptions = {}): Promise<number> {
  const { streams = process, signal, build = buildProgram } = options;
  const terminal = createTerminal(streams, signal);
  try {
    await build(terminal).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Without a command, the help that was printed says all.
    if (!isBareCall(error)) terminal.warn(describeFailure(error, args.includes('--debug')));
    return exitStatusOf(error);
  }
}

function isBareCall(error: unknown): boolean {
  return error instanceof CommanderError && error.code === 'commander.help';
}

/** Runs the process's own command line, and sets its exit status: what `bin/` and the scripts of experiments start. */
export async function runProcess(build?: MainOptions['build']): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (): void => {
    // The second Ctrl-C does not wait.
    if (interruption.signal.aborted) process.exit(130);
    if (process.stderr.isTTY) process.stderr.write('\nstopping; Ctrl-C again ends at once\n');
    interruption.abort(new InterruptedError('interrupted'));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  // A reader such as `head` that has seen enough is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`${describeFailure(new FileWriteError('standard output', error), false)}\n`);
    process.exit(1);
  });
  process.exitCode = await main(process.argv.slice(2), { signal: interruption.signal, ...(build && { build }) });
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
}
