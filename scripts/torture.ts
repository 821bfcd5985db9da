/**
 * `npm run torture`: tries to make happen what must never happen, such as a crash, a hang, a leak or a lost file. Takes
 * five minutes by default; `--seconds`, `--files`, `--kills`, `--seed` and `--only` change that. Prints a table and
 * ends with status 1 where something happened; the files that show it are kept in runs/torture/.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { positiveInteger } from '../src/cli/options.ts';
import { textTable } from '../src/experiments/text-table.ts';
import { damagedFiles } from './torture/damaged-files.ts';
import { diskFull } from './torture/disk-full.ts';
import { kills } from './torture/kills.ts';
import { largeSaes } from './torture/large-sae.ts';
import type { Outcome, Torture } from './torture/outcome.ts';
import { parallelEncodes } from './torture/parallel-encodes.ts';
import { soak } from './torture/soak.ts';

const TORTURES: readonly Torture[] = [damagedFiles, diskFull, parallelEncodes, kills, soak, largeSaes];

interface Options {
  readonly seconds: number;
  readonly files?: number;
  readonly kills?: number;
  readonly seed: number;
  readonly only?: readonly string[];
  readonly out: string;
  readonly python?: string;
}

const names = TORTURES.map(torture => torture.name);
const options = new Command('torture')
  .option('--seconds <n>', 'how long, in all', positiveInteger, 300)
  .option('--files <n>', 'damaged files, in all, however long they take', positiveInteger)
  .option('--kills <n>', 'kills of training runs, in all, however long they take (default: 20)', positiveInteger)
  .option('--seed <n>', 'what everything random is drawn from', Number, Date.now() % 1_000_000)
  .addOption(new Option('--only <kind...>', 'kinds of torture').choices(names))
  .option('--out <folder>', 'where what shows a breach is kept', 'runs/torture')
  .option(
    '--python <path>',
    'a Python with numpy, safetensors, onnx and onnxruntime',
    process.env['MONOSEMANTIC_PYTHON'],
  )
  .parse()
  .opts<Options>();

const chosen = TORTURES.filter(({ name }) => options.only?.includes(name) ?? true);
const shares = chosen.reduce((sum, { share }) => sum + share, 0);
console.log(
  `seed ${options.seed}${options.python ? '' : '; nothing is compared: MONOSEMANTIC_PYTHON or --python names a Python'}`,
);
const outcomes: Outcome[] = [];
for (const torture of chosen) {
  const seconds = (options.seconds * torture.share) / shares;
  const started = performance.now();
  const done = await torture.run({
    seconds,
    seed: options.seed,
    files: options.files,
    kills: options.kills,
    python: options.python,
    progress: line => console.log(`${torture.name}: ${line}, ${((performance.now() - started) / 1000).toFixed(0)} s`),
    async keep(name, bytes) {
      await mkdir(options.out, { recursive: true });
      const path = join(options.out, name);
      await writeFile(path, bytes);
      return path;
    },
  });
  outcomes.push(...done);
}

const breaches = outcomes.flatMap(outcome => outcome.breaches);
for (const { cause, problem } of breaches) console.log(`\nBREACH ${cause}\n  ${problem.replaceAll('\n', '\n  ')}`);
console.log(
  `\n${textTable(
    ['', 'cases', 'breaches', 'result'],
    outcomes.map(({ what, cases, breaches, result }) => [what, String(cases), String(breaches.length), result]),
  )}`,
);
process.exitCode = breaches.length > 0 ? 1 : 0;
