/**
 * Resolves If nodes whose condition does not depend on the model's inputs, as exporters wrap a whole model in: the
 * branch that is always taken becomes part of the graph around it, so that its tensors can be read and replaced. Names
 * stay the same.
 */
import { analyseCut, cutModel } from '../onnx/cut.ts';
import type { AttributeMessage, GraphMessage, NodeMessage } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { readTensor } from '../onnx/tensor-values.ts';
import { makeNode, namesOf, subgraphsOf, withGraph } from './graph-parts.ts';

/** Runs a model without inputs and gives the first value of its only output. */
export type Evaluate = (bytes: Uint8Array) => Promise<number>;

/** The condition of an If, where it is known before the model runs. */
async function decide(model: OnnxModel, condition: string, evaluate: Evaluate): Promise<boolean | undefined> {
  const { graph } = model.proto;
  const tensor = (graph.initializer ?? []).find(({ name }) => name === condition);
  if (tensor) {
    // A default value that a caller may replace is no constant.
    if ((graph.input ?? []).some(({ name }) => name === condition)) return undefined;
    return readTensor(tensor, model.file).data[0] !== 0;
  }
  const cut = { inputs: [], outputs: [condition] };
  if (analyseCut(model, cut).missing.length > 0) return undefined;
  return (await evaluate(cutModel(model, cut))) !== 0;
}

function branchOf(node: NodeMessage, name: string): GraphMessage | undefined {
  return (node.attribute ?? []).find(attribute => attribute.name === name)?.g ?? undefined;
}

/** The graph with names changed, in its subgraphs as well; those that the map does not have stay. */
function renamed(graph: GraphMessage, names: ReadonlyMap<string, string>): GraphMessage {
  const to = (name: string): string => names.get(name) ?? name;
  const value = <T extends { name?: string | null }>(entry: T): T => ({ ...entry, name: to(entry.name ?? '') });
  const attribute = (entry: AttributeMessage): AttributeMessage => ({
    ...entry,
    ...(entry.g && { g: renamed(entry.g, names) }),
    ...(entry.graphs && { graphs: entry.graphs.map(inner => renamed(inner, names)) }),
  });
  return {
    ...graph,
    node: (graph.node ?? []).map(node => ({
      ...node,
      input: (node.input ?? []).map(to),
      output: (node.output ?? []).map(to),
      attribute: (node.attribute ?? []).map(attribute),
    })),
    initializer: (graph.initializer ?? []).map(value),
    input: (graph.input ?? []).map(value),
    output: (graph.output ?? []).map(value),
    valueInfo: (graph.valueInfo ?? []).map(value),
  };
}

/** Replaces node `index` by `branch`. */
function inlined(graph: GraphMessage, index: number, branch: GraphMessage): GraphMessage {
  const nodes = graph.node ?? [];
  const decision = nodes[index]!;
  // Names of the other branch may be used again; those of the graph around may not.
  const around = namesOf({ ...graph, node: nodes.filter((_, at) => at !== index) });
  const own = [
    ...(branch.node ?? []).flatMap(node => node.output ?? []),
    ...(branch.initializer ?? []).map(tensor => tensor.name ?? ''),
  ];
  const names = new Map<string, string>();
  for (const name of own) {
    if (name === '' || !around.has(name)) continue;
    let free = `${name}/branch`;
    while (around.has(free)) free += '_';
    names.set(name, free);
  }
  const part = renamed(branch, names);
  const ends = (decision.output ?? []).map((name, i) => ({ name, from: part.output?.[i]?.name ?? '' }));
  return {
    ...graph,
    node: [
      ...nodes.slice(0, index),
      ...(part.node ?? []),
      ...ends.filter(({ name }) => name !== '').map(({ name, from }) => makeNode('Identity', [from], [name])),
      ...nodes.slice(index + 1),
    ],
    initializer: [...(graph.initializer ?? []), ...(part.initializer ?? [])],
    valueInfo: [...(graph.valueInfo ?? []), ...(part.valueInfo ?? [])],
  };
}

/** The model in which every If that is decided beforehand is replaced by its branch, also within branches. */
export async function inlineConstantBranches(model: OnnxModel, evaluate: Evaluate): Promise<OnnxModel> {
  let current = model;
  const undecided = new Set<string>();
  for (;;) {
    const nodes = current.proto.graph.node ?? [];
    const index = nodes.findIndex(
      node => node.opType === 'If' && !undecided.has(node.output?.[0] ?? '') && subgraphsOf(node).length === 2,
    );
    if (index < 0) return current;
    const node = nodes[index]!;
    const decision = await decide(current, node.input?.[0] ?? '', evaluate);
    const branch = decision === undefined ? undefined : branchOf(node, decision ? 'then_branch' : 'else_branch');
    if (branch) current = withGraph(current, inlined(current.proto.graph, index, branch));
    else undecided.add(node.output?.[0] ?? '');
  }
}
