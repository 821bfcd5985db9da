/** Times small models through the training loop as users run it, data included, in turns with PyTorch. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { generatedBatches } from '../src/data/batch-source.ts';
import { hiddenActivations } from '../src/data/hidden-activations.ts';
import type { SampleGenerator } from '../src/data/sample-generator.ts';
import { importanceDecayByRatio } from '../src/data/schedules.ts';
import { randomStream } from '../src/data/streams.ts';
import { SyntheticSparseDataGenerator } from '../src/data/synthetic-sparse.ts';
import type { Engine } from '../src/engines/engine.ts';
import type { HostTensor } from '../src/tensor.ts';
import type { Trained } from '../src/training/train.ts';
import { type SaeTraining, trainSaes } from '../src/training/train-sae.ts';
import { trainToyModels } from '../src/training/train-toy-models.ts';
import { startPython } from './line-process.ts';

export interface SmallWork {
  readonly name: 'toy model' | 'SAE' | 'parallel toy models' | '256 SAEs';
  /** Steps of a round. */
  readonly steps: number;
  /** PyTorch's steps of a round. */
  readonly otherSteps: number;
}

export const SMALL_WORKS: readonly SmallWork[] = [
  { name: 'toy model', steps: 4000, otherSteps: 600 },
  { name: 'SAE', steps: 4000, otherSteps: 600 },
  { name: 'parallel toy models', steps: 1500, otherSteps: 400 },
  { name: '256 SAEs', steps: 100, otherSteps: 10 },
];

export interface SmallMeasurement {
  readonly name: SmallWork['name'];
  /** Milliseconds a step, of each round. */
  readonly ms: readonly number[];
  /** Shares of a step: drawing batches, the engine, everything else. */
  readonly shares: { readonly data: number; readonly step: number; readonly rest: number };
  /** Resident memory gained over all rounds but the first. */
  readonly memoryGrowthMiB: number;
  /** Milliseconds that an event of the calling thread waits at most, in 99 of 100 moments. */
  readonly eventDelay: number;
  readonly engine: string;
  readonly pytorch?: { readonly version: string; readonly ms: readonly number[]; readonly dataShare: number };
}

/** Runs `rounds` rounds of each: ours, then PyTorch's. */
export async function measureSmallModels(
  works: readonly SmallWork[],
  engine: Engine,
  rounds: number,
  python: string | undefined,
): Promise<readonly SmallMeasurement[]> {
  const script = fileURLToPath(new URL('python/small_models.py', import.meta.url));
  const other = python && (await startPython(python, script, { work: 'SAE', steps: 1, warmup: 0 }));
  const results: SmallMeasurement[] = [];
  for (const { name, steps, otherSteps } of works) {
    const ms: number[] = [];
    const time = { data: 0, step: 0, total: 0 };
    const answers: { ms: number; dataMs: number; version: string }[] = [];
    let memory = 0;
    let last: Trained | undefined;
    await RUNS[name](Math.ceil(steps / 10), engine);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    for (let round = 0; round < rounds; round++) {
      if (round === 1) memory = process.memoryUsage.rss();
      delay.enable();
      last = await RUNS[name](steps, engine);
      delay.disable();
      ms.push(last.time.total / steps);
      for (const part of ['data', 'step', 'total'] as const) time[part] += last.time[part];
      if (other) answers.push(await other.ask({ work: name, steps: otherSteps, warmup: 2 }));
    }
    const shares = { data: time.data / time.total, step: time.step / time.total };
    results.push({
      name,
      ms,
      shares: { ...shares, rest: 1 - shares.data - shares.step },
      memoryGrowthMiB: rounds > 1 ? (process.memoryUsage.rss() - memory) / 2 ** 20 : 0,
      eventDelay: delay.percentile(99) / 1e6,
      engine: `${last!.engine.engine} (${last!.engine.provider})`,
      ...(answers.length > 0 && {
        pytorch: {
          version: answers[0]!.version,
          ms: answers.map(answer => answer.ms),
          dataShare: answers.reduce((sum, { dataMs, ms: all }) => sum + dataMs / all, 0) / answers.length,
        },
      }),
    });
  }
  if (other) other.end();
  return results;
}

const TOY = { nFeatures: 5, nHidden: 2, sparsity: 0.9, importance: importanceDecayByRatio(5, 0.9), seed: 0 };

const RUNS: Readonly<Record<SmallWork['name'], (steps: number, engine: Engine) => Promise<Trained>>> = {
  'toy model': async (steps, engine) => (await trainToyModels({ ...TOY, steps }, { engine })).run,
  'parallel toy models': async (steps, engine) =>
    (await trainToyModels({ ...TOY, nInstances: 10, steps }, { engine })).run,
  SAE: (steps, engine) => runSaes(1, steps, engine),
  '256 SAEs': (steps, engine) => runSaes(256, steps, engine),
};

const BATCH_SIZE = 2048;

async function runSaes(count: number, steps: number, engine: Engine): Promise<Trained> {
  const star: HostTensor = {
    data: Float32Array.from({ length: 10 }, (_, i) => [Math.cos, Math.sin][i % 2]!((2 * Math.PI * (i >> 1)) / 5)),
    shape: [5, 2],
  };
  const make = (random: ReturnType<typeof randomStream>): SampleGenerator =>
    hiddenActivations(star, new SyntheticSparseDataGenerator(BATCH_SIZE, Array<number>(5).fill(0.9), random));
  const sample = new Float32Array(4000 * 2);
  make(randomStream(0, 2)).fill(sample);
  const settings: SaeTraining = {
    dIn: 2,
    dSae: 5,
    activation: { kind: 'topk', k: 1 },
    init: 'gaussian',
    batchSize: BATCH_SIZE,
    steps,
    seed: 0,
  };
  const data = {
    sample: { data: sample, shape: [4000, 2] },
    batches: (seed: number) => generatedBatches('activations', randomStream(seed, 1), make),
  };
  const runs = Array.from({ length: count }, (_, seed) => ({ ...settings, seed }));
  return (await trainSaes(runs, data, { engine }))[0]!.run;
}
