/** A bias that walks away is told: on the star those runs miss features. */
import { expect } from 'chai';
import { heldOutActivations, scoreSae } from '../../src/experiments/sae-run.ts';
import { activationsOf, readToyModel } from '../../src/experiments/toy-model-truth.ts';
import { trainSaes } from '../../src/training/node.ts';

describe('a warning of the bias', () => {
  it('comes for runs on the star that miss features, and for hardly any that finds all', async () => {
    const truth = await readToyModel('models/toy-model.onnx');
    const data = activationsOf(truth, { sparsity: 0.9 });
    const results = await trainSaes({
      data,
      dSae: 5,
      activation: { kind: 'topk', k: 1 },
      steps: 3000,
      batchSize: 1024,
      start: { directions: 'gaussian' },
      vary: Array.from({ length: 24 }, (_, seed) => ({ seed, sampleSeed: 0 })),
    });
    const heldOut = await heldOutActivations(data, { seed: 0, batchSize: 1024 });
    const runs = results.map(({ sae, warnings }) => ({
      isWarned: warnings.some(warning => warning.startsWith('b_dec has walked')),
      hasAll: scoreSae(sae, truth.directions, heldOut).recovered === 5,
    }));
    const failed = runs.filter(({ hasAll }) => !hasAll);
    const sound = runs.filter(({ hasAll }) => hasAll);
    expect(Math.min(failed.length, sound.length), 'both kinds').to.be.above(4);
    expect(failed.filter(({ isWarned }) => isWarned).length / failed.length).to.be.above(0.75);
    expect(sound.filter(({ isWarned }) => isWarned).length / sound.length).to.be.below(0.25);
  });

  it('does not come where it is held', async () => {
    const truth = await readToyModel('models/toy-model.onnx');
    const data = activationsOf(truth, { sparsity: 0.9 });
    const settings = {
      data,
      dSae: 5,
      activation: { kind: 'topk', k: 1 },
      steps: 300,
      start: { holdBias: true },
    } as const;
    const [result] = await trainSaes({ ...settings, vary: [{}] });
    expect(result!.warnings).to.deep.equal([]);
  });
});
