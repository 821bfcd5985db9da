/** `npx tsx bench/sweep.ts [runs] [rounds]`: what a sweep of many small autoencoders takes beside the same runs in one call of `trainSaes`, in turns. */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweep } from '../src/cli/experiment/sweep.ts';
import { sparseFeatures } from '../src/data/sparse-features.ts';
import { toyModelActivations } from '../src/data/toy-model-activations.ts';
import { createEngine } from '../src/engines/create-engine.ts';
import { loadToyModel } from '../src/inference/node.ts';
import { trainSaes } from '../src/training/node.ts';

const TOY_MODEL = 'models/toy-model.onnx';
const STEPS = 300;
const [runs = 1000, rounds = 3] = process.argv.slice(2).map(Number);
const threads = availableParallelism();

await using model = await loadToyModel(TOY_MODEL, { provider: 'cpu' });
const weight = await model.featureDirections();
const engine = await createEngine({ threads });

/** The runs of the plan below. */
async function inOneCall(): Promise<void> {
  await trainSaes(
    {
      data: toyModelActivations(weight, sparseFeatures({ nFeatures: 5, sparsity: 0.9 })),
      preset: 'seed',
      dSae: 5,
      activation: { kind: 'topk', k: 1 },
      start: { directions: 'spread' },
      steps: STEPS,
      vary: Array.from({ length: runs }, (_, seed) => ({ seed })),
    },
    { engine },
  );
}

async function asSweep(): Promise<void> {
  const out = await mkdtemp(join(tmpdir(), 'sweep-bench-'));
  try {
    const base = { toyModel: TOY_MODEL, k: 1, steps: STEPS };
    await sweep({ train: 'sae', base, seeds: runs }, { out: join(out, 'sweep'), threads });
  } finally {
    await rm(out, { recursive: true });
  }
}

interface Time {
  readonly seconds: number;
  /** Of all threads. */
  readonly processor: number;
}

async function timeOf(work: () => Promise<void>): Promise<Time> {
  const [started, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - started) / 1000, processor: (user + system) / 1e6 };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const [calls, sweeps]: [Time[], Time[]] = [[], []];
const words = ({ seconds, processor }: Time): string =>
  `${seconds.toFixed(1)} s (${processor.toFixed(1)} s of processors)`;
for (let round = 1; round <= rounds; round++) {
  calls.push(await timeOf(inOneCall));
  sweeps.push(await timeOf(asSweep));
  console.log(`round ${round}: ${words(calls.at(-1)!)} in one call, ${words(sweeps.at(-1)!)} as a sweep`);
}
const ratio = (of: (time: Time) => number): string => (median(sweeps.map(of)) / median(calls.map(of))).toFixed(2);
console.log(
  `${runs} autoencoders 2→5, ${STEPS} steps, ${threads} threads on ${cpus()[0]!.model}: a sweep takes ` +
    `${ratio(time => time.seconds)}× of one call, ${ratio(time => time.processor)}× of its processor time (medians of ${rounds} rounds)`,
);
