/** `npm run experiments`: runs every experiment at its real settings, then rebuilds models/ and the README's figures. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { runProcess } from '../src/cli/main.ts';
import { positiveInteger } from '../src/cli/options.ts';
import { prepareCommand } from '../src/cli/prepare-command.ts';
import { durationsOf, publish } from '../src/experiments/publish.ts';
import { EXPERIMENTS, PUBLICATION } from './experiments/list.ts';
import { runScript } from './experiments/run-script.ts';

const folders = { runs: 'runs', models: 'models', figures: join('docs', 'figures') };
const names = EXPERIMENTS.map(({ name }) => name);

interface Options {
  readonly jobs: number;
  readonly only?: readonly string[];
  readonly resume?: boolean;
  readonly run: boolean;
}

const command = new Command('experiments')
  .description('Runs all experiments into runs/, then rebuilds models/ and docs/figures/ from them.')
  .option('--jobs <n>', 'experiments at a time', positiveInteger, availableParallelism())
  .addOption(new Option('--only <name...>', 'run these alone, and keep what is in runs/ of the others').choices(names))
  .option('--resume', 'go on from the checkpoints of an earlier call')
  .option('--no-run', 'only rebuild models/ and docs/figures/ from runs/')
  .option('--debug', 'print the stack below an error');

await runProcess(terminal =>
  prepareCommand(command, terminal).action(async ({ jobs, only = names, resume, run }: Options) => {
    for (const stage of run ? [1, 2] : []) {
      const queue = EXPERIMENTS.filter(experiment => experiment.stage === stage && only.includes(experiment.name));
      const work = async (): Promise<void> => {
        for (let next = queue.shift(); next; next = queue.shift()) {
          const resumes = resume && existsSync(join(folders.runs, next.name));
          await runScript(next, [...next.args, resumes ? '--resume' : '--overwrite'], terminal);
        }
      };
      await Promise.all(Array.from({ length: jobs }, work));
      // The studies of the second stage read the toy models of the first in models/.
      if (stage === 1) await publish(PUBLICATION, folders, {});
    }
    await publish(PUBLICATION, folders, await durationsOf(folders.runs, names));
    terminal.print(`${folders.models}/ and ${folders.figures}/ are rebuilt`);
  }),
);
