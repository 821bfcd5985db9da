/** Compiled steps in worker threads: the same as in this one, divided among several, and what happens when something fails. */
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { BatchRecipe } from '../../src/data/batch-source.ts';
import { generatedSource } from '../../src/data/generated-source.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { createEngine } from '../../src/engines/create-engine.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { DivergenceError } from '../../src/errors.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { HostTensors } from '../../src/tensor.ts';
import { trainSaes, trainToyModel } from '../../src/training/node.ts';
import { train } from '../../src/training/train.ts';
import { toyModelStep } from '../../src/training/train-toy-model.ts';
import { temporaryFolder } from '../experiments/context.ts';
import { itRunsSteps } from './step-runner-contract.ts';

const threaded = (threads?: number): Promise<Engine> => createEngine({ engine: 'onnxruntime', threads });

describe('onnxruntime in a thread, a step a call', () => itRunsSteps(threaded, 1));
describe('onnxruntime in a thread, Scan', () => itRunsSteps(threaded, 7));

const SETTINGS = {
  data: sparseFeatures({ nFeatures: 5, sparsity: 0.9 }),
  nHidden: 2,
  restarts: 7,
  batchSize: 32,
  steps: 60,
  seed: 3,
};

function expectClose(actual: HostTensors, expected: HostTensors, tolerance: number): void {
  expect(Object.keys(actual)).to.have.members(Object.keys(expected));
  for (const [name, { data, shape }] of Object.entries(expected)) {
    expect(actual[name]!.shape, name).to.deep.equal(shape);
    for (let i = 0; i < data.length; i++) expect(actual[name]!.data[i], name).to.be.closeTo(data[i]!, tolerance);
  }
}

/** The recipe of a program's batches whose instance `bad` draws features scaled by a weight that is not finite. */
function poisoned(recipe: BatchRecipe, bad: number): BatchRecipe {
  return {
    ...recipe,
    members: recipe.members.map((member, i) => {
      if (i !== bad) return member;
      const data = new Float32Array(25).fill(Number.NaN);
      return { ...member, samples: { kind: 'hidden', weight: { data, shape: [5, 5] }, features: member.samples } };
    }),
  };
}

describe('steps in threads', () => {
  it('are given batches without V8 collecting all garbage at every call', async () => {
    // Batches that the calling thread draws move to the worker; side by side they were 64 MiB, and each call collected in both threads.
    const data = generatedSource({
      description: { kind: 'normal' },
      width: 8,
      generator: random => ({
        fill(into) {
          for (let i = 0; i < into.length; i++) into[i] = random.normal();
        },
      }),
    });
    const vary = Array.from({ length: 16 }, (_, seed) => ({ seed }));
    let collections = 0;
    const observer = new PerformanceObserver(list => {
      for (const entry of list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[]) {
        if (entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++;
      }
    });
    observer.observe({ entryTypes: ['gc'] });
    await trainSaes({ data, dSae: 16, activation: { kind: 'relu', l1: 0.01 }, batchSize: 1024, steps: 400, vary });
    await sleep(1);
    observer.disconnect();
    expect(collections).to.be.below(20);
  });

  it('train as in this thread, drawing the same batches, with one thread or several that share the instances', async () => {
    const here = await trainToyModel(SETTINGS, { engine: createOnnxRuntimeEngine(await loadNodeRuntime()) });
    for (const threads of [1, 2, 3, 16]) {
      const there = await trainToyModel(SETTINGS, { engine: await threaded(threads), stepsPerCall: 13 });
      for (const [i, { model, history }] of there.restarts.entries()) {
        const expected = here.restarts[i]!;
        expectClose(model.state.parameters, expected.model.state.parameters, 1e-5);
        expectClose(
          { losses: { data: history.loss, shape: [] } },
          { losses: { data: expected.history.loss, shape: [] } },
          1e-5,
        );
      }
    }
  });

  it('repeat to the bit, and leave the source where training ended, so that a run goes on as if never stopped', async () => {
    const engine = await threaded(2);
    const run = async (cut: number | undefined) => {
      const { program, batches } = await toyModelStep(SETTINGS);
      const first = await train({ program, batches, engine, steps: cut ?? 60 });
      if (cut === undefined) return first.state;
      return (await train({ program: { ...program, state: first.state }, batches, engine, steps: 60 - cut })).state;
    };
    const whole = await run(undefined);
    expect(await run(undefined)).to.deep.equal(whole);
    expect(await run(25)).to.deep.equal(whole);
  });

  it('gives an instance the numbers that it has among fewer', async () => {
    const engine = await threaded(2);
    const seven = await trainToyModel(SETTINGS, { engine });
    const three = await trainToyModel({ ...SETTINGS, restarts: 3 }, { engine });
    for (const [i, { model }] of three.restarts.entries()) {
      expectClose(model.state.parameters, seven.restarts[i]!.model.state.parameters, 1e-5);
    }
  });

  it('train runs that read the same batches, in both parts and in one alone, and go on to the same bits', async () => {
    const data = sparseFeatures({ nFeatures: 3, sparsity: [0.9, 0.8, 0.5] });
    const shared = {
      data,
      dSae: 6,
      batchSize: 32,
      steps: 60,
      sampleSize: 500,
      start: { directions: 'gaussian' },
    } as const;
    // Divided after the third: seed 5 is read in both parts, 7 in the first alone, 8 in the second.
    const vary = [5, 7, 5, 5, 8].map((seed, i) => ({ seed, activation: { kind: 'topk', k: 1 + (i % 3) } as const }));
    const settings = { ...shared, activation: { kind: 'topk', k: 1 } as const, vary };
    const here = await trainSaes(settings, { engine: createOnnxRuntimeEngine(await loadNodeRuntime()) });
    const engine = await threaded(2);
    const there = await trainSaes(settings, { engine });
    for (const [i, { sae, history }] of there.entries()) {
      expectClose(sae.state.parameters, here[i]!.sae.state.parameters, 1e-5);
      expect(history.loss[59]).to.be.closeTo(here[i]!.history.loss[59]!, 1e-5);
    }
    const checkpoint = await temporaryFolder();
    const interruption = new AbortController();
    const onProgress = ({ step }: { step: number }) => step >= 25 && interruption.abort();
    const stop = { signal: interruption.signal, onProgress, stepsPerCall: 5 };
    const stopped = await trainSaes(settings, { engine, checkpoint, ...stop });
    expect(stopped[0]!.stopped).to.equal(true);
    const resumed = await trainSaes(settings, { engine, checkpoint, resume: true });
    expect(resumed.map(({ sae }) => sae.state)).to.deep.equal(there.map(({ sae }) => sae.state));
  });

  for (const bad of [1, 6]) {
    it(`stands at one step after instance ${bad} of two threads' seven diverged, and can go on`, async () => {
      const { program, batches } = await toyModelStep(SETTINGS);
      const engine = await threaded(2);
      const good = await engine.prepare(program, { maxSteps: 5, batches: batches.recipe!() });
      await good.run(5, {});
      const state = await good.read();
      const position = good.drawn!.position;
      await good.dispose();

      const restored = (await toyModelStep(SETTINGS)).batches;
      await restored.restore(position);
      const runner = await engine.prepare(
        { ...program, state },
        { maxSteps: 5, batches: poisoned(restored.recipe!()!, bad) },
      );
      const error = await runner.run(5, {}).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(DivergenceError);
      expect((error as DivergenceError).at).to.equal(0);
      expect(await runner.read()).to.deep.equal(state);
      await runner.dispose();
    });
  }

  it('takes given arrays as they are, and those it lent without a copy', async () => {
    const { program, batches } = await toyModelStep({ ...SETTINGS, restarts: 1 });
    const runner = await (await threaded()).prepare(program, { maxSteps: 4 });
    expect(runner.drawn).to.equal(undefined);
    const lent = runner.take!(4 * 160);
    await batches.fill({ features: lent }, 4);
    const own = Float32Array.from(lent);
    const first = await runner.run(4, { features: own });
    expect(own).to.have.length(4 * 160);
    const other = await (await threaded()).prepare(program, { maxSteps: 4 });
    expect(await runner.run(4, { features: lent })).to.not.deep.equal(first);
    expect(lent.length).to.equal(0);
    expect(await other.run(4, { features: own })).to.deep.equal(first);
    await Promise.all([runner.dispose(), other.dispose()]);
  });

  it('lends the memory of a batch for batches, and not for numbers', async () => {
    const { program, batches } = await toyModelStep({ ...SETTINGS, restarts: 1 });
    const runner = await (await threaded()).prepare(program, { maxSteps: 4 });
    const lent = runner.take!(4 * 160);
    const { buffer } = lent;
    await batches.fill({ features: lent }, 4);
    await runner.run(4, { features: lent });
    expect(buffer.byteLength, 'lent, and gone').to.equal(0);
    // A learning rate for four steps; then the next batch has the room that came back.
    expect(runner.take!(4).buffer.byteLength).to.equal(16);
    expect(runner.take!(3 * 160).buffer.byteLength).to.equal(4 * 4 * 160);
    await runner.dispose();
  });

  it('does not grow from run to run on arrays that are given, not lent', async () => {
    const { program, batches } = await toyModelStep({ ...SETTINGS, restarts: 1, batchSize: 1024 });
    const runner = await (await threaded()).prepare(program, { maxSteps: 20 });
    const features = new Float32Array(20 * 1024 * 5);
    await batches.fill({ features }, 20);
    await runner.run(20, { features });
    const before = process.memoryUsage().arrayBuffers;
    for (let run = 0; run < 100; run++) await runner.run(20, { features });
    // 400 KB a run.
    expect((process.memoryUsage().arrayBuffers - before) / 2 ** 20).to.be.lessThan(10);
    await runner.dispose();
  });

  it('leaves this thread free: no event waits longer than a few milliseconds', async () => {
    const settings = { ...SETTINGS, restarts: 64, batchSize: 1024, steps: 300 };
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const engine = await threaded(1);
    // Recording the step and drawing snapshots do hold it; running does not.
    const { program, batches } = await toyModelStep(settings);
    const runner = await engine.prepare(program, { maxSteps: 300, batches: batches.recipe!() });
    await sleep(20);
    delay.enable();
    const started = performance.now();
    await runner.run(300, {});
    const took = performance.now() - started;
    delay.disable();
    await runner.dispose();
    expect(took).to.be.greaterThan(200);
    expect(delay.max / 1e6).to.be.lessThan(took / 2);
  });

  it('reports what goes wrong in the thread, with the last good state still there to save', async () => {
    const { program } = await toyModelStep({ ...SETTINGS, restarts: 1 });
    const samples = { kind: 'sparse', batchSize: 32, sparsity: { data: [0.9, 0.9, 0.9], shape: [3] } } as const;
    const random = createRandomSource(1).state();
    const batches: BatchRecipe = { input: 'features', layout: 'alone', readers: [0], members: [{ samples, random }] };
    const runner = await (await threaded()).prepare(program, { maxSteps: 2, batches });
    const error = await runner.run(2, {}).catch((reason: unknown) => reason as Error);
    expect((error as Error).message).to.include('320 values cannot be filled with samples of 3 values');
    expect(await runner.read()).to.deep.equal(program.state);
    await runner.dispose();
  });
});
