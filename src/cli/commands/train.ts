/** `train toy` and `train sae`: the scripts' experiments, with their settings as options. */
import { Command } from 'commander';
import { type CommonOptions, type Experiment, runnable } from '../experiment/command.ts';
import { saeExperiment } from '../experiment/sae.ts';
import { toyModelExperiment } from '../experiment/toy-model.ts';
import type { Terminal } from '../terminal.ts';

/** Runs the experiment `what` with its own options `args`. */
export async function train(what: 'toy' | 'sae', args: readonly string[], terminal: Terminal): Promise<void> {
  const experiment = what === 'toy' ? toyModelExperiment('toy') : saeExperiment('sae');
  const command = runnable(experiment as Experiment<CommonOptions>, terminal);
  // The parent command only serves the usage line.
  new Command('monosemantic train').addCommand(command);
  await command.parseAsync(args, { from: 'user' });
}
