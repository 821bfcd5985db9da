/** Every number of docs/study.md is what the scripts make of the results that lie beside it. */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type Cell, nameOf } from '../../scripts/initialisation/design.ts';
import { languageModel } from '../../scripts/initialisation/language-model.ts';
import { type Done, report } from '../../scripts/initialisation/report.ts';
import type { Run } from '../../scripts/initialisation/run-cell.ts';
import { sentences } from '../../scripts/initialisation/sentences.ts';
import { earlyFailure } from '../../scripts/tables/early-failure.ts';
import { featureHedging } from '../../scripts/tables/feature-hedging.ts';
import { sanityChecks } from '../../scripts/tables/sanity-checks.ts';
import { sparseButWrong } from '../../scripts/tables/sparse-but-wrong.ts';
import { sparseInference } from '../../scripts/tables/sparse-inference.ts';
import { markdown } from '../../scripts/tables/table.ts';

/** What stands between the markers of `name`. */
async function published(name: string): Promise<string> {
  const page = await readFile('docs/study.md', 'utf8');
  return page
    .slice(page.indexOf(`<!-- ${name} -->`), page.indexOf(`<!-- end of ${name} -->`))
    .split('\n')
    .slice(2, -2)
    .join('\n');
}

/** The cells of docs/study.csv. Looks on the way, and how alike dictionaries are, are not in it. */
function cellsOf(csv: string): Map<string, Done> {
  const [header, ...lines] = csv.trim().split('\n');
  const names = header!.split(',');
  const words = ['world', 'kind', 'start', 'bias', 'auxK'];
  const cells = new Map<string, Done>();
  for (const line of lines) {
    const row = Object.fromEntries(
      line.split(',').map((value, i) => [names[i]!, words.includes(names[i]!) ? value : Number(value)]),
    ) as unknown as Cell & Run & { readonly sought: number };
    const alike = { pwMcc: Number.NaN, above: Number.NaN };
    const name = nameOf(row);
    const { world, kind, start, bias, auxK, dSae, k, learningRate, steps, batch } = row;
    const { cell, result } = cells.get(name) ?? {
      cell: { world, kind, start, bias, auxK, dSae, k, learningRate, steps, batch, seeds: 0 },
      result: { sought: row.sought, looks: [], runs: [], again: { ...alike, chance: alike } },
    };
    cells.set(name, { cell, result: { ...result, runs: [...result.runs, { ...row, foundOver: [] }] } });
  }
  return cells;
}

describe('docs/study.md', () => {
  it('has the tables of the field that its results give', async () => {
    const options = { out: 'docs/results', minutes: 0 };
    for (const [name, table] of [
      ['F1', sparseInference],
      ['F2', sparseButWrong],
      ['F3', sanityChecks],
      ['F5', featureHedging],
      ['early', earlyFailure],
    ] as const) {
      expect(await published(name), name).to.equal(markdown(await table(options)));
    }
  });

  it('has the table of a language model that its results give', async () => {
    const table = await languageModel(undefined, 'docs/results', 0);
    expect(await published('language-model')).to.equal(markdown(table));
  });

  it('has the tables and sentences of the study that docs/study.csv gives', async () => {
    const cells = cellsOf(await readFile('docs/study.csv', 'utf8'));
    const { tables } = report(cells);
    const column = tables['sizes']!.header.indexOf('PW-MCC (chance)');
    const withoutAlike = (text: string): string =>
      text
        .split('\n')
        .map(line => (line.startsWith('| ') ? line.split(' | ').toSpliced(column, 1).join(' | ') : line))
        .join('\n');
    // The lines of the file have six digits, so that a fourth decimal may round the other way.
    const decimals = /(\d+\.\d{4})/;
    for (const [name, table] of Object.entries(tables)) {
      const [there, here] = [await published(name), markdown(table)].map(text => withoutAlike(text).split(decimals));
      const rounded = there!.map((part, i) =>
        decimals.test(part) && Math.abs(Number(part) - Number(here![i])) < 1.5e-4 ? here![i] : part,
      );
      expect(rounded.join(''), name).to.equal(here!.join(''));
    }
    for (const [name, text] of Object.entries(sentences(cells))) expect(await published(name), name).to.equal(text);
  });
});
