/**
 * The engine that needs no GPU and no TensorFlow: the whole training step, gradients and optimizer included, recorded as one ONNX graph.
 * Many steps run inside one call (ONNX's Scan), or the state stays on the GPU between calls; nothing is copied between them either way,
 * and a call whose loss is not finite leaves the state as it was.
 */
import type { Tensor } from 'onnxruntime-common';
import { compile } from '../compile/compile.ts';
import { nextName, repeatStep } from '../compile/repeat-step.ts';
import { DivergenceError } from '../errors.ts';
import type { Graph } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import type { Provider, Runtime } from '../sessions/runtime.ts';
import { type OpenedSession, type Outputs, openSession, type Session } from '../sessions/session.ts';
import { type HostTensors, type Shape, sizeOf } from '../tensor.ts';
import type { Accelerator, Engine, EngineDescription, StepProgram, StepRunner } from './engine.ts';
import { firstNotFinite } from './finite-losses.ts';
import { requireBatches } from './require-batches.ts';
import { DeviceState, deviceOutputs, HostState, type StepState } from './step-state.ts';

export interface OnnxRuntimeEngineOptions {
  /** Default `cpu` in Node, `wasm` in a browser. */
  readonly provider?: Provider | 'auto' | undefined;
  /** Threads within an operator. Default: one for a small step, where two cost more than they bring, else ONNX Runtime's own. */
  readonly threads?: number | undefined;
  /** Why this engine was taken, for its description. */
  readonly reason?: string | undefined;
  /** Faster forms of whole steps, each asked in turn; for the cpu provider. Default none. */
  readonly accelerators?: readonly Accelerator[];
}

/** Steps with fewer multiplications than this run on one thread. */
const SMALL_STEP = 2e7;

/** Makes the engine on a loaded runtime (see src/sessions). */
export function createOnnxRuntimeEngine(runtime: Runtime, options: OnnxRuntimeEngineOptions = {}): Engine {
  const { provider = runtime.name === 'onnxruntime-web' ? 'wasm' : 'cpu', reason = 'asked for' } = options;
  return {
    name: 'onnxruntime',
    async prepare(program, { maxSteps = 1 } = {}) {
      const accelerated = provider === 'cpu' ? await accelerate(program, options) : undefined;
      if (accelerated) return accelerated;
      const graph = stepGraph(program);
      const threads = options.threads ?? (isSmall(program) ? 1 : undefined);
      const open = (wanted: Provider | 'auto'): Promise<OpenedSession> =>
        openSession(runtime, encodeModel(maxSteps > 1 && wanted !== 'webgpu' ? repeated(graph, program) : graph), {
          provider: wanted,
          ...(threads !== undefined && { threads }),
          sessionOptions: {
            executionMode: 'sequential',
            graphOptimizationLevel: 'all',
            ...(wanted === 'webgpu' && { preferredOutputLocation: deviceOutputs(graph, program.state) }),
          },
        });
      let opened = await open(provider);
      if (provider === 'auto' && opened.provider === 'webgpu') {
        await opened.session.dispose();
        opened = await open('webgpu');
      }
      // Scan runs on the host: on WebGPU it would fetch the state after each step, which can stay where it is between calls.
      const isOnDevice = opened.provider === 'webgpu';
      const state = isOnDevice ? new DeviceState(runtime, program.state) : new HostState(runtime, program.state);
      return new OnnxRuntimeRunner(runtime, opened.session, program, graph, state, maxSteps > 1 && !isOnDevice, {
        engine: 'onnxruntime',
        provider: opened.provider,
        reason,
      });
    },
  };
}

async function accelerate(
  program: StepProgram,
  { accelerators = [], threads }: OnnxRuntimeEngineOptions,
): Promise<StepRunner | undefined> {
  const { descriptor } = program;
  const accelerator = descriptor && accelerators.find(candidate => candidate.accepts(descriptor).accepted);
  return accelerator?.start(program, { threads });
}

/** One step as a graph: every state entry `name` comes back as `name.next`. */
export function stepGraph(program: StepProgram): Graph {
  const shapes = Object.entries(program.state).map(([name, { shape }]) => [name, shape] as const);
  return compile(
    inputs => {
      const results = program.step(inputs);
      const renamed = Object.entries(results).map(([name, tensor]) =>
        name in program.state ? ([nextName(name), tensor] as const) : ([name, tensor] as const),
      );
      return Object.fromEntries(renamed);
    },
    {
      name: 'training step',
      inputs: { ...Object.fromEntries(shapes), ...program.batch },
      outputs: [...shapes.map(([name]) => nextName(name)), ...program.metrics],
      expandConstants: true,
    },
  );
}

function repeated(graph: Graph, program: StepProgram): Graph {
  return repeatStep(graph, {
    state: Object.keys(program.state),
    perStep: Object.keys(program.batch),
    stacked: program.metrics,
  });
}

function isComplete<T>(entries: Record<string, T | null>): entries is Record<string, T> {
  return !Object.values(entries).includes(null);
}

/** Counts multiplications as batch rows times parameters, which is near enough; instances side by side each see their own rows. */
function isSmall({ state, batch, metrics }: StepProgram): boolean {
  const shapes = Object.entries(state)
    .filter(([name]) => name.startsWith('parameters.'))
    .map(([, { shape }]) => shape);
  const parameters = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const instances = metrics.includes('losses') ? (shapes[0]?.[0] ?? 1) : 1;
  const rows = Math.max(...Object.values(batch).map(shape => sizeOf(shape.slice(0, -1))));
  return (parameters / instances) * rows < SMALL_STEP;
}

class OnnxRuntimeRunner implements StepRunner {
  readonly description: EngineDescription;
  readonly #runtime: Runtime;
  readonly #session: Session;
  readonly #program: StepProgram;
  readonly #metricShapes: ReadonlyMap<string, Shape>;
  readonly #isRepeated: boolean;
  readonly #state: StepState;

  constructor(
    runtime: Runtime,
    session: Session,
    program: StepProgram,
    graph: Graph,
    state: StepState,
    isRepeated: boolean,
    description: EngineDescription,
  ) {
    this.description = description;
    this.#runtime = runtime;
    this.#session = session;
    this.#program = program;
    this.#isRepeated = isRepeated;
    this.#metricShapes = new Map(graph.outputs.map(({ name, shape }) => [name, shape as Shape]));
    this.#state = state;
  }

  async run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    requireBatches(this.#program, steps, batches);
    return this.#isRepeated ? this.#runAll(steps, batches) : this.#runOneByOne(steps, batches);
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
      fetches[name] = this.#tensor(values, metricShape(this.#metricShapes.get(name)!));
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
    // Given tensors are filled by onnxruntime-node alone, and only where no result stays on the GPU.
    if (this.#runtime.name === 'onnxruntime-node' && isComplete(fetches)) return this.#session.run(feeds, fetches);
    const results = await this.#session.run(feeds, Object.keys(fetches));
    for (const [name, tensor] of Object.entries(fetches)) {
      if (tensor) (tensor.data as Float32Array).set(results[name]!.data as Float32Array);
    }
    return results;
  }

  #inputs(batches: Readonly<Record<string, Float32Array>>, shapeOf: (shape: Shape) => Shape): Record<string, Tensor> {
    return Object.fromEntries(
      Object.entries(this.#program.batch).map(([name, shape]) => [name, this.#tensor(batches[name]!, shapeOf(shape))]),
    );
  }

  #emptyMetrics(steps: number): Record<string, Float32Array> {
    return Object.fromEntries(
      this.#program.metrics.map(name => [name, new Float32Array(steps * sizeOf(this.#metricShapes.get(name)!))]),
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
