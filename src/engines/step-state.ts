/** The state of a compiled step between two runs of its ONNX Runtime session. */
import type { Tensor } from 'onnxruntime-common';
import { nextName } from '../compile/repeat-step.ts';
import type { Graph } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import type { Runtime } from '../sessions/runtime.ts';
import { type Outputs, openSession, type Session } from '../sessions/session.ts';
import type { HostTensor, HostTensors } from '../tensor.ts';
import type { CompiledStep } from './compiled-step.ts';

/** The state between two runs, wherever it lies. */
export interface StepState {
  /** The state, as inputs of the next run. */
  readonly current: Readonly<Record<string, Tensor>>;
  /** The run's outputs by the graph's names: tensors to fill, or null where the session makes them. */
  fetches(): Record<string, Tensor | null>;
  /** Makes a run's results the state. */
  advance(results: Outputs): void;
  /** Lets go of a run's results, and keeps the state. */
  discard(results: Outputs): void;
  /** A copy of the state. */
  read(): Promise<HostTensors>;
  dispose(): Promise<void>;
}

/** The state in the host's memory: two sets of tensors used in turn, so that no step allocates or copies. */
export class HostState implements StepState {
  current: Record<string, Tensor>;
  #spare: Record<string, Tensor>;

  constructor(runtime: Runtime, initial: HostTensors) {
    this.current = tensorsOf(runtime, initial, data => Float32Array.from(data));
    this.#spare = tensorsOf(runtime, initial, data => new Float32Array(data.length));
  }

  fetches(): Record<string, Tensor> {
    return mapEntries(this.#spare, (name, tensor) => [nextName(name), tensor]);
  }

  advance(): void {
    [this.current, this.#spare] = [this.#spare, this.current];
  }

  /** Goes back to the state before the last run. */
  retreat(): void {
    this.advance();
  }

  discard(): void {}

  async read(): Promise<HostTensors> {
    return mapEntries(this.current, (name, tensor) => [name, copyOf(tensor)]);
  }

  async dispose(): Promise<void> {}
}

/**
 * The state in the GPU's memory, for the provider webgpu: each run's results stay there and are the next run's inputs.
 * The session must have been opened with `deviceOutputs`.
 */
export class DeviceState implements StepState {
  current: Record<string, Tensor>;
  readonly #runtime: Runtime;
  #reader: Session | undefined;

  constructor(runtime: Runtime, initial: HostTensors) {
    this.#runtime = runtime;
    this.current = tensorsOf(runtime, initial, data => Float32Array.from(data));
  }

  fetches(): Record<string, null> {
    return mapEntries(this.current, name => [nextName(name), null]);
  }

  advance(results: Outputs): void {
    const previous = this.current;
    this.current = mapEntries(previous, name => [name, results[nextName(name)] as Tensor]);
    for (const tensor of Object.values(previous)) tensor.dispose();
  }

  discard(results: Outputs): void {
    for (const name of Object.keys(this.current)) (results[nextName(name)] as Tensor).dispose();
  }

  /**
   * Reads through a session on the CPU whose outputs are its inputs: `getData` of a GPU tensor aborts the process in
   * Node.
   */
  async read(): Promise<HostTensors> {
    const { length } = Object.keys(this.current);
    if (length === 0) return {};
    this.#reader ??= (
      await openSession(this.#runtime, encodeModel(copyGraph(this.current)), { provider: 'webgpu' })
    ).session;
    const copies = await this.#reader.run(this.current);
    return mapEntries(this.current, name => [name, copyOf(copies[copyName(name)] as Tensor)]);
  }

  async dispose(): Promise<void> {
    for (const tensor of Object.values(this.current)) tensor.dispose();
    this.current = {};
    await this.#reader?.dispose();
  }
}

/** The session option that keeps a step's next state on the GPU, and its metrics on the host. */
export function deviceOutputs({
  state,
  metrics,
}: Pick<CompiledStep, 'state' | 'metrics'>): Record<string, 'gpu-buffer' | 'cpu'> {
  return {
    ...mapEntries(state, name => [nextName(name), 'gpu-buffer'] as const),
    ...mapEntries(metrics, name => [name, 'cpu'] as const),
  };
}

const copyName = (name: string): string => `${name}.copy`;

function copyGraph(tensors: Readonly<Record<string, Tensor>>): Graph {
  const values = Object.entries(tensors).map(([name, { dims }]) => ({ name, type: 'float32' as const, shape: dims }));
  return {
    name: 'copy',
    nodes: values.map(({ name }) => ({ op: 'Identity', inputs: [name], outputs: [copyName(name)], attributes: {} })),
    initializers: [],
    inputs: values,
    outputs: values.map(value => ({ ...value, name: copyName(value.name) })),
  };
}

function tensorsOf(
  { ort }: Runtime,
  tensors: HostTensors,
  dataOf: (data: Float32Array) => Float32Array,
): Record<string, Tensor> {
  return mapEntries(tensors, (name, { data, shape }) => [
    name,
    new ort.Tensor('float32', dataOf(data) as Float32Array<ArrayBuffer>, [...shape]),
  ]);
}

function copyOf(tensor: Tensor): HostTensor {
  return { data: Float32Array.from(tensor.data as Float32Array), shape: tensor.dims };
}

function mapEntries<From, To>(
  entries: Readonly<Record<string, From>>,
  change: (name: string, value: From) => [string, To],
): Record<string, To> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => change(name, value)));
}
