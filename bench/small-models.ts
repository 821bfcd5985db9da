/** Times small models through the training loop as users run it, data included, in turns with PyTorch. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { importanceDecayByRatio } from '../src/data/schedules.ts';
import { sparseFeatures } from '../src/data/sparse-features.ts';
import { toyModelActivations } from '../src/data/toy-model-activations.ts';
import type { Engine } from '../src/engines/engine.ts';
import type { HostTensor } from '../src/tensor.ts';
import { trainSaes, trainToyModel } from '../src/training/node.ts';
import type { RunReport } from '../src/training/run-settings.ts';
import { startPython } from './line-process.ts';

/** A small model to time, and how many steps of it. */
export interface SmallWork {
  readonly name: 'toy model' | 'SAE' | 'parallel toy models' | '256 SAEs';
  /** Our steps in each round. */
  readonly steps: number;
  /** PyTorch's steps in each round. */
  readonly otherSteps: number;
}

/** All small models that are timed. */
export const SMALL_WORKS: readonly SmallWork[] = [
  { name: 'toy model', steps: 4000, otherSteps: 600 },
  { name: 'SAE', steps: 4000, otherSteps: 600 },
  { name: 'parallel toy models', steps: 1500, otherSteps: 400 },
  { name: '256 SAEs', steps: 100, otherSteps: 10 },
];

/** The times of one small model. */
export interface SmallMeasurement {
  readonly name: SmallWork['name'];
  /** Milliseconds of a step in each round. */
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
    let last: RunReport | undefined;
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

const FEATURES = sparseFeatures({ nFeatures: 5, sparsity: 0.9 });
const TOY = { data: FEATURES, nHidden: 2, importance: importanceDecayByRatio(5, 0.9) };

const RUNS: Readonly<Record<SmallWork['name'], (steps: number, engine: Engine) => Promise<RunReport>>> = {
  'toy model': (steps, engine) => trainToyModel({ ...TOY, steps }, { engine }),
  'parallel toy models': (steps, engine) => trainToyModel({ ...TOY, restarts: 10, steps }, { engine }),
  SAE: (steps, engine) => runSaes(1, steps, engine),
  '256 SAEs': (steps, engine) => runSaes(256, steps, engine),
};

async function runSaes(count: number, steps: number, engine: Engine): Promise<RunReport> {
  const star: HostTensor = {
    data: Float32Array.from({ length: 10 }, (_, i) => [Math.cos, Math.sin][i % 2]!((2 * Math.PI * (i >> 1)) / 5)),
    shape: [5, 2],
  };
  const [first] = await trainSaes(
    {
      data: toyModelActivations(star, FEATURES),
      dSae: 5,
      activation: { kind: 'topk', k: 1 },
      start: { directions: 'gaussian' },
      steps,
      sampleSize: 4000,
      sampleSeed: 0,
      vary: Array.from({ length: count }, (_, seed) => ({ seed })),
    },
    { engine },
  );
  return first!;
}
