import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type BatchSource, generatedBatches } from '../../src/data/batch-source.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { randomStream } from '../../src/data/streams.ts';
import { SyntheticSparseDataGenerator } from '../../src/data/synthetic-sparse.ts';
import { prepareCpuBackend } from '../../src/engines/backends.ts';
import { createEagerEngine } from '../../src/engines/eager.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { DivergenceError, InvalidValueError } from '../../src/errors.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { Checkpoint } from '../../src/training/checkpoint.ts';
import { type Trained, type TrainOptions, train } from '../../src/training/train.ts';
import { toyModelStep } from '../../src/training/train-toy-model.ts';

const STEPS = 60;
const data = sparseFeatures({ nFeatures: 5, sparsity: 0.7 });
const SETTINGS = { data, nHidden: 2, batchSize: 16, steps: STEPS, seed: 3 };

function bitsOf(run: Trained) {
  return { state: run.state, metrics: run.metrics, snapshots: run.snapshots };
}

/** Batches whose number `at` is not finite. */
function poisoned(at: number): BatchSource {
  const make = (random: ReturnType<typeof randomStream>) => {
    const generator = new SyntheticSparseDataGenerator(16, [0, 0, 0, 0, 0], random);
    return { fill: (into: Float32Array) => generator.fill(into) };
  };
  const good = generatedBatches('features', randomStream(0, 1), make);
  let step = 0;
  return {
    state: () => good.state(),
    restore: state => good.restore(state),
    async fill(inputs, steps) {
      await good.fill(inputs, steps);
      for (let i = 0; i < steps; i++) if (step++ === at) inputs['features']![i * 80 + 7] = Number.NaN;
    },
  };
}

describe('the training loop', () => {
  let engines: Record<string, Engine>;

  before(async () => {
    engines = {
      compiled: createOnnxRuntimeEngine(await loadNodeRuntime()),
      eager: createEagerEngine('cpu', await prepareCpuBackend()),
    };
  });

  async function run(engine: string, options: Partial<TrainOptions> = {}): Promise<Trained> {
    const { program, batches } = await toyModelStep(SETTINGS);
    return train({ program, batches, steps: STEPS, engine: engines[engine]!, ...options });
  }

  for (const engine of ['compiled', 'eager']) {
    it(`gives the same bits whatever the number of steps a call: ${engine}`, async () => {
      const whole = await run(engine);
      expect(whole.step).to.equal(STEPS);
      expect(whole.metrics['loss']).to.have.length(STEPS);
      expect(bitsOf(await run(engine, { stepsPerCall: 7 }))).to.deep.equal(bitsOf(whole));
    });

    it(`gives the same bits resumed from each checkpoint as never stopped: ${engine}`, async () => {
      const snapshots = {
        steps: [0, 13, 40, STEPS],
        take: (state: Trained['state']) => ({ weight: state['parameters.weight']! }),
      };
      const whole = await run(engine, { snapshots });
      const checkpoints: Checkpoint[] = [];
      const checkpoint = {
        every: 17,
        experiment: {},
        where: 'memory',
        save: async (saved: Checkpoint) => {
          checkpoints.push(structuredClone(saved));
        },
      };
      await run(engine, { snapshots, checkpoint, stepsPerCall: 5 });
      expect(checkpoints.map(({ step }) => step)).to.deep.equal([17, 34, 51, STEPS]);
      for (const resume of checkpoints) {
        expect(bitsOf(await run(engine, { snapshots, resume }))).to.deep.equal(bitsOf(whole));
      }
    });

    it(`stops where the loss is not finite, names the step, and keeps the last good state: ${engine}`, async () => {
      let kept: Checkpoint | undefined;
      const save = async (saved: Checkpoint) => {
        kept = structuredClone(saved);
      };
      const failure = await run(engine, {
        batches: poisoned(33),
        stepsPerCall: 10,
        checkpoint: { every: 1000, experiment: {}, where: 'runs/x', save },
      }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).to.be.instanceOf(DivergenceError);
      expect((failure as DivergenceError).at).to.equal(33);
      expect((failure as Error).message)
        .to.include('step 33')
        .and.include('runs/x');
      await expectOfOneMoment(engine, kept!);
    });

    it(`says that nothing was saved where the first call already fails: ${engine}`, async () => {
      const saved: Checkpoint[] = [];
      const failure = await run(engine, {
        batches: poisoned(1),
        stepsPerCall: 10,
        checkpoint: { every: 1000, experiment: {}, where: 'runs/x', save: async kept => void saved.push(kept) },
      }).catch((error: unknown) => error);
      expect(saved).to.deep.equal([]);
      expect((failure as Error).message)
        .to.include('no checkpoint was written')
        .and.not.include('runs/x');
    });
  }

  /** State, step, metrics and position are those of a run of so many steps, and the position is before the poison. */
  async function expectOfOneMoment(engine: string, kept: Checkpoint): Promise<void> {
    expect(kept.step).to.be.within(1, 33);
    expect(kept.metrics['loss']).to.have.length(kept.step);
    const until = await run(engine, { batches: poisoned(33), steps: kept.step });
    expect(kept.state).to.deep.equal(until.state);
    expect(kept.metrics).to.deep.equal(until.metrics);
    const position = poisoned(1000);
    await position.fill({ features: new Float32Array(kept.step * 80) }, kept.step);
    expect(kept.batches).to.deep.equal(position.state());
  }

  it('saves a checkpoint of one moment where the engine stands after some steps of the call that failed', async () => {
    // As the sparse update does, whose steps are not undone.
    const compiled = engines['compiled']!;
    const stepping: Engine = {
      name: compiled.name,
      async prepare(program, options) {
        const runner = await compiled.prepare(program, { ...options, maxSteps: 1 });
        return {
          description: runner.description,
          read: () => runner.read(),
          dispose: () => runner.dispose(),
          async run(steps, batches) {
            const loss: number[] = [];
            for (let step = 0; step < steps; step++) {
              const features = batches['features']!.slice(step * 80, (step + 1) * 80);
              try {
                loss.push((await runner.run(1, { features }))['loss']![0]!);
              } catch (error) {
                throw new DivergenceError((error as Error).message, step, step, { loss: Float32Array.from(loss) });
              }
            }
            return { loss: Float32Array.from(loss) };
          },
        };
      },
    };
    let kept: Checkpoint | undefined;
    const failure = await run('compiled', {
      engine: stepping,
      batches: poisoned(33),
      stepsPerCall: 10,
      checkpoint: {
        every: 1000,
        experiment: {},
        where: 'runs/x',
        save: async saved => {
          kept = structuredClone(saved);
        },
      },
    }).catch((error: unknown) => error);
    expect((failure as DivergenceError).at).to.equal(33);
    expect((failure as Error).message).to.include('the last good state, after 33 steps, is in runs/x');
    expect(kept!.step).to.equal(33);
    await expectOfOneMoment('compiled', kept!);
  });

  it('ends after the call in flight when aborted, saves, and leaves the source where training stopped', async () => {
    const controller = new AbortController();
    const reported: number[] = [];
    let kept: Checkpoint | undefined;
    const { program, batches } = await toyModelStep(SETTINGS);
    const stopped = await train({
      program,
      batches,
      steps: STEPS,
      engine: engines['compiled']!,
      stepsPerCall: 8,
      signal: controller.signal,
      onProgress: ({ step }) => {
        if (step < 24) return;
        reported.push(step);
        controller.abort();
      },
      checkpoint: {
        every: 1000,
        experiment: {},
        where: 'memory',
        save: async saved => {
          kept = saved;
        },
      },
    });
    expect(stopped.stopped).to.equal(true);
    // A call has eight steps, or fewer where the machine has been busy.
    expect(stopped.step).to.be.within(24, 31);
    expect(reported).to.deep.equal([stopped.step]);
    expect(kept!.step).to.equal(stopped.step);
    expect(batches.state()).to.deep.equal(kept!.batches);
    const resumed = await run('compiled', { resume: kept! });
    expect(bitsOf(resumed)).to.deep.equal(bitsOf(await run('compiled')));
  });

  it('keeps the checkpoint before where the batches themselves fail', async () => {
    const { program, batches } = await toyModelStep(SETTINGS);
    let fills = 0;
    let filled = 0;
    let kept = -1;
    const failing: BatchSource = {
      state: () => batches.state(),
      restore: state => batches.restore(state),
      async fill(inputs, steps) {
        if (fills++ === 3) throw new Error('the disk is gone');
        await batches.fill(inputs, steps);
        filled += steps;
      },
    };
    const failure = await train({
      program,
      batches: failing,
      steps: STEPS,
      engine: engines['compiled']!,
      stepsPerCall: 10,
      checkpoint: {
        every: 1000,
        experiment: {},
        where: 'memory',
        save: async ({ step }) => {
          kept = step;
        },
      },
    }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(failure).to.equal('the disk is gone');
    expect(kept).to.equal(filled);
  });

  it('takes snapshots at the steps asked for, the start and the end included', async () => {
    const { program } = await toyModelStep(SETTINGS);
    const { snapshots, state } = await run('compiled', {
      snapshots: { steps: [0, 1, 50, STEPS], take: current => ({ weight: current['parameters.weight']! }) },
    });
    expect(snapshots.map(({ step }) => step)).to.deep.equal([0, 1, 50, STEPS]);
    expect(snapshots[0]!.value['weight']).to.deep.equal(program.state['parameters.weight']);
    expect(snapshots[3]!.value['weight']).to.deep.equal(state['parameters.weight']);
  });

  it('holds no more tensors after many steps than after few', async () => {
    const counts: number[] = [];
    for (const steps of [5, 40]) {
      const before = tf.memory().numTensors;
      await run('eager', { steps, stepsPerCall: 5, onProgress: () => counts.push(tf.memory().numTensors - before) });
      expect(tf.memory().numTensors, 'after training').to.equal(before);
    }
    expect(new Set(counts).size, counts.join(', ')).to.equal(1);
  });

  it('yields to timers and signals between calls', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await run('compiled', { steps: 2000, stepsPerCall: 50 });
    clearInterval(timer);
    expect(ticks).to.be.at.least(3);
  });

  it('has empty metrics after no steps, and refuses to go back to fewer steps than a checkpoint has', async () => {
    const none = await run('compiled', { steps: 0 });
    expect([none.step, none.stopped, none.metrics]).to.deep.equal([0, false, { loss: new Float32Array(0) }]);
    const resume: Checkpoint = {
      experiment: {},
      step: STEPS + 1,
      state: none.state,
      metrics: { loss: new Float32Array(STEPS + 1) },
      snapshots: [],
      batches: undefined,
    };
    const failure = await run('compiled', { resume }).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(InvalidValueError);
    expect((failure as Error).message).to.include('holds 61 steps, more than the 60');
  });

  it('refuses a number of steps that is no count', async () => {
    for (const steps of [-1, 1.5, Number.NaN]) {
      const failure = await run('compiled', { steps }).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(InvalidValueError);
    }
  });
});
