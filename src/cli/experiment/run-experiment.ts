/** An experiment as a script of its own. */
import type { Command } from 'commander';
import { runProcess } from '../main.ts';
import { type CommonOptions, type Experiment, runnable } from './command.ts';

/** Parses the process's command line, runs `run`, and sets the exit status: 0 done, 1 it failed, 2 wrong usage, 130 stopped. */
export function runExperiment<Options extends CommonOptions>(
  command: Command,
  run: Experiment<Options>['run'],
): Promise<void> {
  return runProcess(terminal => runnable({ command, run }, terminal));
}
