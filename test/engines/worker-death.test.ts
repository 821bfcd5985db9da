/** Threads that die while a training runs on them. */
import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { createEngine } from '../../src/engines/create-engine.ts';
import { createSparseUpdateRunner, type SparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import { InvalidShapeError, WorkerDiedError } from '../../src/errors.ts';
import type { Checkpoint } from '../../src/training/checkpoint.ts';
import { train } from '../../src/training/train.ts';
import { toyModelStep } from '../../src/training/train-toy-model.ts';
import {
  describedProgram,
  describeStep,
  initialState,
  normals,
  randomParameters,
  uniforms,
} from './sparse-update-oracle.ts';

/** Threads of the sparse update that wait for work, and would be taken first. */
async function occupyIdleThreads(): Promise<SparseUpdateRunner[]> {
  for (const occupied: SparseUpdateRunner[] = []; ; ) {
    const [runner, started] = await threadsOf(() => startRunner(1));
    occupied.push(runner);
    if (started.length > 0) return occupied;
  }
}

/** The threads that `task` starts. */
async function threadsOf<Result>(task: () => Promise<Result>): Promise<[Result, readonly Worker[]]> {
  const started: Worker[] = [];
  const note = (worker: Worker): number => started.push(worker);
  process.on('worker', note);
  try {
    return [await task(), started];
  } finally {
    process.off('worker', note);
  }
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it went on'),
    (error: Error) => error,
  );
}

const descriptor = describeStep({ dIn: 10, dSae: 130, batchSize: 16, k: 4 });
const state = () => initialState(descriptor, randomParameters(descriptor, uniforms(1)));
const STEP = 160;

function startRunner(threads: number): Promise<SparseUpdateRunner> {
  return createSparseUpdateRunner(describedProgram(descriptor, state()), { threads, anySize: true });
}

describe('the sparse update, when a thread dies', () => {
  const start = (threads: number) => threadsOf(() => startRunner(threads));
  let occupied: SparseUpdateRunner[];
  before(async () => {
    occupied = await occupyIdleThreads();
  });
  after(() => Promise.all(occupied.map(runner => runner.dispose())));

  for (const [which, when] of [
    [0, 'while it runs'],
    [2, 'while it runs'],
    [1, 'between two runs'],
  ] as const) {
    it(`frees the others and says which it was: shard ${which + 1} of 3, ${when}`, async () => {
      const [runner, threads] = await start(3);
      await runner.run(2, { activations: normals(2 * STEP, uniforms(2)) });
      // More steps than can be done before the thread is gone.
      const run = () => runner.run(20_000, { activations: new Float32Array(20_000 * STEP).fill(0.5) });
      let running: Promise<Error>;
      const began = performance.now();
      if (when === 'while it runs') {
        running = failure(run());
        await threads[which]!.terminate();
      } else {
        await threads[which]!.terminate();
        running = failure(run());
      }
      const error = await running;
      expect(error).to.be.instanceOf(WorkerDiedError);
      expect(error).to.include({ worker: `shard ${which + 1} of 3 of a sparse update` });
      expect(performance.now() - began, 'milliseconds, or the others waited for it').to.be.below(2000);
      // What is left of the state is of no moment, and is not given out.
      expect(await failure(runner.read())).to.equal(error);
      await runner.dispose();
    });
  }

  it('leaves the last good state as it was saved, from which training goes on to the same bits', async () => {
    const steps = 40;
    const activations = normals(steps * STEP, uniforms(2));
    const source = () => {
      let at = 0;
      return {
        fill: async ({ activations: out }: Record<string, Float32Array>, count: number) => {
          out!.set(activations.subarray(at * STEP, (at + count) * STEP));
          at += count;
        },
        state: () => at,
        restore: async (position: unknown) => {
          at = position as number;
        },
      };
    };
    const threads: Worker[] = [];
    const engine = {
      name: 'onnxruntime' as const,
      prepare: async (program: Parameters<typeof createSparseUpdateRunner>[0]) => {
        const [runner, started] = await threadsOf(() =>
          createSparseUpdateRunner(program, { threads: 2, anySize: true }),
        );
        threads.push(...started);
        return runner;
      },
    };
    const options = { engine, steps, stepsPerCall: 5, program: describedProgram(descriptor, state()) };
    const whole = await train({ ...options, batches: source() });

    const saved: Checkpoint[] = [];
    const checkpoint = {
      every: 10,
      experiment: {},
      where: 'memory',
      async save(kept: Checkpoint) {
        saved.push(structuredClone(kept));
        if (saved.length === 2) await threads[1]!.terminate();
      },
    };
    const error = await failure(train({ ...options, batches: source(), checkpoint }));
    expect(error).to.be.instanceOf(WorkerDiedError);
    expect(error.message).to.contain('of 2 of a sparse update died').and.contain('after 20 steps, is in memory');
    expect(saved.map(({ step }) => step)).to.deep.equal([10, 20]);
    const resumed = await train({ ...options, batches: source(), resume: saved[1]! });
    expect(resumed.state).to.deep.equal(whole.state);
  });

  it('keeps the class of what is wrong with a state', async () => {
    const program = describedProgram(descriptor, {
      ...state(),
      'parameters.b_dec': { data: new Float32Array(9), shape: [9] },
    });
    expect(await failure(createSparseUpdateRunner(program, { anySize: true }))).to.be.instanceOf(InvalidShapeError);
  });
});

describe('steps in threads, when a thread dies', () => {
  const settings = {
    data: sparseFeatures({ nFeatures: 5, sparsity: 0.9 }),
    nHidden: 2,
    restarts: 6,
    batchSize: 32,
    steps: 60,
    seed: 3,
  };

  it('rejects with an error that says so, whichever of the parts it was, and the engine can start again', async () => {
    const engine = await createEngine({ engine: 'onnxruntime', threads: 2 });
    const prepare = async () => {
      const { program, batches } = await toyModelStep(settings);
      return engine.prepare(program, { maxSteps: 200, batches: batches.recipe!() });
    };
    // Idle threads of other tests are taken first.
    const occupied = [await prepare(), await prepare()];
    const [runner, threads] = await threadsOf(prepare);
    expect(threads).to.have.length(2);
    await runner.run(3, {});
    const running = failure(runner.run(200, {}).then(() => runner.run(200, {})));
    await threads[1]!.terminate();
    const error = await running;
    expect(error).to.be.instanceOf(WorkerDiedError).and.include({ worker: 'a training step' });
    await runner.dispose();
    await Promise.all(occupied.map(other => other.dispose()));
    const again = await prepare();
    expect((await again.run(3, {}))['loss']).to.have.length(3);
    await again.dispose();
  });

  it('keep the class of an error', async () => {
    const engine = await createEngine({ engine: 'onnxruntime' });
    const { program, batches: own } = await toyModelStep({ ...settings, restarts: 1 });
    const samples = { kind: 'sparse', batchSize: 32, sparsity: { data: [0.9, 0.9, 0.9], shape: [3] } } as const;
    const random = own.recipe!()!.members[0]!.random;
    const batches = { input: 'features', layout: 'alone', readers: [0], members: [{ samples, random }] } as const;
    const runner = await engine.prepare(program, { maxSteps: 2, batches });
    expect(await failure(runner.run(2, {}))).to.be.instanceOf(InvalidShapeError);
    await runner.dispose();
  });
});
