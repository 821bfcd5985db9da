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

export interface OpenRequest {
  readonly step: CompiledStep;
  readonly maxSteps: number;
  readonly threads: number | undefined;
  readonly batches: BatchRecipe | undefined;
  readonly description: EngineDescription;
}

export interface StepsRan {
  readonly metrics: Arrays;
  /** Go back to whom they came from. */
  readonly batches: Arrays;
  /** After all that was drawn here, and the milliseconds it took. */
  readonly position: unknown;
  readonly drawing: number;
}

/** A step that is open, and what draws its batches. */
interface Opened {
  readonly runner: CompiledStepRunner;
  readonly state: HostState;
  readonly source: BatchSource | undefined;
  /** Room for what is drawn in a run, and the numbers of each input that a step takes. */
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

  /** Back to the state before the last run. */
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
