/** One graph that runs many steps: ONNX's Scan carries the state from step to step inside the runtime. */
import { invariant } from '../errors.ts';
import type { Dimension, Graph, GraphValue } from '../onnx/graph.ts';

/** The graph's output that holds the next value of state entry `name`. */
export function nextName(name: string): string {
  return `${name}.next`;
}

/** The name of the dimension that counts steps. */
export const STEPS = 'steps';

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
  const find = (values: readonly GraphValue[], name: string): GraphValue => {
    const value = values.find(candidate => candidate.name === name);
    invariant(value, `the step graph has no "${name}"`);
    return value;
  };
  // A Scan body needs names of its own: the outer graph keeps the public ones.
  const inner = (name: string): string => `step/${name}`;
  const bodyInputs = [...state, ...perStep].map(name => find(step.inputs, name));
  const bodyOutputs = [...state.map(nextName), ...stacked].map(name => find(step.outputs, name));
  const renamed = new Map([...bodyInputs, ...bodyOutputs].map(({ name }) => [name, inner(name)]));
  const rename = (name: string): string => renamed.get(name) ?? name;
  const body: Graph = {
    name: 'step',
    nodes: step.nodes.map(node => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
    initializers: [],
    inputs: bodyInputs.map(value => ({ ...value, name: rename(value.name) })),
    outputs: bodyOutputs.map(value => ({ ...value, name: rename(value.name) })),
  };
  const withSteps = (value: GraphValue): GraphValue => ({ ...value, shape: [STEPS, ...value.shape] as Dimension[] });
  return {
    name: `${step.name}, repeated`,
    nodes: [
      {
        op: 'Scan',
        inputs: [...state, ...perStep],
        outputs: [...state.map(nextName), ...stacked],
        attributes: { num_scan_inputs: perStep.length, body: { graph: body } },
      },
    ],
    // The body reads the constants from the graph around it, where ONNX Runtime prepares them once.
    initializers: step.initializers,
    inputs: [...state.map(name => find(step.inputs, name)), ...perStep.map(name => withSteps(find(step.inputs, name)))],
    outputs: [
      ...state.map(name => find(step.outputs, nextName(name))),
      ...stacked.map(name => withSteps(find(step.outputs, name))),
    ],
  };
}
