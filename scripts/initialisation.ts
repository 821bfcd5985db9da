/**
 * `npx tsx scripts/initialisation.ts --parts screen,star,thousand`: does the sensitivity to initialisation persist with more features and dimensions, and what helps? Trains the cells of
 * scripts/initialisation/design.ts; a cell that is kept under --out is not run again. What is printed is of all cells that are kept there, whichever part they are of, also with other seeds than the design asks for. --write puts it where docs/study.md shows it; of a language model where --activations is given.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { positiveInteger } from '../src/cli/options.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { writeFigure } from '../src/plots/node.ts';
import { type Cell, nameOf, PARTS } from './initialisation/design.ts';
import { languageModel } from './initialisation/language-model.ts';
import { keptCells, report } from './initialisation/report.ts';
import { rerun } from './initialisation/rerun.ts';
import { runCell } from './initialisation/run-cell.ts';
import { sentences } from './initialisation/sentences.ts';
import { type World, worldSettings, writeWorlds } from './initialisation/worlds.ts';
import { KeptResults } from './tables/kept-results.ts';
import { intoDocument, markdown, publish } from './tables/table.ts';

const {
  parts,
  minutes,
  out,
  write,
  seeds,
  activations,
  python,
  worlds: folder,
} = new Command('initialisation')
  .description('Whether the start still matters with more features and dimensions, and what helps.')
  .option('--parts <names>', 'parts of the design, with commas between', Object.keys(PARTS).join(','))
  .option('--minutes <n>', 'begin no cell after so many; 0 prints what is there', Number, Number.POSITIVE_INFINITY)
  .option('--activations <file>', 'rows of a language model’s residual stream, for the arm without a known truth')
  .option('--python <program>', 'a Python that imports torch and scipy, for the cell that is run again by PyTorch')
  .option('--seeds <n>', 'seeds of every cell, instead of the design’s own', positiveInteger)
  .option('--out <folder>', 'where results are kept, and taken from', 'runs/initialisation')
  .option('--worlds <folder>', 'write the dictionary, bias and held-out rows of every world as .npy, and run nothing')
  .option('--write', 'put the results into docs/')
  .parse()
  .opts<{
    parts: string;
    minutes: number;
    out: string;
    write?: true;
    seeds?: number;
    activations?: string;
    python?: string;
    worlds?: string;
  }>();

if (folder !== undefined) {
  await writeWorlds(folder);
  process.exit(0);
}

const wanted = parts
  .split(',')
  .filter(Boolean)
  .flatMap(name => {
    const part = PARTS[name];
    if (!part) throw new Error(`part ${name} does not exist; choose from ${Object.keys(PARTS).join(', ')}`);
    return part;
  });
const until = performance.now() + minutes * 60_000;
const worlds = new Map<string, Promise<World>>();
const worldOf = (name: string): Promise<World> => {
  const known = worlds.get(name) ?? worldSettings(name).make();
  worlds.set(name, known);
  return known;
};

if (wanted.length > 0) {
  const kept = new KeptResults(join(out, 'cells.jsonl'));
  for (const part of wanted) {
    const started = performance.now();
    if (started >= until) break;
    const cell: Cell = { ...part, ...(seeds !== undefined && { seeds }) };
    const { runs, sought } = await kept.keep(nameOf(cell), { ...cell }, async () =>
      runCell(cell, await worldOf(cell.world)),
    );
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${nameOf(cell)}: found ${runs.map(run => run.found).join(' ')} of ${sought}, ${seconds} s`);
  }
  const results = await keptCells(kept);
  const { tables, figures, csv } = report(results);
  const docs = (path: string): string => fileURLToPath(new URL(`../docs/${path}`, import.meta.url));
  const again = await rerun(results, out, python);
  const texts = {
    ...Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, markdown(table)])),
    ...sentences(results),
    rerun: again.text,
  };
  for (const [name, text] of Object.entries(texts)) {
    console.log(`\n${text}`);
    if (write) await intoDocument(docs('study.md'), name, text);
  }
  if (write) {
    await writeFileAtomic(docs('study.csv'), csv);
    await writeFileAtomic(docs('results/cells.jsonl'), kept.used);
    await writeFileAtomic(docs('results/rerun.jsonl'), again.results);
    for (const [name, figure] of Object.entries(figures)) await writeFigure(figure, docs(`figures/${name}`));
  }
}
if (activations !== undefined || wanted.length === 0) {
  const table = await languageModel(activations, out, until);
  console.log(`\n${markdown(table)}`);
  if (write) await publish('language-model', table);
}
// Threads that trained stay for the next training.
process.exit(0);
