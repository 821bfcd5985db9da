/**
 * Builds parts of ONNX messages with which graphs are edited: nodes, small constants, names that are still free, an
 * order to run in.
 */
import { namesRead } from '../onnx/cut.ts';
import {
  type AttributeMessage,
  type GraphMessage,
  type NodeMessage,
  type TensorMessage,
  toInteger,
  type ValueInfoMessage,
} from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';

/** TensorProto.DataType of the types that are named here. */
export const TYPES = { float32: 1, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16 } as const;

/** AttributeProto.AttributeType. */
const ATTRIBUTE = { int: 2, ints: 7, tensor: 4 } as const;

type AttributeValue = number | readonly number[] | TensorMessage;

function attribute(name: string, value: AttributeValue): AttributeMessage {
  if (typeof value === 'number') return { name, type: ATTRIBUTE.int, i: value };
  if (Array.isArray(value)) return { name, type: ATTRIBUTE.ints, ints: [...value] };
  return { name, type: ATTRIBUTE.tensor, t: value as TensorMessage };
}

/** A node of the default domain, without a name: node names must differ, and the host's are not known here. */
export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): NodeMessage {
  return {
    opType,
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  };
}

/** An int64 tensor: [n], or a scalar for a number. */
export function int64Tensor(name: string, values: readonly number[] | number): TensorMessage {
  const list = typeof values === 'number' ? [values] : values;
  return {
    name,
    dims: typeof values === 'number' ? [] : [list.length],
    dataType: TYPES.int64,
    rawData: new Uint8Array(BigInt64Array.from(list, BigInt).buffer),
  };
}

/** Declares a tensor; `undefined` stands for a dimension that is open. */
export function makeValue(
  name: string,
  elemType: number,
  shape: readonly (number | string | undefined)[] | undefined,
): ValueInfoMessage {
  const dim = shape?.map(dimension =>
    dimension === undefined ? {} : typeof dimension === 'string' ? { dimParam: dimension } : { dimValue: dimension },
  );
  return { name, type: { tensorType: { elemType, ...(dim && { shape: { dim } }) } } };
}

/** Subgraphs that a node holds: the branches of an If, the body of a Loop or Scan. */
export function subgraphsOf(node: NodeMessage): GraphMessage[] {
  return (node.attribute ?? []).flatMap(({ g, graphs }) => [...(g ? [g] : []), ...(graphs ?? [])]);
}

/** Every name that the graph or its subgraphs give to anything. */
export function namesOf(graph: GraphMessage): Set<string> {
  const names = new Set<string>();
  const visit = (part: GraphMessage): void => {
    for (const value of [...(part.input ?? []), ...(part.output ?? [])]) names.add(value.name ?? '');
    for (const tensor of part.initializer ?? []) names.add(tensor.name ?? '');
    for (const node of part.node ?? []) {
      for (const name of [...(node.input ?? []), ...(node.output ?? [])]) names.add(name);
      for (const inner of subgraphsOf(node)) visit(inner);
    }
  };
  visit(graph);
  return names;
}

/**
 * The name `wanted`, or, where it is taken, the first of `wanted_1`, `wanted_2` … that is free. The name counts as
 * taken from then on.
 */
export function takeName(names: Set<string>, wanted: string): string {
  let name = wanted;
  for (let i = 1; names.has(name); i++) name = `${wanted}_${i}`;
  names.add(name);
  return name;
}

/** The nodes in an order in which each comes after those whose results it reads; otherwise the given order is kept. */
export function inRunningOrder(nodes: readonly NodeMessage[]): NodeMessage[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.output ?? []) if (name !== '') producer.set(name, index);
  });
  const ordered: NodeMessage[] = [];
  const state = new Uint8Array(nodes.length);
  // This is no recursion because a graph may be a chain of thousands of nodes.
  for (let start = 0; start < nodes.length; start++) {
    const pending = [start];
    while (pending.length > 0) {
      const index = pending.at(-1)!;
      if (state[index] === 2) {
        pending.pop();
        continue;
      }
      const before = state[index] === 1 ? [] : sourcesOf(nodes[index]!, producer).filter(source => state[source] === 0);
      state[index] = 1;
      if (before.length > 0) pending.push(...before);
      else {
        state[index] = 2;
        ordered.push(nodes[index]!);
        pending.pop();
      }
    }
  }
  return ordered;
}

function sourcesOf(node: NodeMessage, producer: ReadonlyMap<string, number>): number[] {
  return namesRead(node)
    .map(name => producer.get(name))
    .filter(index => index !== undefined);
}

/** The version of the default domain's operators that a model is written in. */
export function opsetOf({ proto }: OnnxModel): number {
  return toInteger((proto.opsetImport ?? []).find(({ domain }) => !domain || domain === 'ai.onnx')?.version);
}

/** The same model with another graph. */
export function withGraph(model: OnnxModel, graph: GraphMessage): OnnxModel {
  return { ...model, proto: { ...model.proto, graph } };
}

/** The number in attribute `name` of a node; `otherwise` where it is not there. */
export function integerAttribute(node: NodeMessage, name: string, otherwise: number): number {
  const found = (node.attribute ?? []).find(entry => entry.name === name);
  return found ? toInteger(found.i) : otherwise;
}
