/**
 * Runs a compiled step in a worker thread: the calling one stays free to draw the next batches, to report progress and to hear Ctrl-C,
 * all of which ONNX Runtime would hold up while it runs. Batches with a recipe are drawn in the worker: they are then in the cache
 * of the processor that needs them.
 */
import type { BatchRecipe } from '../../data/batch-source.ts';
import { Queue } from '../../sessions/queue.ts';
import type { HostTensors, Shape } from '../../tensor.ts';
import { IdleWorkers } from '../../workers/idle-workers.ts';
import { nodeWorkerPort, startModuleWorker } from '../../workers/node.ts';
import { transfer } from '../../workers/protocol.ts';
import { RemoteWorker } from '../../workers/remote-worker.ts';
import type { CompiledStep } from '../compiled-step.ts';
import type { EngineDescription, StepRunner } from '../engine.ts';
import { requireBatches } from '../require-batches.ts';
import type { StepApi } from './step-worker.ts';

type Thread = RemoteWorker<StepApi>;

/** How a step runs in its thread. */
export interface StepThreadOptions {
  readonly maxSteps: number;
  /** Threads within an operator. */
  readonly threads: number | undefined;
  /** The batches that the worker draws; without it every run needs its batches. */
  readonly batches: BatchRecipe | undefined;
  readonly description: EngineDescription;
}

const threads = new IdleWorkers<StepApi>(
  () => new RemoteWorker(nodeWorkerPort(startModuleWorker('step-worker', import.meta.url)), 'a training step'),
  2,
);

/** Opens `step` on the cpu provider in a thread of its own. */
export async function startStepThread(step: CompiledStep, options: StepThreadOptions): Promise<StepThread> {
  const thread = threads.take('a training step');
  try {
    await thread.call('open', { step, ...options });
  } catch (error) {
    await thread.dispose();
    throw error;
  }
  return new StepThread(thread, step, options);
}

/** How many arrays are kept for later runs. */
const MOST_SPARE = 16;

/** A step in a worker thread. */
export class StepThread implements StepRunner {
  readonly description: EngineDescription;
  readonly drawn?: { position: unknown; milliseconds: number };
  readonly #thread: Thread;
  /** Shapes of the inputs that each run must be given. */
  readonly #shapes: Readonly<Record<string, Shape>>;
  /** Memory that went to the thread and came back, for `take`. */
  readonly #spare: ArrayBuffer[] = [];
  readonly #taken = new WeakSet<ArrayBufferLike>();
  readonly #requests = new Queue();

  constructor(thread: Thread, step: CompiledStep, { batches, description }: StepThreadOptions) {
    this.description = description;
    this.#thread = thread;
    this.#shapes = Object.fromEntries(Object.entries(step.batch).filter(([name]) => name !== batches?.input));
    if (batches) this.drawn = { position: undefined, milliseconds: 0 };
  }

  take(length: number): Float32Array {
    const bytes = 4 * length;
    // A learning rate that took the memory of a batch would leave the next batch without: allocating that costs more than a small step.
    const fitting = this.#spare.filter(({ byteLength }) => byteLength >= bytes && byteLength <= 2 * bytes);
    const found = fitting.reduce((least, next) => (next.byteLength < least.byteLength ? next : least), fitting[0]!);
    const buffer = found ? this.#spare.splice(this.#spare.indexOf(found), 1)[0]! : new ArrayBuffer(bytes);
    this.#taken.add(buffer);
    return new Float32Array(buffer, 0, length);
  }

  async run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    requireBatches(this.#shapes, steps, batches);
    const moved = Object.fromEntries(
      Object.keys(this.#shapes).map(name => {
        const array = batches[name]!;
        if (this.#taken.has(array.buffer)) return [name, array];
        const copy = this.take(array.length);
        copy.set(array);
        return [name, copy];
      }),
    );
    const buffers = Object.values(moved).map(({ buffer }) => buffer as ArrayBuffer);
    const ran = await this.#requests.add(() => this.#thread.call('run', steps, transfer(moved, buffers)));
    this.#spare.push(...Object.values(ran.batches).map(({ buffer }) => buffer as ArrayBuffer));
    // Arrays for the numbers of a step have as many lengths as runs have numbers of steps.
    this.#spare.splice(0, Math.max(0, this.#spare.length - MOST_SPARE));
    if (this.drawn) {
      this.drawn.position = ran.position;
      this.drawn.milliseconds += ran.drawing;
    }
    return ran.metrics;
  }

  /**
   * Goes back to the state before the last run, which must have succeeded. Batches that the thread has drawn stay
   * drawn.
   */
  async undo(): Promise<void> {
    await this.#requests.add(() => this.#thread.call('undo'));
  }

  async read(): Promise<HostTensors> {
    return this.#requests.add(() => this.#thread.call('read'));
  }

  async dispose(): Promise<void> {
    if (!(await this.#requests.close('this training step was disposed of'))) return;
    await this.#thread.call('close').then(
      () => threads.giveBack(this.#thread),
      () => this.#thread.dispose(),
    );
  }
}
