/** How every command behaves, ours and those of scripts. */
import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/** Where help goes, that `main` prints errors (in one line), and that neither ends the process. */
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
