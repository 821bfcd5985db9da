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

/** A step that is open, and what draws its batches. */
interface Opened {
  readonly runner: CompiledStepRunner;
  readonly state: HostState;
  readonly source: BatchSource | undefined;
  /** Room for what is drawn in a run, and the numbers of each input that a step takes. */
  readonly drawn: readonly { readonly name: string; readonly size: number; readonly room: Float32Array }[];
}

const port = parentPort!;
let opened: Opened | undefined;

async function serve(request: StepRequest): Promise<void> {
  switch (request.kind) {
    case 'open':
      opened = await open(request);
      return reply({ kind: 'opened' });
    case 'run': {
      const { steps, batches } = request;
      const { runner, source, drawn } = opened!;
      const started = performance.now();
      const own = Object.fromEntries(drawn.map(({ name, size, room }) => [name, room.subarray(0, steps * size)]));
      await source?.fill(own, steps);
      const drawing = performance.now() - started;
      const metrics = await runner.run(steps, { ...batches, ...own });
      const message = { kind: 'ran', metrics, batches, position: source?.state(), drawing } as const;
      return reply(message, [...buffersOf(metrics), ...buffersOf(batches)]);
    }
    case 'undo':
      opened!.state.retreat();
      return reply({ kind: 'undone' });
    case 'read': {
      const copy = await opened!.runner.read();
      const arrays = Object.fromEntries(Object.entries(copy).map(([name, { data }]) => [name, data]));
      return reply({ kind: 'state', state: copy }, buffersOf(arrays));
    }
    case 'close':
      await opened?.runner.dispose();
      opened = undefined;
      return reply({ kind: 'closed' });
  }
}

async function open(request: Extract<StepRequest, { kind: 'open' }>): Promise<Opened> {
  const { step, maxSteps, threads, batches, description } = request;
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, step.model, {
    provider: 'cpu',
    ...(threads !== undefined && { threads }),
  });
  const state = new HostState(runtime, step.state);
  const runner = new CompiledStepRunner(runtime, session, step, state, description);
  if (!batches) return { runner, state, source: undefined, drawn: [] };
  const size = sizeOf(step.batch[batches.input]!);
  const drawn = [{ name: batches.input, size, room: new Float32Array(maxSteps * size) }];
  return { runner, state, source: batchesFrom(batches), drawn };
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
