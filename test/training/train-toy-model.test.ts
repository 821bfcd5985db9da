import { expect } from 'chai';
import { generatedSource } from '../../src/data/generated-source.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { trainToyModel, trainToyModels } from '../../src/training/node.ts';
import { rejection } from '../experiments/rejection.ts';

const features = (sparsity: number | number[]) => sparseFeatures({ nFeatures: 4, sparsity });
const SETTINGS = { data: features(0.5), nHidden: 2, batchSize: 64, steps: 40, seed: 1 };

const zeros = generatedSource({
  description: { kind: 'zeros' },
  width: 4,
  generator: () => ({ fill: into => void into.fill(0) }),
});

describe('trainToyModel', () => {
  let engine: Engine;

  before(async () => {
    engine = createOnnxRuntimeEngine(await loadNodeRuntime());
  });

  it('gives every model its own data: one that sees only zeros has no loss, one that sees all has the most', async () => {
    const vary = [1, 0.9, 0.5, 0].map(sparsity => ({ data: features(sparsity) }));
    const losses = (await trainToyModels({ ...SETTINGS, vary }, { engine })).map(({ loss }) => loss);
    expect(losses[0]).to.equal(0);
    expect(losses[1]).to.be.lessThan(losses[2]!);
    expect(losses[2]).to.be.lessThan(losses[3]!);
  });

  it('trains several side by side as each alone: in parameters after 50 steps, in losses, restarts included', async () => {
    const base = { ...SETTINGS, steps: 50 };
    const vary = [
      { seed: 3, data: features(0.9) },
      { seed: 3, data: features(0) },
      { seed: 7, data: features([0, 0.2, 0.5, 0.9]), restarts: 3 },
      { seed: 3, data: zeros },
      { seed: 1, learningRate: 0.01 },
      { seed: 1, restart: 2 },
    ];
    const together = await trainToyModels({ ...base, vary }, { engine });
    for (const [i, own] of vary.entries()) {
      const alone = await trainToyModel({ ...base, ...own }, { engine });
      const { restarts, best } = together[i]!;
      expect([restarts.length, best], `run ${i}`).to.deep.equal([alone.restarts.length, alone.best]);
      for (const [j, { model, history, loss }] of restarts.entries()) {
        const expected = alone.restarts[j]!;
        for (const [name, { data, shape }] of Object.entries(expected.model.state.parameters)) {
          const got = model.state.parameters[name]!;
          expect(got.shape).to.deep.equal(shape);
          for (const [at, value] of got.data.entries()) {
            expect(value, `run ${i}, ${name}`).to.be.closeTo(data[at]!, 1e-5);
          }
        }
        expect(loss).to.be.closeTo(expected.loss, 1e-5);
        expected.history.loss.forEach((value, step) => {
          expect(history.loss[step]).to.be.closeTo(value, 1e-5);
        });
      }
    }
    expect(together[3]!.loss).to.equal(0);
    // A restart is the same whether it comes with the others or alone.
    const three = await trainToyModel({ ...base, seed: 1, restarts: 3 }, { engine });
    for (const [name, { data }] of Object.entries(three.restarts[2]!.model.state.parameters)) {
      const got = together[5]!.model.state.parameters[name]!.data;
      for (const [at, value] of data.entries()) expect(got[at]).to.be.closeTo(value, 1e-5);
    }
  });

  it('chooses the restart of the lowest training loss, and measures each on data that training never saw', async () => {
    const { restarts, best, model, loss } = await trainToyModel({ ...SETTINGS, restarts: 5 }, { engine });
    for (const { history, trainingLoss } of restarts) {
      expect(trainingLoss).to.be.closeTo((history.loss[38]! + history.loss[39]!) / 2, 1e-7);
    }
    const training = restarts.map(restart => restart.trainingLoss);
    expect(training[best]).to.equal(Math.min(...training));
    expect([model, loss]).to.deep.equal([restarts[best]!.model, restarts[best]!.loss]);
    // A fresh sample of each restart's own loss, by hand.
    const source = await SETTINGS.data.open({ seed: 1, batchSize: 64, restart: best });
    let sum = 0;
    let count = 0;
    for await (const { input } of source.heldOut(16_384, 4096)) {
      const { reconstruction } = model.forward(input);
      for (const [i, value] of input.data.entries()) sum += (value - reconstruction.data[i]!) ** 2;
      count += input.data.length;
    }
    expect(loss).to.be.closeTo(sum / count, 1e-6);
    expect(loss).to.not.equal(training[best]);
  });

  it('weights by importance: a feature of none is not represented', async () => {
    const settings = { ...SETTINGS, data: features(0), steps: 1500, learningRate: 0.01 };
    const { model, loss } = await trainToyModel({ ...settings, importance: [1, 1, 0, 0] }, { engine });
    expect(loss).to.be.lessThan(1e-4);
    const { data } = model.featureDirections();
    const norm = (row: number): number => Math.hypot(data[2 * row]!, data[2 * row + 1]!);
    expect(norm(0)).to.be.closeTo(1, 0.05);
    expect(norm(1)).to.be.closeTo(1, 0.05);
  });

  it('trains for no steps: the model as it started', async () => {
    const none = await trainToyModel({ ...SETTINGS, steps: 0, restarts: 2 }, { engine });
    expect(none.history.steps).to.equal(0);
    expect(none.model.state.parameters['weight']!.data.every(Number.isFinite)).to.equal(true);
    const aborted = new AbortController();
    aborted.abort(new Error('not now'));
    expect((await rejection(trainToyModel(SETTINGS, { engine, signal: aborted.signal }))).message).to.equal('not now');
  });

  it('refuses what does not fit', async () => {
    const refused = (settings: object) => rejection(trainToyModel({ ...SETTINGS, ...settings }, { engine }));
    expect(await refused({ importance: [1, 1] })).to.be.instanceOf(InvalidShapeError);
    expect(await refused({ restarts: 0 })).to.be.instanceOf(InvalidValueError);
    expect((await refused({ restarts: 2, restart: 1 })).message).to.include('restart 1 is one model');
    expect(() => features(1.5)).to.throw(InvalidValueError, '1.5: it must be between 0 and 1');
  });
});
