/**
 * `npx tsx scripts/study.ts recovery|sae-big|sparsity`: runs the sweep of examples/plans/NAME.json, and draws the
 * figures that the README shows of it.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { sweep } from '../src/cli/experiment/sweep.ts';
import { runProcess } from '../src/cli/main.ts';
import { positiveInteger } from '../src/cli/options.ts';
import { prepareCommand } from '../src/cli/prepare-command.ts';
import { writeJson } from '../src/experiments/run-files.ts';
import { RUN_RECORD } from '../src/experiments/run-folder.ts';
import { checkPlan } from '../src/sweeps/plan.ts';
import { writeReport } from '../src/sweeps/report.ts';
import { drawRecovery } from './studies/recovery.ts';
import { drawSaeBig } from './studies/sae-big.ts';
import { drawSparsity } from './studies/sparsity.ts';
import type { Study } from './studies/study.ts';

const STUDIES: Readonly<Record<string, Study>> = {
  recovery: drawRecovery,
  'sae-big': drawSaeBig,
  sparsity: drawSparsity,
};

interface Options {
  readonly out?: string;
  readonly threads?: number;
  readonly overwrite?: boolean;
  readonly resume?: boolean;
}

const command = new Command('study')
  .description('Does the sweep of a plan in examples/plans/, and draws the figures and tables that the README shows.')
  .addArgument(new Argument('<name>', 'of the plan').choices(Object.keys(STUDIES)))
  .option('--out <folder>', 'folder of the sweep (default: runs/NAME); what is done there is not done again')
  .option('--threads <n>', 'threads to train with', positiveInteger)
  .option('--overwrite', 'do it all again')
  .option('--resume', 'go on with what is there, as without --overwrite')
  .option('--debug', 'print the stack below an error');

await runProcess(terminal =>
  prepareCommand(command, terminal).action(async (name: string, options: Options) => {
    const { out = join('runs', name), threads, overwrite, resume } = options;
    const started = performance.now();
    if (overwrite) await rm(out, { recursive: true, force: true });
    const plan = checkPlan(JSON.parse(await readFile(join('examples', 'plans', `${name}.json`), 'utf8')));
    const { signal, print } = terminal;
    const folder = await sweep(plan, { out, threads, signal, onLine: line => print(line) });
    const report = join(out, 'report');
    const { summary, page } = await writeReport(out, { output: report });
    print(`\n${await STUDIES[name]!({ folder, summary, out: report })}\n\n${page}`);
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    await writeJson(join(out, RUN_RECORD), { experiment: name, options: { resume: resume ?? false }, seconds });
  }),
);
