/** The studies of autoencoders, small: sweeps on toy models, and that the tables and figures drawn of them are those of the files. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { csvParse } from 'd3-dsv';
import { drawRecovery, type RecoverySummary } from '../../scripts/studies/recovery.ts';
import { drawSaeBig } from '../../scripts/studies/sae-big.ts';
import { drawSparsity } from '../../scripts/studies/sparsity.ts';
import { historyOf, type Study, tensorOf } from '../../scripts/studies/study.ts';
import { sweep } from '../../src/cli/experiment/sweep.ts';
import { CLUSTERED_TOY_MODEL_DEFAULTS, runClusteredToyModel } from '../../src/experiments/clustered-toy-model-run.ts';
import { runToyModel, TOY_MODEL_DEFAULTS } from '../../src/experiments/toy-model-run.ts';
import { readToyModel } from '../../src/experiments/toy-model-truth.ts';
import { loadSae } from '../../src/inference/node.ts';
import type { SweepPlan } from '../../src/sweeps/plan.ts';
import { writeReport } from '../../src/sweeps/report.ts';
import { temporaryFolder, testContext } from './context.ts';

/** Does a plan, writes its report, and draws the study into it. */
async function done(plan: SweepPlan, study: Study) {
  const folder = await sweep(plan, { out: await temporaryFolder(), threads: 2 });
  const out = join(folder.path, 'report');
  const { summary } = await writeReport(folder.path, { output: out });
  const words = await study({ folder, summary, out });
  const rows = csvParse(await readFile(join(out, 'runs.csv'), 'utf8'));
  return { folder, summary, out, words, rows };
}

const drawn = (out: string, names: readonly string[]): string[] =>
  names.filter(name => existsSync(join(out, `${name}.svg`)) && existsSync(join(out, `${name}.png`)));

describe('the study of recovery', () => {
  it('has the rates of its runs, a bias that is held where it should be, and the histories of the models', async () => {
    const context = await testContext();
    const { file } = await runToyModel({ ...TOY_MODEL_DEFAULTS, restarts: 4, steps: 3000, batchSize: 256 }, context);
    const { folder, summary, out, rows, words } = await done(
      {
        train: 'sae',
        base: { toyModel: file, k: 1, steps: 200, batchSize: 256, sampleSeed: 0 },
        grid: { holdBias: [false, true], init: ['gaussian', 'spread'] },
        seeds: 3,
        groupSize: 2,
        snapshots: 20,
      },
      drawRecovery,
    );
    expect(rows).to.have.length(12);
    const rates: RecoverySummary[] = JSON.parse(await readFile(join(out, 'rates.json'), 'utf8'));
    expect(rates.map(({ bias, init, step }) => `${bias} ${init} ${step}`)).to.deep.equal([
      ...['trained gaussian 0', 'trained gaussian 200', 'trained spread 0', 'trained spread 200'],
      ...['held gaussian 0', 'held gaussian 200', 'held spread 0', 'held spread 200'],
    ]);
    for (const { bias, init, step, each } of rates) {
      const own = rows.filter(row => row['init'] === init && (row['holdBias'] === 'true') === (bias === 'held'));
      const column = step === 0 ? 'recovered_at_start' : 'recovered';
      const found = own.reduce((sum, row) => sum + Number(row[column]), 0);
      expect(each).to.include({ found, of: 15, rate: found / 15 });
      expect(each.low).to.be.at.most(each.rate);
    }
    for (const row of rows) {
      if (row['holdBias'] === 'true') expect(Number(row['bias_moved'])).to.equal(0);
      else expect(Number(row['bias_moved'])).to.be.greaterThan(0);
    }
    expect(words).to.match(/trained +gaussian +200 +\d+\/3/);

    const run = summary.runs.at(-1)!;
    const history = await historyOf(run, folder);
    expect([history.steps[0], history.steps.at(-1)]).to.deep.equal([0, 200]);
    expect(history.loss).to.have.length(history.steps.length);
    await using sae = await loadSae(folder.file('model', run.id), { provider: 'cpu' });
    const { data } = await sae.featureDirections();
    for (const [i, value] of tensorOf(history.directions.at(-1)!).data.entries())
      expect(value).to.be.closeTo(data[i]!, 1e-5);
    const figures = ['recovery-rates', 'recovery-curves', 'gaussian-fewest', 'spread-fewest'];
    expect(drawn(out, figures)).to.deep.equal(figures);
    expect(existsSync(join(out, 'gaussian-fewest.onnx'))).to.equal(true);
  });
});

describe('the studies on clustered features', () => {
  let toyModel: string;
  let represented: number;
  const base = { dSae: 12, batchSize: 128, steps: 300, learningRate: 0.01, sampleSeed: 0 };

  before(async () => {
    const sizes = { nFeatures: 12, nHidden: 6, topics: 3, steps: 1500, batchSize: 64 };
    const run = await runClusteredToyModel({ ...CLUSTERED_TOY_MODEL_DEFAULTS, ...sizes }, await testContext());
    ({ file: toyModel, represented } = run);
  });

  it('train on the topics that are in the toy model, and look for what it represents', async () => {
    const truth = await readToyModel(toyModel);
    expect(truth.directions.shape).to.deep.equal([represented, 6]);
    expect(truth.isSought.filter(Boolean)).to.have.length(represented);
    const { folder, out, rows, words, summary } = await done(
      {
        train: 'sae',
        base: { ...base, toyModel },
        list: [
          { activation: 'topk', k: 2, init: 'spread' },
          { activation: 'batchtopk', k: 2, init: 'gaussian' },
        ],
        seeds: 2,
        groupSize: 2,
        snapshots: 10,
      },
      drawSaeBig,
    );
    expect(rows).to.have.length(4);
    for (const row of rows) {
      expect(Number(row['recovered_share'])).to.be.closeTo(Number(row['recovered']) / represented, 1e-12);
      expect(Number(row['explained_variance'])).to.be.greaterThan(0.4);
      expect(Number(row['feature_f1'])).to.be.within(0.05, 1);
      if (row['activation'] === 'topk') expect(Number(row['l0'])).to.be.within(0.5, 2);
    }
    expect(words).to.include(`${represented} true features`);
    expect(drawn(out, ['recovery', 'cosines'])).to.have.length(2);
    const first = summary.runs.find(({ settings }) => settings['activation'] === 'topk' && settings['seed'] === 0)!;
    const model = await readFile(join(out, 'topk-spread.onnx'));
    expect(model.equals(await readFile(folder.file('model', first.id)))).to.equal(true);
  });

  it('sweep k side by side: each as in a sweep of its own, with the revived beside them', async () => {
    const grid = { k: [1, 2, 4] };
    const list = [{}, { auxK: 1, deadAfter: 5 }];
    const settings = { ...base, toyModel, init: 'spread', steps: 200 };
    const { summary, out, words } = await done({ train: 'sae', base: settings, list, grid, seeds: 2 }, drawSparsity);
    expect(summary.configurations.map(({ settings: own }) => own)).to.deep.equal([
      ...[1, 2, 4].map(k => ({ auxK: 1, deadAfter: 5, k })),
      ...[1, 2, 4].map(k => ({ auxK: null, deadAfter: null, k })),
    ]);
    const plain = summary.configurations.slice(3).map(({ metrics }) => metrics);
    for (const [i, k] of [1, 2, 4].entries()) expect(plain[i]!['l0']!.mean).to.be.within(0.9 * k - 0.5, k);
    const explained = plain.map(metrics => metrics['explained_variance']!.mean);
    expect(explained[0]).to.be.lessThan(explained[1]!);
    expect(explained[1]).to.be.lessThan(explained[2]!);
    expect(words).to.include('ranges and means over 2 seeds');
    expect(drawn(out, ['sparsity-sweep'])).to.have.length(1);

    const alone = await sweep(
      { train: 'sae', base: { ...settings, k: 2 }, seeds: 2 },
      { out: await temporaryFolder(), threads: 2 },
    );
    for await (const { id, metrics } of alone.results()) {
      const swept = summary.runs.find(run => run.id === id)!;
      expect(metrics['explained_variance']).to.be.closeTo(swept.metrics['explained_variance']!, 0.01);
    }
  });
});
