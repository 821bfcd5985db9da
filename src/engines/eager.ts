/** Engines that run the step op by op on a TensorFlow.js backend: native TensorFlow, WebGPU, WebAssembly, plain JavaScript. */
import * as tf from '@tensorflow/tfjs';
import { DivergenceError, EngineUnavailableError } from '../errors.ts';
import { quietly } from '../models/eager.ts';
import type { Tensors } from '../models/model.ts';
import { type HostTensors, sizeOf } from '../tensor.ts';
import type { Engine, EngineDescription, EngineName, StepProgram, StepRunner } from './engine.ts';
import { firstNotFinite } from './finite-losses.ts';
import type { PreparedBackend } from './prepared-backend.ts';
import { requireBatches } from './require-batches.ts';

/**
 * An engine on a TensorFlow.js backend that is registered and has started.
 * @param reason why it was chosen, for its description
 */
export function createEagerEngine(name: EngineName, backend: PreparedBackend, reason = 'asked for'): Engine {
  return {
    name,
    async prepare(program) {
      await startBackend(backend.backendName);
      return new EagerRunner(program, backend, { engine: name, provider: backend.provider, reason });
    },
  };
}

/**
 * Starts a registered backend without selecting it. `tf.setBackend` would, and where starting takes time (wasm) it selects in two parts:
 * whoever selects another backend between them is left with one backend's name and the other's memory.
 */
async function startBackend(name: string): Promise<void> {
  const { registry } = tf.engine();
  if (name in registry) return;
  const started = await tf.findBackendFactory(name)();
  registry[name] ??= started;
}

/**
 * Runs `task` at once on a backend that has started, and puts back the one that was selected: the selection is one for the whole
 * process, and other trainings and the application use TensorFlow.js as well whenever we await.
 */
function onBackend<Result>(name: string, task: () => Result): Result {
  const { backendName: before } = tf.engine();
  // Selecting a backend that has started takes effect before the call returns.
  if (before !== name) tf.setBackend(name);
  try {
    return quietly(task);
  } finally {
    if (before && before !== name) tf.setBackend(before);
  }
}

class EagerRunner implements StepRunner {
  readonly description: EngineDescription;
  readonly #program: StepProgram;
  readonly #backend: PreparedBackend;
  #state: Tensors;
  #deviceLoss: string | undefined;

  constructor(program: StepProgram, backend: PreparedBackend, description: EngineDescription) {
    this.description = description;
    this.#program = program;
    this.#backend = backend;
    backend.lost?.then(reason => {
      this.#deviceLoss = reason;
    });
    this.#state = this.#here(() =>
      Object.fromEntries(
        Object.entries(program.state).map(([name, { data, shape }]) => [
          name,
          tf.keep(tf.tensor(Float32Array.from(data), [...shape])),
        ]),
      ),
    );
  }

  /** Losses are read once, at the end: on a GPU a read waits for everything before it. */
  async run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    requireBatches(this.#program.batch, steps, batches);
    const before = this.#state;
    const results: Record<string, Float32Array> = {};
    try {
      const stacked = this.#here(() => this.#stepAll(steps, batches));
      for (const [name, tensor] of Object.entries(stacked)) {
        results[name] = await this.#valuesOf(tensor);
        tensor.dispose();
      }
      const bad = firstNotFinite(results['loss']!);
      if (bad >= 0) throw new DivergenceError(`the loss is ${results['loss']![bad]}`, 0, bad);
    } catch (error) {
      if (this.#state !== before) tf.dispose(this.#state);
      this.#state = before;
      throw error;
    }
    if (steps > 0) tf.dispose(before);
    return results;
  }

  /** Takes all steps and gives each metric as [steps]. The state before them is kept. */
  #stepAll(steps: number, batches: Readonly<Record<string, Float32Array>>): Tensors {
    const before = this.#state;
    const reported: Tensors[] = [];
    try {
      for (let step = 0; step < steps; step++) {
        const previous = this.#state;
        const { state, metrics } = this.#step(step, batches);
        this.#state = state;
        reported.push(metrics);
        if (previous !== before) tf.dispose(previous);
      }
      const stacked = this.#program.metrics.map(
        name => [name, tf.stack(reported.map(metrics => metrics[name]!))] as const,
      );
      return Object.fromEntries(stacked);
    } finally {
      tf.dispose(reported);
    }
  }

  #here<Result>(task: () => Result): Result {
    return onBackend(this.#backend.backendName, task);
  }

  #step(step: number, batches: Readonly<Record<string, Float32Array>>): { state: Tensors; metrics: Tensors } {
    const results = tf.tidy(() => {
      const inputs: Tensors = { ...this.#state };
      for (const [name, shape] of Object.entries(this.#program.batch)) {
        const size = sizeOf(shape);
        inputs[name] = tf.tensor(batches[name]!.slice(step * size, (step + 1) * size), [...shape]);
      }
      const outputs = this.#program.step(inputs);
      // Each tensor is disposed of by itself: one that the step passes through, or returns under two names, would
      // otherwise be disposed of with another.
      const taken = new Set(Object.values(this.#state));
      return Object.fromEntries(
        Object.entries(outputs).map(([name, tensor]) => {
          if (taken.has(tensor)) return [name, tensor.clone()];
          taken.add(tensor);
          return [name, tensor];
        }),
      );
    });
    for (const tensor of Object.values(results)) tf.keep(tensor);
    const state: Tensors = {};
    const metrics: Tensors = {};
    for (const [name, tensor] of Object.entries(results)) {
      (name in this.#program.state ? state : metrics)[name] = tensor;
    }
    return { state, metrics };
  }

  async read(): Promise<HostTensors> {
    const entries = Object.entries(this.#state).map(async ([name, tensor]) => {
      const data = await this.#valuesOf(tensor);
      return [name, { data, shape: [...tensor.shape] }] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  /**
   * Reads a tensor, and checks the device before its numbers are believed: a lost device computes nothing and only
   * refuses to be read; a device that refused an allocation gives meaningless numbers.
   */
  async #valuesOf(tensor: tf.Tensor): Promise<Float32Array> {
    try {
      const values = Float32Array.from(await tensor.data());
      const refusal = this.#backend.takeRefusal?.();
      if (refusal !== undefined) throw new EngineUnavailableError(`the device refused: ${refusal}`);
      return values;
    } catch (cause) {
      if (this.#deviceLoss === undefined) throw cause;
      throw new EngineUnavailableError(this.#deviceLoss, [], cause);
    }
  }

  async dispose(): Promise<void> {
    tf.dispose(this.#state);
    this.#state = {};
  }
}
