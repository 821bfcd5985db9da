import { expect } from 'chai';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { type ToyModelTraining, toyModelProgram, trainToyModels } from '../../src/training/train-toy-models.ts';

const SETTINGS: ToyModelTraining = { nFeatures: 4, nHidden: 2, sparsity: 0.5, batchSize: 64, steps: 40, seed: 1 };

describe('trainToyModels', () => {
  let engine: Engine;

  before(async () => {
    engine = createOnnxRuntimeEngine(await loadNodeRuntime());
  });

  it('gives every instance its own sparsity: one that sees only zeros has no loss, one that sees all has the most', async () => {
    const sparsity = [1, 0.9, 0.5, 0].map(share => Array<number>(4).fill(share));
    const { losses, best } = await trainToyModels({ ...SETTINGS, nInstances: 4, sparsity }, { engine });
    expect(losses[0]).to.equal(0);
    expect(best).to.equal(0);
    expect(losses[1]).to.be.lessThan(losses[2]!);
    expect(losses[2]).to.be.lessThan(losses[3]!);
  });

  it('trains several settings side by side as each alone: in parameters after 50 steps, in losses', async () => {
    const star = { nFeatures: 5, nHidden: 2, batchSize: 64, steps: 50 };
    const zeros = () => ({ fill: (into: Float32Array) => void into.fill(0) });
    const runs: ToyModelTraining[] = [
      { ...star, seed: 3, sparsity: 0.9 },
      { ...star, seed: 3, sparsity: 0 },
      { ...star, seed: 7, sparsity: [0, 0.2, 0.5, 0.9, 1] },
      { ...star, seed: 3, sparsity: 0.9, data: zeros },
      { ...star, seed: 1, sparsity: 0.5 },
    ];
    const { models, losses, run } = await trainToyModels(runs, { engine });
    for (const [i, own] of runs.entries()) {
      const alone = await trainToyModels(own, { engine });
      for (const [name, { data, shape }] of Object.entries(alone.models[0]!.state.parameters)) {
        const got = models[i]!.state.parameters[name]!;
        expect(got.shape).to.deep.equal(shape);
        for (const [at, value] of got.data.entries()) expect(value, `run ${i}, ${name}`).to.be.closeTo(data[at]!, 1e-5);
      }
      expect(losses[i]).to.be.closeTo(alone.losses[0]!, 1e-5);
      alone.run.metrics['loss']!.forEach((loss, step) => {
        expect(run.metrics['losses']![step * runs.length + i]).to.be.closeTo(loss, 1e-5);
      });
    }
    expect(losses[3]).to.equal(0);
  });

  it('refuses settings side by side that differ in shape, or have restarts of their own', async () => {
    const refused = async (...runs: ToyModelTraining[]) =>
      String(await trainToyModels(runs, { engine }).catch((error: unknown) => error));
    expect(await refused(SETTINGS, { ...SETTINGS, nFeatures: 5 })).to.include(
      'InvalidValueError: nFeatures must be the same for all that train side by side, got 4 in run 0 and 5 in run 1',
    );
    const restarts = { ...SETTINGS, nInstances: 2 };
    expect(await refused(restarts, restarts))
      .to.include('InvalidValueError')
      .and.include('nInstances of their own, got 2');
  });

  it('takes one sparsity for all, or one a feature, for every instance', async () => {
    const firstBatch = async (sparsity: ToyModelTraining['sparsity']) => {
      const { batches } = toyModelProgram({ ...SETTINGS, nInstances: 3, sparsity });
      const features = new Float32Array(64 * 3 * 4);
      await batches.fill({ features }, 1);
      return features;
    };
    const one = await firstBatch(0.9);
    expect(await firstBatch([0.9, 0.9, 0.9, 0.9])).to.deep.equal(one);
    const columns = await firstBatch([0, 1, 0, 1]);
    columns.forEach((value, i) => {
      expect(value > 0, `entry ${i}`).to.equal(i % 2 === 0);
    });
  });

  it('reports the mean loss over the last twentieth, and as best the lowest', async () => {
    const { losses, best, run } = await trainToyModels({ ...SETTINGS, nInstances: 5 }, { engine });
    const all = run.metrics['losses']!;
    for (const [i, loss] of losses.entries())
      expect(loss).to.be.closeTo((all[38 * 5 + i]! + all[39 * 5 + i]!) / 2, 1e-7);
    expect(losses[best]).to.equal(Math.min(...losses));
  });

  it('weights by importance: a feature of none is not represented', async () => {
    const importance = { data: Float32Array.of(1, 1, 0, 0), shape: [4] };
    const settings = { ...SETTINGS, sparsity: 0, importance, steps: 1500, optimizer: { learningRate: 0.01 } };
    const { models, losses } = await trainToyModels(settings, { engine });
    expect(losses[0]).to.be.lessThan(1e-4);
    const { data } = models[0]!.featureDirections();
    const norm = (row: number): number => Math.hypot(data[2 * row]!, data[2 * row + 1]!);
    expect(norm(0)).to.be.closeTo(1, 0.05);
    expect(norm(1)).to.be.closeTo(1, 0.05);
  });

  it('draws other data where it is given', async () => {
    const zeros = () => ({ fill: (into: Float32Array) => void into.fill(0) });
    const { run } = await trainToyModels({ ...SETTINGS, sparsity: 0, data: zeros }, { engine });
    expect(new Set(run.metrics['loss'])).to.deep.equal(new Set([0]));
  });

  it('refuses sparsities that are none', async () => {
    const refused = await trainToyModels({ ...SETTINGS, sparsity: 1.5 }, { engine }).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(InvalidValueError);
    expect((refused as Error).message).to.include('1.5: it must be between 0 and 1');
    const sparsity = [0, 0.5, 0.9].map(share => Array<number>(4).fill(share));
    expect(() => toyModelProgram({ ...SETTINGS, nInstances: 5, sparsity })).to.throw(
      InvalidShapeError,
      'sparsity must be one number or have shape [4] or [5, 4], got [3, 4]',
    );
  });
});
