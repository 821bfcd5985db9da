/** One experiment as a process of its own: several then share the machine's cores, and each has all the memory it wants. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Terminal } from '../../src/cli/terminal.ts';
import type { ListedExperiment } from './list.ts';

/** Runs an experiment's script through tsx and prints its lines under `name`. Rejects where it fails, with its last words on stderr. */
export function runScript(
  { name, script }: ListedExperiment,
  args: readonly string[],
  { print, signal }: Terminal,
): Promise<void> {
  print(`${name}: begins`);
  // A Ctrl-C at a terminal reaches the children too; `signal` is for those that it does not reach.
  const child = spawn(process.execPath, ['--import=tsx', script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal, killSignal: 'SIGINT' as const }),
  });
  const lastWords: string[] = [];
  createInterface({ input: child.stdout }).on('line', line => print(`${name}: ${line}`));
  createInterface({ input: child.stderr }).on('line', line => lastWords.push(line));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', status => {
      if (status === 0) resolve();
      else reject(new Error(`${name} ended with status ${status}: ${lastWords.slice(-3).join('; ')}`));
    });
  });
}
