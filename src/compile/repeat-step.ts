/** One graph that runs many steps: ONNX's Scan carries the state from step to step inside the runtime. */
import { invariant } from '../errors.ts';
import type { Dimension, Graph, GraphValue } from '../onnx/graph.ts';
import { scanBody } from './scan-body.ts';

/** The graph's output that holds the next value of state entry `name`. */
export function nextName(name: string): string {
  return `${name}.next`;
}

/** The name of the dimension that counts steps. */
export const STEPS = 'steps';

/** Which inputs of a step are carried on, and which have a value for each step. */
export interface RepeatOptions {
  /** Inputs carried from step to step; for each the graph has an output `nextName(input)`. */
  readonly state: readonly string[];
  /** Inputs of which each step takes its own slice: they gain a leading dimension `steps`. */
  readonly perStep: readonly string[];
  /** Outputs stacked over the steps. */
  readonly stacked: readonly string[];
}

/** Wraps a step graph into one that runs `steps` steps, as many as its per-step inputs hold. */
export function repeatStep(step: Graph, { state, perStep, stacked }: RepeatOptions): Graph {
  const inputs = [...state, ...perStep].map(name => valueNamed(step.inputs, name));
  const outputs = [...state.map(nextName), ...stacked].map(name => valueNamed(step.outputs, name));
  const withSteps = (value: GraphValue): GraphValue => ({ ...value, shape: [STEPS, ...value.shape] as Dimension[] });
  return {
    name: `${step.name}, repeated`,
    nodes: [
      {
        op: 'Scan',
        inputs: [...state, ...perStep],
        outputs: outputs.map(({ name }) => name),
        attributes: { num_scan_inputs: perStep.length, body: { graph: scanBody(step, 'step', inputs, outputs) } },
      },
    ],
    // The body reads the constants from the graph around it, where ONNX Runtime prepares them once.
    initializers: step.initializers,
    inputs: inputs.map((value, i) => (i < state.length ? value : withSteps(value))),
    outputs: outputs.map((value, i) => (i < state.length ? value : withSteps(value))),
  };
}

function valueNamed(values: readonly GraphValue[], name: string): GraphValue {
  const value = values.find(candidate => candidate.name === name);
  invariant(value, `the step graph has no "${name}"`);
  return value;
}
