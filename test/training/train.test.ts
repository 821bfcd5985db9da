import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type BatchSource, generatedBatches } from '../../src/data/batch-source.ts';
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
import { toyModelProgram } from '../../src/training/train-toy-models.ts';

const STEPS = 60;
const SETTINGS = { nFeatures: 5, nHidden: 2, sparsity: 0.7, batchSize: 16, steps: STEPS, seed: 3 };

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

  function run(engine: string, options: Partial<TrainOptions> = {}): Promise<Trained> {
    const { program, batches } = toyModelProgram(SETTINGS);
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
        take: (state: Trained['state']) => state['parameters.weight']!,
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
      expect(kept!.step).to.be.within(30, 33);
      expect(kept!.metrics['loss']).to.have.length(kept!.step);
      for (const { data } of Object.values(kept!.state)) expect(data.every(Number.isFinite)).to.equal(true);
    });
  }

  it('ends after the call in flight when aborted, saves, and leaves the source where training stopped', async () => {
    const controller = new AbortController();
    let kept: Checkpoint | undefined;
    const { program, batches } = toyModelProgram(SETTINGS);
    const stopped = await train({
      program,
      batches,
      steps: STEPS,
      engine: engines['compiled']!,
      stepsPerCall: 8,
      signal: controller.signal,
      onProgress: ({ step }) => {
        if (step >= 24) controller.abort();
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
    expect(stopped.step).to.equal(24);
    expect(kept!.step).to.equal(24);
    expect(batches.state()).to.deep.equal(kept!.batches);
    const resumed = await run('compiled', { resume: kept! });
    expect(bitsOf(resumed)).to.deep.equal(bitsOf(await run('compiled')));
  });

  it('keeps the checkpoint before where the batches themselves fail', async () => {
    const { program, batches } = toyModelProgram(SETTINGS);
    let fills = 0;
    let kept = -1;
    const failing: BatchSource = {
      state: () => batches.state(),
      restore: state => batches.restore(state),
      async fill(inputs, steps) {
        if (fills++ === 3) throw new Error('the disk is gone');
        await batches.fill(inputs, steps);
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
    expect(kept).to.equal(30);
  });

  it('takes snapshots at the steps asked for, the start and the end included', async () => {
    const { program } = toyModelProgram(SETTINGS);
    const { snapshots, state } = await run('compiled', {
      snapshots: { steps: [0, 1, 50, STEPS], take: current => current['parameters.weight']! },
    });
    expect(snapshots.map(({ step }) => step)).to.deep.equal([0, 1, 50, STEPS]);
    expect(snapshots[0]!.value).to.deep.equal(program.state['parameters.weight']);
    expect(snapshots[3]!.value).to.deep.equal(state['parameters.weight']);
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

  it('refuses a number of steps that is no count', async () => {
    for (const steps of [-1, 1.5, Number.NaN]) {
      const failure = await run('compiled', { steps }).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(InvalidValueError);
    }
  });
});
