import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { durationsOf, publish } from '../../src/experiments/publish.ts';
import { runToyModel, TOY_MODEL_DEFAULTS } from '../../src/experiments/toy-model-run.ts';
import { temporaryFolder, testContext } from './context.ts';

describe('publishing', () => {
  it('renews what has run here, and keeps what was published before of what has not', async () => {
    const root = await temporaryFolder();
    const folders = { runs: join(root, 'runs'), models: join(root, 'models'), figures: join(root, 'figures') };
    const write = async (name: string, text: string): Promise<void> => {
      await mkdir(join(folders.runs, name), { recursive: true });
      await writeFile(join(folders.runs, name, 'run.json'), JSON.stringify({ seconds: 60, options: {} }));
      await writeFile(join(folders.runs, name, 'results.csv'), text);
    };
    const publication = {
      models: [{ title: 'Star', command: 'npx tsx star.ts', from: 'star/toy-model.onnx', to: 'star.onnx' }],
      results: ['star', 'other'].map(name => ({ from: `${name}/results.csv`, to: `${name}.csv` })),
      figures: [{ from: 'star/figure', to: 'figure' }],
    };
    await write('star', 'first');
    await runToyModel(
      { ...TOY_MODEL_DEFAULTS, steps: 3, batchSize: 8 },
      await testContext({ folder: join(folders.runs, 'star') }),
    );
    await publish(publication, folders, await durationsOf(folders.runs, ['star', 'other']));
    const published = (name: string) => readFile(join(folders.models, name), 'utf8');
    expect(await published('README.md'))
      .to.include('## Star')
      .and.include('| `star` | 60 s |')
      .and.include('add up to 1 minutes');
    expect(await published('results/star.csv')).to.equal('first');

    const elsewhere = { ...folders, runs: join(root, 'other-runs') };
    await mkdir(join(elsewhere.runs, 'other'), { recursive: true });
    await writeFile(join(elsewhere.runs, 'other', 'run.json'), JSON.stringify({ seconds: 120, options: {} }));
    await writeFile(join(elsewhere.runs, 'other', 'results.csv'), 'second');
    await publish(publication, elsewhere, await durationsOf(elsewhere.runs, ['star', 'other']));
    const readme = await published('README.md');
    expect(readme).to.include('## Star').and.include('| `star` | 60 s |').and.include('add up to 3 minutes');
    expect(readme.indexOf('`other` | 120 s')).to.be.within(0, readme.indexOf('`star` | 60 s'));
    expect([await published('results/star.csv'), await published('results/other.csv')]).to.deep.equal([
      'first',
      'second',
    ]);
    expect(existsSync(join(folders.figures, 'figure.svg'))).to.equal(false);
  });
});
