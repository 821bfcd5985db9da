/** Programs that a set-up runs, and the error that it ends with. */
import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';

/** An error that the person who runs a set-up can do something about. It is printed without a stack. */
export class SetupError extends Error {}

/** Runs `main`; prints a SetupError after the command's name and ends with status 1. */
export async function runSetup(name: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}

/**
 * Runs a command to its end.
 *
 * @returns what it printed, trimmed.
 * @throws SetupError with the last lines of its standard error, where it cannot be started or its status is not 0.
 */
export async function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let printed = '';
  let complaint = '';
  child.stdout?.on('data', chunk => (printed += chunk));
  child.stderr?.on('data', chunk => (complaint += chunk));
  const [code, signal] = await once(child, 'close').catch((cause: Error) => [cause.message]);
  if (code === 0) return printed.trim();
  const lastWords = complaint.trim().split('\n').slice(-5).join('\n    ');
  throw new SetupError(`${basename(command)} failed (${signal ?? code})${lastWords && `:\n    ${lastWords}`}`);
}

/** Whether `command` cannot be run with `args`. */
export async function lacks(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args, { stdio: 'ignore' }).then(
    () => false,
    () => true,
  );
}
