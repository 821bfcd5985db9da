/** The studies of autoencoders, small: what they write, and that their numbers are those of the files. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { csvParse } from 'd3-dsv';
import { CLUSTERED_TOY_MODEL_DEFAULTS, runClusteredToyModel } from '../../src/experiments/clustered-toy-model-run.ts';
import { runRecoveryStudy } from '../../src/experiments/recovery-study.ts';
import { runSaeBig, SAE_BIG_DEFAULTS } from '../../src/experiments/sae-big-run.ts';
import { SAE_DEFAULTS } from '../../src/experiments/sae-run.ts';
import { runSparsityStudy } from '../../src/experiments/sparsity-study.ts';
import { runToyModel, TOY_MODEL_DEFAULTS } from '../../src/experiments/toy-model-run.ts';
import { loadSae } from '../../src/inference/node.ts';
import { testContext } from './context.ts';
import { rejection } from './rejection.ts';

describe('the recovery study', () => {
  it('writes a row, a file and a history for each seed, and sums them up', async () => {
    const context = await testContext();
    const { file, model } = await runToyModel(
      { ...TOY_MODEL_DEFAULTS, restarts: 4, steps: 3000, batchSize: 256 },
      context,
    );
    const weight = model.featureDirections();
    const settings = {
      ...SAE_DEFAULTS,
      steps: 200,
      batchSize: 256,
      inits: ['gaussian', 'spread'] as const,
      seeds: 3,
      atOnce: 2,
    };
    const summaries = await runRecoveryStudy(settings, { file, weight }, context);

    const rows = csvParse(await readFile(join(context.folder, 'results.csv'), 'utf8'));
    expect(rows.map(({ init, seed }) => `${init} ${seed}`)).to.deep.equal([
      ...['gaussian 0', 'gaussian 1', 'gaussian 2'],
      ...['spread 0', 'spread 1', 'spread 2'],
    ]);
    expect(summaries.map(({ init, step }) => `${init} ${step}`)).to.deep.equal([
      ...['gaussian 0', 'gaussian 200'],
      ...['spread 0', 'spread 200'],
    ]);
    const found = rows.slice(3).reduce((sum, row) => sum + Number(row['recovered_end']), 0);
    expect(summaries[3]!.each).to.include({ found, of: 15, rate: found / 15 });
    expect(summaries[3]!.each.low).to.be.lessThan(summaries[3]!.each.rate);

    const history = JSON.parse(await readFile(join(context.folder, 'spread', 'seed-2.history.json'), 'utf8')) as {
      steps: number[];
      loss: number[];
      directions: number[][][];
    };
    expect(history.steps[0]).to.equal(0);
    expect(history.steps.at(-1)).to.equal(200);
    expect(history.loss).to.have.length(history.steps.length);
    await using sae = await loadSae(join(context.folder, 'spread', 'seed-2.onnx'), { provider: 'cpu' });
    const { data } = await sae.featureDirections();
    for (const [i, value] of history.directions.at(-1)!.flat().entries()) expect(value).to.be.closeTo(data[i]!, 1e-5);
  });
});

describe('the comparison of autoencoders on clustered features', () => {
  it('keeps the topics in the toy model, and scores every variant before and after', async () => {
    const context = await testContext();
    const toyModel = {
      ...CLUSTERED_TOY_MODEL_DEFAULTS,
      nFeatures: 12,
      nHidden: 6,
      topics: 3,
      steps: 1500,
      batchSize: 64,
    };
    const { file, model, represented } = await runClusteredToyModel(toyModel, context);
    const variants = [
      { activation: { kind: 'topk', k: 2 }, init: 'spread' },
      { activation: { kind: 'batchtopk', k: 2 }, init: 'gaussian' },
    ] as const;
    const settings = {
      ...SAE_BIG_DEFAULTS,
      seeds: 2,
      dSae: 12,
      variants,
      steps: 300,
      batchSize: 128,
      learningRate: 0.01,
    };
    const result = await runSaeBig(settings, { file, weight: model.featureDirections() }, context);
    expect(result.represented).to.equal(represented);
    expect(result.trueL0).to.be.within(0.1, represented);
    for (const { before, after } of result.saes) {
      expect(after.explainedVariance).to.be.greaterThan(before.explainedVariance);
      expect(after.of).to.equal(represented);
    }
    expect(result.saes[0]!.after.l0).to.be.within(0.5, 2);
    const rows = csvParse(await readFile(join(context.folder, 'results.csv'), 'utf8'));
    expect(rows.map(({ name, seed, step }) => `${name} ${seed} ${step}`)).to.deep.equal([
      ...['topk-spread 0 0', 'topk-spread 0 300', 'topk-spread 1 0', 'topk-spread 1 300'],
      ...['batchtopk-gaussian 0 0', 'batchtopk-gaussian 0 300', 'batchtopk-gaussian 1 0', 'batchtopk-gaussian 1 300'],
    ]);
    expect(new Set(result.saes.map(({ file: saved }) => saved)).size).to.equal(4);
    // Calibrated on as many activations of the same distribution: 2 latents each, to a few hundredths.
    for (const { name, after } of result.saes) {
      if (name.startsWith('batchtopk')) expect(after.l0).to.be.closeTo(2, 0.1);
    }
  });

  it('sweeps k side by side: each as in a comparison of its own, with the revived beside them', async () => {
    const context = await testContext();
    const sizes = { nFeatures: 12, nHidden: 6, topics: 3, steps: 1500, batchSize: 64 };
    const { file, model } = await runClusteredToyModel({ ...CLUSTERED_TOY_MODEL_DEFAULTS, ...sizes }, context);
    const toyModel = { file, weight: model.featureDirections() };
    const own = { dSae: 12, batchSize: 128, steps: 200, learningRate: 0.01, seed: 3, seeds: 2 };
    const auxK = { coefficient: 1, deadAfter: 5 };
    const results = await runSparsityStudy({ ...own, ks: [1, 2, 4], auxK }, toyModel, context);
    expect(results.map(({ k, seed, revived }) => `${k} ${seed}${revived ? ' revived' : ''}`)).to.deep.equal([
      ...['1 3', '2 3', '4 3', '1 4', '2 4', '4 4'],
      ...['1 3 revived', '2 3 revived', '4 3 revived', '1 4 revived', '2 4 revived', '4 4 revived'],
    ]);
    for (const { k, l0 } of results) expect(l0).to.be.within(0.9 * k - 0.5, k);
    const explained = (k: number) => results.find(result => result.k === k && !result.revived)!.explainedVariance;
    expect(explained(1)).to.be.lessThan(explained(2));
    expect(explained(2)).to.be.lessThan(explained(4));

    const variants = [{ activation: { kind: 'topk', k: 2 }, init: 'spread' }] as const;
    const { saes } = await runSaeBig({ ...own, variants }, toyModel, await testContext());
    for (const { seed, after } of saes) {
      const swept = results.find(result => result.k === 2 && result.seed === seed && !result.revived)!;
      expect(swept.explainedVariance).to.be.closeTo(after.explainedVariance, 0.01);
      expect(swept.of).to.equal(after.of);
    }
    const rows = csvParse(await readFile(join(context.folder, 'results.csv'), 'utf8'));
    expect(rows.map(({ k, revived }) => `${k} ${revived}`).slice(5, 7)).to.deep.equal(['4 0', '1 1']);
  });

  it('refuses a toy model without topics', async () => {
    const context = await testContext();
    const { file, model } = await runToyModel({ ...TOY_MODEL_DEFAULTS, steps: 1 }, context);
    const study = runSaeBig(
      { ...SAE_BIG_DEFAULTS, variants: [] },
      { file, weight: model.featureDirections() },
      context,
    );
    expect((await rejection(study)).message).to.contain('expected a toy model that train-toy-model-for-sae-big froze');
  });
});
