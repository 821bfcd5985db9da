/** A training step compiled for ONNX Runtime, as plain data: it can be sent to another thread. */
import { compile } from '../compile/compile.ts';
import { groupSize, inGroups } from '../compile/instance-groups.ts';
import { nextName, repeatStep } from '../compile/repeat-step.ts';
import type { Graph } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import type { StepProgram } from './engine.ts';

/** A training step as an ONNX file with the state to start from. */
export interface CompiledStep {
  /** The ONNX file: state and batch in, the next state (`nextName`) and the metrics out. */
  readonly model: Uint8Array;
  /** Whether one run of the model takes many steps; batches and metrics then have a leading dimension `steps`. */
  readonly isRepeated: boolean;
  /** The state to start from. */
  readonly state: HostTensors;
  /** The shape of each per-step input. */
  readonly batch: Readonly<Record<string, Shape>>;
  /** The shape of each metric of one step. */
  readonly metrics: Readonly<Record<string, Shape>>;
}

/**
 * Records `program` as a graph.
 * @param isRepeated whether one run of the graph takes many steps
 */
export function compileStep(program: StepProgram, isRepeated: boolean): CompiledStep {
  const graph = isRepeated ? groupedGraph(program) : stepGraph(program);
  const model = encodeModel(isRepeated ? repeated(graph, program) : graph);
  const shapes = new Map(graph.outputs.map(({ name, shape }) => [name, shape as Shape]));
  const metrics = Object.fromEntries(program.metrics.map(name => [name, shapes.get(name)!]));
  return { model, isRepeated, state: program.state, batch: program.batch, metrics };
}

/** One step as a graph: every state entry `name` has the output `name.next`. */
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
      fixedShapes: true,
    },
  );
}

/** A graph that runs many instances one group after another, where the program has instances. */
function groupedGraph(program: StepProgram): Graph {
  const { count, batchAxis } = program.instances ?? { count: 1, batchAxis: 0 };
  const size = groupSize(count);
  if (size === count || batchAxis !== 0) return stepGraph(program);
  return inGroups(stepGraph(instancesOf(program, 0, size)), count / size, program.metrics);
}

/** The program of the instances `start` up to, not including, `end` of `program`. */
export function instancesOf(program: StepProgram, start: number, end: number): StepProgram {
  const { count, batchAxis } = program.instances!;
  const part = ({ data, shape }: HostTensor): HostTensor => {
    if (shape.length === 0) return { data, shape };
    const size = data.length / count;
    return { data: data.slice(start * size, end * size), shape: [end - start, ...shape.slice(1)] };
  };
  const narrowed = (name: string, shape: Shape): Shape => {
    const counting = program.scalars?.includes(name) ? 0 : batchAxis;
    return shape.map((size, axis) => (axis === counting ? end - start : size));
  };
  return {
    ...program,
    state: Object.fromEntries(Object.entries(program.state).map(([name, tensor]) => [name, part(tensor)])),
    batch: Object.fromEntries(Object.entries(program.batch).map(([name, shape]) => [name, narrowed(name, shape)])),
    instances: { count: end - start, batchAxis },
  };
}

function repeated(graph: Graph, program: StepProgram): Graph {
  return repeatStep(graph, {
    state: Object.keys(program.state),
    perStep: Object.keys(program.batch),
    stacked: program.metrics,
  });
}
