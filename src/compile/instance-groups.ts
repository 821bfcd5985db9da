/**
 * A step of hundreds of instances as one graph that takes a group of them after the other: a group's tensors stay in
 * the processor's cache, where all together would pass through memory at every operation. Instances are independent, so
 * the results are the same.
 */
import type { Graph, GraphNode, GraphValue, Initializer } from '../onnx/graph.ts';
import { scanBody } from './scan-body.ts';

/**
 * The most instances in a group. Measured on small autoencoders: an instance takes 45 µs in groups of up to this size,
 * 80 µs with 256 together.
 */
const LARGEST_GROUP = 32;

const FIRST_GROUP = 'first group';

/** How many instances go together: the largest divisor of `count` that is no larger than a group; all of them where that is few. */
export function groupSize(count: number): number {
  let size = 1;
  for (let candidate = 2; candidate <= Math.min(count, LARGEST_GROUP); candidate++) {
    if (count % candidate === 0) size = candidate;
  }
  return size >= LARGEST_GROUP / 4 || size === count ? size : count;
}

/**
 * Wraps the graph of a group's step into one of `groups` groups. Inputs and outputs with dimensions have the instances first; scalar
 * inputs are shared by all groups, and scalar outputs are the groups' sum where `summed` names them, else any group's, for all agree.
 */
export function inGroups(group: Graph, groups: number, summed: readonly string[]): Graph {
  const nodes: GraphNode[] = [];
  const initializers: Initializer[] = [
    ...group.initializers,
    { name: FIRST_GROUP, type: 'int64', shape: [], data: [0] },
  ];
  const shapeNamed = (name: string, data: readonly number[]): string => {
    initializers.push({ name, type: 'int64', shape: [data.length], data });
    return name;
  };
  /** The value of all instances; a scalar stays the same. */
  const all = (value: GraphValue): GraphValue => ({
    ...value,
    shape: value.shape.map((dimension, axis) => (axis === 0 ? groups * Number(dimension) : dimension)),
  });
  const isScalar = ({ shape }: GraphValue): boolean => shape.length === 0;
  const divided = group.inputs.filter(value => !isScalar(value));
  const shared = group.inputs.filter(isScalar);

  // A body sees names around it, and those of a graph's inputs change when that graph becomes a body itself.
  for (const { name } of shared)
    nodes.push({ op: 'Identity', inputs: [name], outputs: [`shared/${name}`], attributes: {} });
  for (const { name, shape } of divided) {
    const grouped = shapeNamed(`shape of ${name} in groups`, [groups, ...shape.map(Number)]);
    nodes.push({ op: 'Reshape', inputs: [name, grouped], outputs: [`grouped/${name}`], attributes: {} });
  }
  const renamedShared = new Map(shared.map(({ name }) => [name, `shared/${name}`]));
  const reading: Graph = {
    ...group,
    nodes: group.nodes.map(node => ({ ...node, inputs: node.inputs.map(name => renamedShared.get(name) ?? name) })),
  };
  nodes.push({
    op: 'Scan',
    inputs: divided.map(({ name }) => `grouped/${name}`),
    outputs: group.outputs.map(({ name }) => `grouped/${name}`),
    attributes: {
      num_scan_inputs: divided.length,
      body: { graph: scanBody(reading, 'group', divided, group.outputs) },
    },
  });
  for (const value of group.outputs) {
    const { name } = value;
    const from = `grouped/${name}`;
    if (!isScalar(value)) {
      const whole = shapeNamed(`shape of ${name}`, all(value).shape.map(Number));
      nodes.push({ op: 'Reshape', inputs: [from, whole], outputs: [name], attributes: {} });
    } else if (summed.includes(name)) {
      nodes.push({ op: 'ReduceSum', inputs: [from], outputs: [name], attributes: { keepdims: 0 } });
    } else {
      nodes.push({ op: 'Gather', inputs: [from, FIRST_GROUP], outputs: [name], attributes: { axis: 0 } });
    }
  }
  return {
    name: `${group.name}, in groups`,
    nodes,
    initializers,
    inputs: group.inputs.map(all),
    outputs: group.outputs.map(all),
  };
}
