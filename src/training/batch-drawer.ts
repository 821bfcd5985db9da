/**
 * Draws the batches of the next call of the engine while those of the current one are in use. Draws nothing where the
 * engine draws them itself.
 */
import type { BatchSource } from '../data/batch-source.ts';
import type { StepProgram, StepRunner } from '../engines/engine.ts';
import { sizeOf } from '../tensor.ts';

/** The batches of some steps. */
export interface DrawnBatches {
  readonly count: number;
  readonly filled: Readonly<Record<string, Float32Array>>;
  /** The source's position after these steps. */
  readonly position: () => unknown;
}

/** Draws a run's batches ahead of the engine. */
export class BatchDrawer {
  readonly #batches: BatchSource;
  readonly #runner: StepRunner;
  readonly #inputs: readonly { readonly name: string; readonly size: number; array(): Float32Array }[];
  #time = 0;

  constructor({ batch, scalars = [] }: StepProgram, batches: BatchSource, stepsPerCall: number, runner: StepRunner) {
    this.#batches = batches;
    this.#runner = runner;
    const drawn = runner.drawn ? [] : Object.entries(batch).filter(([name]) => !scalars.includes(name));
    this.#inputs = drawn.map(([name, shape]) => {
      const size = sizeOf(shape);
      const length = stepsPerCall * size;
      if (runner.take) return { name, size, array: () => runner.take!(length) };
      const [one, other] = [new Float32Array(length), new Float32Array(length)];
      let isFirst = false;
      const array = (): Float32Array => {
        isFirst = !isFirst;
        return isFirst ? one : other;
      };
      return { name, size, array };
    });
  }

  /** Milliseconds spent drawing batches, in this thread or in the engine. */
  get time(): number {
    return this.#runner.drawn?.milliseconds ?? this.#time;
  }

  /** The batches of the next `count` steps. */
  async draw(count: number): Promise<DrawnBatches> {
    const { drawn } = this.#runner;
    if (drawn) return { count, filled: {}, position: () => drawn.position };
    const started = performance.now();
    const filled = Object.fromEntries(
      this.#inputs.map(({ name, size, array }) => [name, array().subarray(0, count * size)]),
    );
    await this.#batches.fill(filled, count);
    this.#time += performance.now() - started;
    const position = this.#batches.state();
    return { count, filled, position: () => position };
  }

  /** The source's position `count` steps after `position`. The source goes back to `position` for that. */
  async positionAfter(position: unknown, count: number): Promise<unknown> {
    await this.#batches.restore(position);
    await this.#batches.fill(
      Object.fromEntries(this.#inputs.map(({ name, size }) => [name, new Float32Array(count * size)])),
      count,
    );
    return this.#batches.state();
  }
}
