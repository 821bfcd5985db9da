/**
 * `npx tsx scripts/tables.ts --only F5,F2 --python PYTHON`: tables that compare published results with ours. Each shows
 * published figures, SAELens run here, and ours, with 95% intervals over paired seeds, and a sentence that says whether
 * the published claim holds. `--write` puts them into docs/study.md. Results are kept under --out, and a result that is
 * there is not computed again; those of docs/study.md are in docs/results, so that `--out docs/results --minutes 0` prints its tables.
 */
import { Command } from 'commander';
import { positiveInteger, positiveNumber } from '../src/cli/options.ts';
import { earlyFailure } from './tables/early-failure.ts';
import { featureHedging } from './tables/feature-hedging.ts';
import { sanityChecks } from './tables/sanity-checks.ts';
import { sparseButWrong } from './tables/sparse-but-wrong.ts';
import { sparseInference } from './tables/sparse-inference.ts';
import { markdown, publish, type TableOptions, type TableReport } from './tables/table.ts';

const TABLES: Readonly<Record<string, (options: TableOptions) => Promise<TableReport>>> = {
  F1: sparseInference,
  F2: sparseButWrong,
  F3: sanityChecks,
  F5: featureHedging,
  early: earlyFailure,
};

const { only, write, ...options } = new Command('tables')
  .description('Tables of the field beside what we find.')
  .option('--only <names>', 'tables, with commas between', Object.keys(TABLES).join(','))
  .option('--seeds <n>', 'paired seeds, instead of the table’s own number', positiveInteger)
  .option('--steps <n>', 'steps of each training, instead of the table’s own number', positiveInteger)
  .option('--batch-size <n>', 'rows of a step, instead of the table’s own', positiveInteger)
  .option('--learning-rate <rate>', 'instead of the table’s own', positiveNumber)
  .option('--minutes <n>', 'begin no training after so many; 0 prints what is there', Number)
  .option('--python <program>', 'a Python that imports sae_lens', process.env['MONOSEMANTIC_PYTHON'])
  .option('--out <folder>', 'where results are kept, and taken from', 'runs/tables')
  .option('--write', 'put the tables into docs/study.md')
  .parse()
  .opts<TableOptions & { only: string; write?: true }>();

for (const name of only.split(',')) {
  const table = TABLES[name];
  if (!table) throw new Error(`table ${name} does not exist; choose from ${Object.keys(TABLES).join(', ')}`);
  const report = await table(options);
  console.log(`${markdown(report)}\n`);
  if (write) await publish(name, report);
}
// Threads that trained stay for the next training.
process.exit(0);
