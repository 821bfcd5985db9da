/** Divides independent instances among threads: each thread draws its own batches and steps its own instances. */
import { DivergenceError } from '../../errors.ts';
import { type HostTensor, type HostTensors, sizeOf } from '../../tensor.ts';
import type { EngineDescription, StepProgram, StepRunner } from '../engine.ts';
import type { StepThread } from './step-thread.ts';

/** The part of a step that one thread runs. */
export interface Part {
  readonly start: number;
  readonly end: number;
  /** The indices of the batches' sources that this part draws from, in its own order. */
  readonly read: readonly number[];
  readonly thread: StepThread;
}

/** A step whose instances are divided among threads. */
export class DividedStep implements StepRunner {
  readonly description: EngineDescription;
  readonly drawn = { position: undefined as unknown, milliseconds: 0 };
  readonly #parts: readonly Part[];
  readonly #program: StepProgram;
  readonly #count: number;

  constructor(parts: readonly Part[], program: StepProgram) {
    this.description = parts[0]!.thread.description;
    this.#parts = parts;
    this.#program = program;
    this.#count = program.instances!.count;
  }

  async run(steps: number, scalars: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    const running = this.#parts.map(({ start, end, thread }) => {
      const own = Object.entries(scalars).map(([name, values]) => [name, this.#columns(values, steps, start, end)]);
      return thread.run(steps, Object.fromEntries(own));
    });
    const results = await Promise.allSettled(running);
    const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length > 0) throw await this.#stepBack(results, failures);

    const joined = Object.fromEntries(
      this.#program.metrics.map(name => [name, new Float32Array(name === 'loss' ? steps : steps * this.#count)]),
    );
    for (const [i, { start, end }] of this.#parts.entries()) {
      const metrics = (results[i] as PromiseFulfilledResult<Record<string, Float32Array>>).value;
      const width = end - start;
      for (const [name, all] of Object.entries(joined)) {
        const own = metrics[name]!;
        for (let step = 0; step < steps; step++) {
          if (name === 'loss') all[step]! += own[step]!;
          else all.set(own.subarray(step * width, (step + 1) * width), step * this.#count + start);
        }
      }
    }
    // A source that several parts read stands in all of them at the same place.
    const positions: unknown[] = [];
    for (const { read, thread } of this.#parts) {
      for (const [i, position] of (thread.drawn!.position as readonly unknown[]).entries())
        positions[read[i]!] = position;
    }
    this.drawn.position = positions;
    this.drawn.milliseconds =
      this.#parts.reduce((sum, { thread }) => sum + thread.drawn!.milliseconds, 0) / this.#parts.length;
    return joined;
  }

  /** The columns of the instances `start` to `end` in numbers [steps] or [steps, n_instances]. */
  #columns(values: Float32Array, steps: number, start: number, end: number): Float32Array {
    if (values.length === steps) return values;
    const width = end - start;
    const own = new Float32Array(steps * width);
    for (let step = 0; step < steps; step++) {
      own.set(values.subarray(step * this.#count + start, step * this.#count + end), step * width);
    }
    return own;
  }

  /**
   * Brings all parts back to the state before the call, in which the failed ones still are.
   * @returns the failure that came first
   */
  async #stepBack(results: readonly PromiseSettledResult<unknown>[], failures: readonly unknown[]): Promise<unknown> {
    for (const [i, { status }] of results.entries()) if (status === 'fulfilled') await this.#parts[i]!.thread.undo();
    const isDivergence = (failure: unknown): failure is DivergenceError => failure instanceof DivergenceError;
    const other = failures.find(failure => !isDivergence(failure));
    if (other !== undefined) return other;
    return failures.filter(isDivergence).reduce((first, failure) => (failure.at < first.at ? failure : first));
  }

  async read(): Promise<HostTensors> {
    const states = await Promise.all(this.#parts.map(({ thread }) => thread.read()));
    return Object.fromEntries(
      Object.entries(this.#program.state).map(([name, { shape }]): [string, HostTensor] => {
        if (shape.length === 0) return [name, states[0]![name]!];
        const data = new Float32Array(sizeOf(shape));
        const size = data.length / this.#count;
        for (const [i, { start }] of this.#parts.entries()) data.set(states[i]![name]!.data, start * size);
        return [name, { data, shape }];
      }),
    );
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#parts.map(({ thread }) => thread.dispose()));
  }
}
