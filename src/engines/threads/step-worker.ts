/** A worker thread that runs one compiled step at a time: opens it, draws its batches, runs it, and answers its owner's requests. */
import { parentPort } from 'node:worker_threads';
import { type BatchRecipe, type BatchSource, batchesFrom } from '../../data/batch-source.ts';
import { DivergenceError } from '../../errors.ts';
import { loadNodeRuntime } from '../../sessions/node.ts';
import { openSession } from '../../sessions/session.ts';
import { type HostTensors, sizeOf } from '../../tensor.ts';
import type { CompiledStep } from '../compiled-step.ts';
import { CompiledStepRunner } from '../compiled-step-runner.ts';
import type { EngineDescription } from '../engine.ts';
import { HostState } from '../step-state.ts';

type Arrays = Readonly<Record<string, Float32Array>>;

export type StepRequest =
  | {
      readonly kind: 'open';
      readonly step: CompiledStep;
      readonly maxSteps: number;
      readonly threads: number | undefined;
      readonly batches: BatchRecipe | undefined;
      readonly description: EngineDescription;
    }
  | { readonly kind: 'run'; readonly steps: number; readonly batches: Arrays }
  /** Back to the state before the last run. */
  | { readonly kind: 'undo' }
  | { readonly kind: 'read' }
  | { readonly kind: 'close' };

export type StepReply =
  | { readonly kind: 'opened' | 'undone' | 'closed' }
  /** `batches` go back to whom they came from. */
  | {
      readonly kind: 'ran';
      readonly metrics: Arrays;
      readonly batches: Arrays;
      /** After all that was drawn here, and the milliseconds it took. */
      readonly position: unknown;
      readonly drawing: number;
    }
  | { readonly kind: 'state'; readonly state: HostTensors }
  /** The state is still the last good one. */
  | { readonly kind: 'diverged'; readonly message: string; readonly step: number; readonly at: number }
  | { readonly kind: 'failed'; readonly error: unknown };

const port = parentPort!;
let runner: CompiledStepRunner | undefined;
let state: HostState | undefined;
let source: BatchSource | undefined;
let drawn: Arrays = {};
let shapes: CompiledStep['batch'] = {};

async function serve(request: StepRequest): Promise<void> {
  switch (request.kind) {
    case 'open':
      await open(request);
      return reply({ kind: 'opened' });
    case 'run': {
      const { steps, batches } = request;
      const started = performance.now();
      const own = Object.fromEntries(
        Object.entries(drawn).map(([name, all]) => [name, all.subarray(0, steps * sizeOf(shapes[name]!))]),
      );
      await source?.fill(own, steps);
      const drawing = performance.now() - started;
      const metrics = await runner!.run(steps, { ...batches, ...own });
      const message = { kind: 'ran', metrics, batches, position: source?.state(), drawing } as const;
      return reply(message, [...buffersOf(metrics), ...buffersOf(batches)]);
    }
    case 'undo':
      state!.retreat();
      return reply({ kind: 'undone' });
    case 'read': {
      const copy = await runner!.read();
      const arrays = Object.fromEntries(Object.entries(copy).map(([name, { data }]) => [name, data]));
      return reply({ kind: 'state', state: copy }, buffersOf(arrays));
    }
    case 'close':
      await runner?.dispose();
      runner = state = source = undefined;
      drawn = {};
      return reply({ kind: 'closed' });
  }
}

async function open(request: Extract<StepRequest, { kind: 'open' }>): Promise<void> {
  const { step, maxSteps, threads, batches, description } = request;
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, step.model, {
    provider: 'cpu',
    ...(threads !== undefined && { threads }),
  });
  state = new HostState(runtime, step.state);
  runner = new CompiledStepRunner(runtime, session, step, state, description);
  shapes = step.batch;
  if (!batches) return;
  source = batchesFrom(batches);
  drawn = { [batches.input]: new Float32Array(maxSteps * sizeOf(shapes[batches.input]!)) };
}

function buffersOf(arrays: Arrays): ArrayBuffer[] {
  return Object.values(arrays).map(({ buffer }) => buffer as ArrayBuffer);
}

function reply(message: StepReply, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

port.on('message', (request: StepRequest) => {
  serve(request).catch((error: unknown) => {
    if (!(error instanceof DivergenceError)) return reply({ kind: 'failed', error });
    const { message, step, at } = error;
    reply({ kind: 'diverged', message, step, at });
  });
});
