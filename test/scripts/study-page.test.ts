/** Every number of docs/study.md is what the scripts make of the results that lie beside it. */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { languageModel } from '../../scripts/initialisation/language-model.ts';
import { keptCells, report } from '../../scripts/initialisation/report.ts';
import { rerun } from '../../scripts/initialisation/rerun.ts';
import { sentences } from '../../scripts/initialisation/sentences.ts';
import { earlyFailure } from '../../scripts/tables/early-failure.ts';
import { featureHedging } from '../../scripts/tables/feature-hedging.ts';
import { KeptResults } from '../../scripts/tables/kept-results.ts';
import { sanityChecks } from '../../scripts/tables/sanity-checks.ts';
import { sparseButWrong } from '../../scripts/tables/sparse-but-wrong.ts';
import { sparseInference } from '../../scripts/tables/sparse-inference.ts';
import { markdown } from '../../scripts/tables/table.ts';
import { toSvg } from '../../src/plots/node.ts';

/** What stands between the markers of `name`. */
async function published(name: string): Promise<string> {
  const page = await readFile('docs/study.md', 'utf8');
  return page
    .slice(page.indexOf(`<!-- ${name} -->`), page.indexOf(`<!-- end of ${name} -->`))
    .split('\n')
    .slice(2, -2)
    .join('\n');
}

/** Without what moves whole layers: where Observable Plot finds mocha's `it`, it moves some of them by half a pixel. */
function withoutShifts(svg: string): string {
  return svg.replaceAll(/ transform="[^"]*"/g, '');
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

  it('has the tables, sentences, figures and lines of the study that its results give', async () => {
    const results = await keptCells(new KeptResults('docs/results/cells.jsonl'));
    const { tables, figures, csv } = report(results);
    const { text: again } = await rerun(results, 'docs/results', undefined);
    for (const [name, table] of Object.entries(tables)) {
      expect(await published(name), name).to.equal(markdown(table));
    }
    for (const [name, text] of Object.entries({ ...sentences(results), rerun: again })) {
      expect(await published(name), name).to.equal(text);
    }
    expect(await readFile('docs/study.csv', 'utf8')).to.equal(csv);
    for (const [name, figure] of Object.entries(figures)) {
      const there = await readFile(`docs/figures/${name}.svg`, 'utf8');
      expect(withoutShifts(there), name).to.equal(withoutShifts(toSvg(figure)));
    }
  });
});
