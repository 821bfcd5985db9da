/**
 * The engine that needs no GPU and no TensorFlow: the whole training step, gradients and optimizer included, recorded as one ONNX graph.
 * Many steps run inside one call (ONNX's Scan); state lies in two sets of tensors used in turn, so nothing is copied between calls,
 * and a call whose loss is not finite leaves the state as it was.
 */
import type { Tensor } from 'onnxruntime-common';
import { compile } from '../compile/compile.ts';
import { nextName, repeatStep } from '../compile/repeat-step.ts';
import { DivergenceError, InvalidShapeError } from '../errors.ts';
import type { Graph } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import type { Provider, Runtime } from '../sessions/runtime.ts';
import { openSession, type Session } from '../sessions/session.ts';
import { type HostTensor, type HostTensors, type Shape, sizeOf } from '../tensor.ts';
import type { Accelerator, Engine, EngineDescription, StepProgram, StepRunner } from './engine.ts';
import { firstNotFinite } from './finite-losses.ts';

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
      const opened = await openSession(runtime, encodeModel(maxSteps > 1 ? repeated(graph, program) : graph), {
        provider,
        ...(threads !== undefined && { threads }),
        sessionOptions: { executionMode: 'sequential', graphOptimizationLevel: 'all' },
      });
      return new OnnxRuntimeRunner(runtime, opened.session, program, graph, maxSteps > 1, {
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

/** Counts multiplications as batch rows times parameters, which is near enough. */
function isSmall({ state, batch }: StepProgram): boolean {
  const parameters = Object.entries(state)
    .filter(([name]) => name.startsWith('parameters.'))
    .reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  const rows = Math.max(...Object.values(batch).map(shape => sizeOf(shape.slice(0, -1))));
  return parameters * rows < SMALL_STEP;
}

class OnnxRuntimeRunner implements StepRunner {
  readonly description: EngineDescription;
  readonly #runtime: Runtime;
  readonly #session: Session;
  readonly #program: StepProgram;
  readonly #metricShapes: ReadonlyMap<string, Shape>;
  readonly #isRepeated: boolean;
  /** The state now, and the tensors that the next call writes. */
  #current: Record<string, Tensor>;
  #spare: Record<string, Tensor>;

  constructor(
    runtime: Runtime,
    session: Session,
    program: StepProgram,
    graph: Graph,
    isRepeated: boolean,
    description: EngineDescription,
  ) {
    this.description = description;
    this.#runtime = runtime;
    this.#session = session;
    this.#program = program;
    this.#isRepeated = isRepeated;
    this.#metricShapes = new Map(graph.outputs.map(({ name, shape }) => [name, shape as Shape]));
    const stateTensors = (copy: (data: Float32Array) => Float32Array): Record<string, Tensor> =>
      Object.fromEntries(
        Object.entries(program.state).map(([name, { data, shape }]) => [name, this.#tensor(copy(data), shape)]),
      );
    this.#current = stateTensors(data => Float32Array.from(data));
    this.#spare = stateTensors(data => new Float32Array(data.length));
  }

  async run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    for (const [name, shape] of Object.entries(this.#program.batch)) {
      const expected = steps * sizeOf(shape);
      if (batches[name]?.length !== expected) {
        throw new InvalidShapeError(
          `${steps} steps of "${name}" [${shape.join(', ')}] take ${expected} numbers, got ${batches[name]?.length ?? 'none'}`,
        );
      }
    }
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
    const fetches: Record<string, Tensor> = {};
    for (const [name, tensor] of Object.entries(this.#spare)) fetches[nextName(name)] = tensor;
    for (const [name, values] of Object.entries(metrics)) {
      fetches[name] = this.#tensor(values, metricShape(this.#metricShapes.get(name)!));
    }
    const feeds = { ...this.#current, ...inputs };
    if (this.#runtime.name === 'onnxruntime-web') {
      // It does not write what it computed on the CPU back into tensors that it was given.
      const results = await this.#session.run(feeds, Object.keys(fetches));
      for (const [name, tensor] of Object.entries(fetches)) {
        (tensor.data as Float32Array).set(results[name]!.data as Float32Array);
      }
    } else {
      await this.#session.run(feeds, fetches);
    }
    const bad = firstNotFinite(metrics['loss']!);
    if (bad >= 0) {
      throw new DivergenceError(`the loss is ${metrics['loss']![bad]}`, completed, completed + bad);
    }
    [this.#current, this.#spare] = [this.#spare, this.#current];
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

  async read(): Promise<HostTensors> {
    return Object.fromEntries(
      Object.entries(this.#current).map(([name, tensor]): [string, HostTensor] => [
        name,
        { data: Float32Array.from(tensor.data as Float32Array), shape: this.#program.state[name]!.shape },
      ]),
    );
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}
