/** What an ONNX Scan runs again and again. */
import type { Graph, GraphValue } from '../onnx/graph.ts';

/**
 * `graph` as the body of a Scan with these inputs and outputs: under names of its own, `prefix/NAME`, for the graph around it keeps the
 * public ones. Other inputs of `graph`, and its initializers, are what the graph around it must hold under their names.
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
