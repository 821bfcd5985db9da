/**
 * Finds out what this machine can train on. Every engine, provider and device is started and runs one small step,
 * because a library that loads may still fail at its first computation.
 */
import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { EngineUnavailableError, MissingPackageError } from '../errors.ts';
import { loadNodeRuntime } from '../sessions/node.ts';
import type { Provider, Runtime } from '../sessions/runtime.ts';
import { sizeOf } from '../tensor.ts';
import { prepareCpuBackend, prepareWasmBackend } from './backends.ts';
import { createEagerEngine } from './eager.ts';
import type { Engine, EngineName, StepProgram } from './engine.ts';
import { createOnnxRuntimeEngine } from './onnxruntime.ts';
import type { PreparedBackend } from './prepared-backend.ts';

/** An engine with a provider or device, and whether it works here. */
export interface EngineProbe {
  readonly engine: EngineName;
  /** ONNX Runtime's provider, or TensorFlow's device; for the others, the engine's own name. */
  readonly provider: string;
  /** The engine, ready to run steps; absent where it does not work. */
  readonly ready?: Engine;
  /** One line: what was found, or why the engine does not work and what would change that. */
  readonly detail: string;
}

interface Candidate {
  readonly engine: EngineName;
  readonly provider: string;
  start(): Promise<{ readonly ready: Engine; readonly detail: string }>;
}

/**
 * Tries every engine, the best first, and gives each with its outcome; an engine that does not work is an outcome, not
 * an error. TensorFlow is tried on the GPU and, where that fails, on the CPU: one process can load only one of the two.
 */
export async function probeEngines(): Promise<EngineProbe[]> {
  const probes: EngineProbe[] = [];
  for (const candidate of await candidates()) {
    const isBesideGpu =
      candidate.engine === 'tensorflow' && probes.some(({ engine, ready }) => ready && engine === 'tensorflow');
    if (!isBesideGpu) probes.push(await probe(candidate));
  }
  return probes;
}

const ROUNDS = 5;
const STEPS_PER_CALL = 50;

/**
 * The time of one step in milliseconds: the median of five calls of up to 50 steps each, fewer where a call would take
 * longer than a fifth of `budget` (milliseconds, default 500). The first calls, which also set things up, are not
 * counted. Batches are all ones: the cost of a step does not depend on its numbers.
 */
export async function timeStep(engine: Engine, program: StepProgram, { budget = 500 } = {}): Promise<number> {
  const runner = await engine.prepare(program, { maxSteps: STEPS_PER_CALL });
  const call = async (steps: number): Promise<number> => {
    const batches = onesFor(program, steps);
    const start = performance.now();
    await runner.run(steps, batches);
    return (performance.now() - start) / steps;
  };
  try {
    await call(1);
    const affordable = Math.floor(budget / ROUNDS / (await call(1)));
    const steps = Math.min(STEPS_PER_CALL, Math.max(1, affordable));
    await call(steps);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) times.push(await call(steps));
    return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
  } finally {
    await runner.dispose();
  }
}

async function candidates(): Promise<Candidate[]> {
  const tensorflow = await import('./tensorflow.ts');
  const webgpu = await import('./webgpu.ts');
  return [
    eager('tensorflow', 'gpu', () => tensorflow.prepareBackend({ device: 'gpu' })),
    eager('tensorflow', 'cpu', () => tensorflow.prepareBackend({ device: 'cpu' })),
    ...(['cuda', 'webgpu', 'cpu'] as const).map(compiled),
    eager('webgpu', 'webgpu', async () => {
      await requireLikely('webgpu');
      return webgpu.prepareBackend();
    }),
    eager('wasm', 'wasm', prepareWasmBackend),
    eager('cpu', 'cpu', prepareCpuBackend),
  ];
}

function eager(engine: EngineName, provider: string, prepare: () => Promise<PreparedBackend>): Candidate {
  return {
    engine,
    provider,
    async start() {
      const backend = await prepare();
      return { ready: createEagerEngine(engine, backend), detail: backend.detail };
    },
  };
}

function compiled(provider: Provider): Candidate {
  return {
    engine: 'onnxruntime',
    provider,
    async start() {
      const runtime = await requireLikely(provider);
      const detail = provider === 'cpu' ? `${runtime.name}, ${availableParallelism()} threads at most` : runtime.name;
      return { ready: createOnnxRuntimeEngine(runtime, { provider }), detail };
    },
  };
}

/**
 * Native libraries that look for a GPU in vain write to the terminal, which nothing can catch: providers that are
 * unlikely to work are not tried.
 */
async function requireLikely(provider: Provider): Promise<Runtime> {
  const runtime = await loadNodeRuntime();
  const reason = runtime.unlikely[provider];
  if (reason !== undefined) throw new EngineUnavailableError(reason);
  return runtime;
}

async function probe({ engine, provider, start }: Candidate): Promise<EngineProbe> {
  try {
    const { ready, detail } = await start();
    await requireThatItComputes(ready);
    return { engine, provider, ready, detail };
  } catch (error) {
    if (error instanceof EngineUnavailableError || error instanceof MissingPackageError) {
      return { engine, provider, detail: error.message };
    }
    return { engine, provider, detail: `loads, but fails: ${firstLine(error)}` };
  }
}

/** A step sum ← sum + Σ input, from 1: small enough for every engine, and with a known result. */
const SMALL_STEP: StepProgram = {
  step: ({ sum, input }) => {
    const loss = tf.add(sum!, tf.sum(input!));
    return { sum: loss, loss };
  },
  state: { sum: { data: Float32Array.of(1), shape: [] } },
  batch: { input: [4] },
  metrics: ['loss'],
};

async function requireThatItComputes(engine: Engine): Promise<void> {
  const runner = await engine.prepare(SMALL_STEP);
  try {
    const { loss } = await runner.run(1, onesFor(SMALL_STEP, 1));
    if (loss?.[0] !== 5) throw new Error(`1 + 1 + 1 + 1 + 1 gives ${loss?.[0]}`);
  } finally {
    await runner.dispose();
  }
}

function onesFor({ batch }: StepProgram, steps: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(batch).map(([name, shape]) => [name, new Float32Array(steps * sizeOf(shape)).fill(1)]),
  );
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
