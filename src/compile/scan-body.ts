/** Makes the body of an ONNX Scan, which runs once per step. */
import type { Graph, GraphValue } from '../onnx/graph.ts';

/**
 * `graph` as the body of a Scan with these inputs and outputs. The body has names of its own, `prefix/NAME`, because
 * the graph around it keeps the public ones. Other inputs of `graph`, and its initializers, must be in the graph around
 * it under their names.
 */
export function scanBody(
  graph: Graph,
  prefix: string,
  inputs: readonly GraphValue[],
  outputs: readonly GraphValue[],
): Graph {
  const renamed = new Map([...inputs, ...outputs].map(({ name }) => [name, `${prefix}/${name}`]));
  const rename = (name: string): string => renamed.get(name) ?? name;
  const own = (value: GraphValue): GraphValue => ({ ...value, name: rename(value.name) });
  return {
    name: prefix,
    nodes: graph.nodes.map(node => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
    initializers: [],
    inputs: inputs.map(own),
    outputs: outputs.map(own),
  };
}
