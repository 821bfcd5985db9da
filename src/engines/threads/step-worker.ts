/** A worker thread that runs one compiled step at a time: opens it, draws its batches, and runs it for its owner. */
import { type BatchRecipe, type BatchSource, batchesFrom } from '../../data/batch-source.ts';
import { loadNodeRuntime } from '../../sessions/node.ts';
import { openSession } from '../../sessions/session.ts';
import { type HostTensors, sizeOf } from '../../tensor.ts';
import { ownNodePort } from '../../workers/node.ts';
import { transfer } from '../../workers/protocol.ts';
import { serve } from '../../workers/serve.ts';
import type { CompiledStep } from '../compiled-step.ts';
import { CompiledStepRunner } from '../compiled-step-runner.ts';
import type { EngineDescription } from '../engine.ts';
import { HostState } from '../step-state.ts';

type Arrays = Readonly<Record<string, Float32Array>>;

/** What the worker needs to open a step. */
export interface OpenRequest {
  readonly step: CompiledStep;
  readonly maxSteps: number;
  readonly threads: number | undefined;
  readonly batches: BatchRecipe | undefined;
  readonly description: EngineDescription;
}

/** The results of a run. */
export interface StepsRan {
  readonly metrics: Arrays;
  /** The batches' arrays, which go back to their owner. */
  readonly batches: Arrays;
  /** The source's position after all draws here, and the milliseconds they took. */
  readonly position: unknown;
  readonly drawing: number;
}

/** An open step, and what draws its batches. */
interface Opened {
  readonly runner: CompiledStepRunner;
  readonly state: HostState;
  readonly source: BatchSource | undefined;
  /** Arrays for the batches of a run, and how many numbers of each input a step takes. */
  readonly drawn: readonly { readonly name: string; readonly size: number; readonly room: Float32Array }[];
}

/**
 * ONNX Runtime's threads sleep while they wait for their part of an operator, instead of spinning. Measured on two cores with a gated step: at 64 × 256
 * weights and batch 1024 spinning took 1.3 to 2 times the processor and 1.3 to 3 times the time (load 4 to 5), at 256 × 1024 as much of both (load 4).
 */
const ASLEEP = { extra: { session: { intra_op: { allow_spinning: '0' } } } };

let opened: Opened | undefined;

const api = {
  async open(request: OpenRequest): Promise<void> {
    opened = await open(request);
  },

  async run(steps: number, batches: Arrays): Promise<StepsRan> {
    const { runner, source, drawn } = opened!;
    const started = performance.now();
    const own = Object.fromEntries(drawn.map(({ name, size, room }) => [name, room.subarray(0, steps * size)]));
    await source?.fill(own, steps);
    const drawing = performance.now() - started;
    const metrics = await runner.run(steps, { ...batches, ...own });
    const buffers = [...Object.values(metrics), ...Object.values(batches)].map(({ buffer }) => buffer as ArrayBuffer);
    return transfer({ metrics, batches, position: source?.state(), drawing }, buffers);
  },

  /** Goes back to the state before the last run. */
  undo(): void {
    opened!.state.retreat();
  },

  async read(): Promise<HostTensors> {
    return transfer(await opened!.runner.read());
  },

  async close(): Promise<void> {
    await opened?.runner.dispose();
    opened = undefined;
  },
};

/** The calls that the worker answers. */
export type StepApi = typeof api;

async function open(request: OpenRequest): Promise<Opened> {
  const { step, maxSteps, threads, batches, description } = request;
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, step.model, {
    provider: 'cpu',
    sessionOptions: ASLEEP,
    ...(threads !== undefined && { threads }),
  });
  const state = new HostState(runtime, step.state);
  const runner = new CompiledStepRunner(runtime, session, step, state, description);
  if (!batches) return { runner, state, source: undefined, drawn: [] };
  const size = sizeOf(step.batch[batches.input]!);
  const drawn = [{ name: batches.input, size, room: new Float32Array(maxSteps * size) }];
  return { runner, state, source: batchesFrom(batches), drawn };
}

serve(ownNodePort(), api);
