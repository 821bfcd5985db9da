/**
 * Runs a compiled step in this thread. Either many steps run inside one call (ONNX's Scan), or the state stays on the
 * GPU between calls; both ways nothing is copied between steps. A call whose loss is not finite leaves the state as it
 * was.
 */
import type { Tensor } from 'onnxruntime-common';
import { DivergenceError } from '../errors.ts';
import type { Runtime } from '../sessions/runtime.ts';
import type { Outputs, Session } from '../sessions/session.ts';
import { type HostTensors, type Shape, sizeOf } from '../tensor.ts';
import type { CompiledStep } from './compiled-step.ts';
import type { EngineDescription, StepRunner } from './engine.ts';
import { firstNotFinite } from './finite-losses.ts';
import { requireBatches } from './require-batches.ts';
import type { StepState } from './step-state.ts';

/** Runs a compiled step on one ONNX Runtime session. */
export class CompiledStepRunner implements StepRunner {
  readonly description: EngineDescription;
  readonly #runtime: Runtime;
  readonly #session: Session;
  readonly #step: CompiledStep;
  readonly #state: StepState;

  constructor(
    runtime: Runtime,
    session: Session,
    step: CompiledStep,
    state: StepState,
    description: EngineDescription,
  ) {
    this.description = description;
    this.#runtime = runtime;
    this.#session = session;
    this.#step = step;
    this.#state = state;
  }

  async run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    requireBatches(this.#step.batch, steps, batches);
    return this.#step.isRepeated ? this.#runAll(steps, batches) : this.#runOneByOne(steps, batches);
  }

  async #runAll(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    const metrics = this.#emptyMetrics(steps);
    const inputs = this.#inputs(batches, shape => [steps, ...shape]);
    await this.#advance(inputs, metrics, shape => [steps, ...shape], 0);
    return metrics;
  }

  async #runOneByOne(
    steps: number,
    batches: Readonly<Record<string, Float32Array>>,
  ): Promise<Record<string, Float32Array>> {
    const metrics = this.#emptyMetrics(steps);
    const part = (values: Float32Array, step: number): Float32Array => {
      const size = values.length / steps;
      return values.subarray(step * size, (step + 1) * size);
    };
    const partOf = (all: Readonly<Record<string, Float32Array>>, step: number): Record<string, Float32Array> =>
      Object.fromEntries(Object.entries(all).map(([name, values]) => [name, part(values, step)]));
    for (let step = 0; step < steps; step++) {
      const inputs = this.#inputs(partOf(batches, step), shape => shape);
      await this.#advance(inputs, partOf(metrics, step), shape => shape, step);
    }
    return metrics;
  }

  /** Runs the session once and, where the losses are finite, makes its results the state. */
  async #advance(
    inputs: Record<string, Tensor>,
    metrics: Record<string, Float32Array>,
    metricShape: (shape: Shape) => Shape,
    completed: number,
  ): Promise<void> {
    const fetches: Record<string, Tensor | null> = this.#state.fetches();
    for (const [name, values] of Object.entries(metrics)) {
      fetches[name] = this.#tensor(values, metricShape(this.#step.metrics[name]!));
    }
    const results = await this.#runSession({ ...this.#state.current, ...inputs }, fetches);
    const bad = firstNotFinite(metrics['loss']!);
    if (bad >= 0) {
      this.#state.discard(results);
      throw new DivergenceError(`the loss is ${metrics['loss']![bad]}`, completed, completed + bad);
    }
    this.#state.advance(results);
  }

  async #runSession(feeds: Record<string, Tensor>, fetches: Record<string, Tensor | null>): Promise<Outputs> {
    // Only onnxruntime-node fills tensors that it is given, and only where no result stays on the GPU.
    if (this.#runtime.name === 'onnxruntime-node' && isComplete(fetches)) return this.#session.run(feeds, fetches);
    const results = await this.#session.run(feeds, Object.keys(fetches));
    for (const [name, tensor] of Object.entries(fetches)) {
      if (tensor) (tensor.data as Float32Array).set(results[name]!.data as Float32Array);
    }
    return results;
  }

  #inputs(batches: Readonly<Record<string, Float32Array>>, shapeOf: (shape: Shape) => Shape): Record<string, Tensor> {
    return Object.fromEntries(
      Object.entries(this.#step.batch).map(([name, shape]) => [name, this.#tensor(batches[name]!, shapeOf(shape))]),
    );
  }

  #emptyMetrics(steps: number): Record<string, Float32Array> {
    return Object.fromEntries(
      Object.entries(this.#step.metrics).map(([name, shape]) => [name, new Float32Array(steps * sizeOf(shape))]),
    );
  }

  #tensor(data: Float32Array, shape: Shape): Tensor {
    return new this.#runtime.ort.Tensor('float32', data as Float32Array<ArrayBuffer>, [...shape]);
  }

  read(): Promise<HostTensors> {
    return this.#state.read();
  }

  async dispose(): Promise<void> {
    await this.#state.dispose();
    await this.#session.dispose();
  }
}

function isComplete<T>(entries: Record<string, T | null>): entries is Record<string, T> {
  return !Object.values(entries).includes(null);
}
