/** What every engine's step runner does, tested on a toy model's training step. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import type { Engine, StepProgram, StepRunner } from '../../src/engines/engine.ts';
import { DivergenceError } from '../../src/errors.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { filled, type HostTensors } from '../../src/tensor.ts';
import { toyModelTrainable } from '../../src/training/losses.ts';
import { adam } from '../../src/training/optimizers.ts';
import { trainingStep } from '../../src/training/training-step.ts';
import { normals } from '../models/tensors.ts';

const [BATCH, N_FEATURES] = [8, 5];
const STEP_SIZE = BATCH * N_FEATURES;

export function toyProgram(seed = 1): StepProgram {
  const model = new ToyModel({ nFeatures: N_FEATURES, nHidden: 2 }, createRandomSource(seed));
  return trainingStep({
    model: toyModelTrainable(model, filled([N_FEATURES], 1)),
    state: model.state,
    optimizer: adam(),
    batch: { features: [BATCH, N_FEATURES] },
  });
}

/** Batches of `steps` steps. */
export function toyBatches(steps: number): Float32Array {
  return normals([steps, BATCH, N_FEATURES], 2).data.map(Math.abs);
}

function copied(state: HostTensors): Record<string, number[]> {
  return Object.fromEntries(Object.entries(state).map(([name, { data }]) => [name, Array.from(data)]));
}

/** `maxSteps` is what the runner is prepared for: 1 may mean another form than many. */
export function itRunsSteps(start: () => Promise<Engine>, maxSteps: number): void {
  const using = async (program: StepProgram, use: (runner: StepRunner) => Promise<void>): Promise<void> => {
    const runner = await (await start()).prepare(program, { maxSteps });
    await use(runner).finally(() => runner.dispose());
  };
  const stepsOf = (batches: Float32Array, from: number, to: number) => ({
    features: batches.slice(from * STEP_SIZE, to * STEP_SIZE),
  });

  it('gives the same bits however steps are divided over calls', async () => {
    const batches = toyBatches(7);
    const results: unknown[] = [];
    for (const cuts of [
      [0, 7],
      [0, 3, 7],
      [0, 1, 2, 3, 4, 5, 6, 7],
    ]) {
      await using(toyProgram(), async runner => {
        const losses: number[] = [];
        for (const [i, from] of cuts.slice(0, -1).entries()) {
          const to = cuts[i + 1]!;
          const { loss } = await runner.run(to - from, stepsOf(batches, from, to));
          expect(loss).to.have.length(to - from);
          losses.push(...loss!);
        }
        results.push({ losses, state: copied(await runner.read()) });
      });
    }
    expect(results[1]).to.deep.equal(results[0]);
    expect(results[2]).to.deep.equal(results[0]);
  });

  it('leaves the given state alone, and hands out copies of its own', async () => {
    const program = toyProgram();
    const before = copied(program.state);
    await using(program, async runner => {
      const start = await runner.read();
      expect(copied(start)).to.deep.equal(before);
      await runner.run(2, { features: toyBatches(2) });
      expect(copied(start)).to.deep.equal(before);
      const after = await runner.read();
      const kept = copied(after);
      for (const { data } of Object.values(after)) data.fill(Number.NaN);
      expect(copied(await runner.read())).to.deep.equal(kept);
      expect(kept['parameters.weight']).to.not.deep.equal(before['parameters.weight']);
    });
    expect(copied(program.state)).to.deep.equal(before);
  });

  it('stops at a loss that is not finite, with the state of a step before, and can go on from there', async () => {
    const [good, bad] = [toyBatches(6), toyBatches(6)];
    bad[3 * STEP_SIZE + 1] = Number.NaN;
    await using(toyProgram(), async runner => {
      const error = await runner.run(6, { features: bad }).then(
        () => undefined,
        (reason: unknown) => reason as DivergenceError,
      );
      expect(error).to.be.instanceOf(DivergenceError);
      expect(error!.at).to.equal(3);
      expect(error!.step).to.be.within(0, 3);
      const state = copied(await runner.read());
      await using(toyProgram(), async other => {
        if (error!.step > 0) await other.run(error!.step, stepsOf(good, 0, error!.step));
        expect(state).to.deep.equal(copied(await other.read()));
        const rest = stepsOf(good, error!.step, 6);
        const [resumed, whole] = [await runner.run(6 - error!.step, rest), await other.run(6 - error!.step, rest)];
        expect(resumed).to.deep.equal(whole);
      });
    });
  });

  it('keeps runners apart', async () => {
    await using(toyProgram(1), async first => {
      await using(toyProgram(2), async second => {
        const before = copied(await second.read());
        await first.run(1, { features: toyBatches(1) });
        expect(copied(await second.read())).to.deep.equal(before);
        expect(first.description.reason).to.not.equal('');
      });
    });
  });
}
