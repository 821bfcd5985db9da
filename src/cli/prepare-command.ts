/** Sets how every command behaves, in the program and in scripts. */
import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/**
 * Sends help to the terminal, leaves errors to `main` (which prints one line), and keeps both from ending the process.
 */
export function prepareCommand(command: Command, terminal: Terminal): Command {
  return command
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      writeOut: text => terminal.print(text.trimEnd()),
      writeErr: text => terminal.warn(text.trimEnd()),
      outputError: () => {},
    });
}
