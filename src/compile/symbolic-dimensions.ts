/**
 * Dimensions known only when the graph runs. TensorFlow.js wants numbers, so a function is recorded at two sizes of each symbolic
 * dimension; whatever differs between the two graphs depends on it and is rewritten in terms of the inputs' real shapes.
 */
import { RecordingError } from '../errors.ts';
import type { Dimension, Graph, GraphNode, GraphValue, Initializer } from '../onnx/graph.ts';
import { sameShape } from '../tensor.ts';

/** Primes, so that a multiple of one is hardly a multiple of another or some dimension of the model. */
const PROBES: readonly (readonly [number, number])[] = [
  [97, 197],
  [103, 211],
  [109, 227],
  [127, 239],
];

/** Sizes to record at, by the name of the dimension. */
export type Probe = ReadonlyMap<string, readonly [number, number]>;

/** Picks two sizes for each symbolic dimension of `shapes`. */
export function chooseProbes(shapes: readonly (readonly Dimension[])[]): Probe {
  const names = [...new Set(shapes.flat().filter(dimension => typeof dimension === 'string'))];
  if (names.length > PROBES.length) {
    throw new RecordingError(`at most ${PROBES.length} symbolic dimensions can be recorded, got ${names.join(', ')}`);
  }
  return new Map(names.map((name, i) => [name, PROBES[i]!]));
}

/** A symbolic shape at probe 0 or 1. */
export function shapeAt(shape: readonly Dimension[], probes: Probe, which: 0 | 1): number[] {
  return shape.map(dimension => (typeof dimension === 'number' ? dimension : probes.get(dimension)![which]));
}

/** factor · the product of `dimensions`: one, or two where they were flattened into one. */
interface Multiple {
  readonly dimensions: readonly string[];
  readonly factor: number;
}

/**
 * Joins two recordings of one function into a graph with symbolic dimensions.
 * @throws RecordingError where the function takes another path at another size, or bakes the size into a number
 */
export function generalise(
  [first, second]: readonly [Graph, Graph],
  probes: Probe,
  inputShapes: ReadonlyMap<string, readonly Dimension[]>,
): Graph {
  if (first.nodes.map(signatureOf).join() !== second.nodes.map(signatureOf).join()) {
    throw new RecordingError(`the function takes another path at another size of ${[...probes.keys()].join(', ')}`);
  }
  const replaced = new Map<string, string>();
  const added: GraphNode[] = [];
  const constants: Initializer[] = [];
  const dimensions = new DimensionReader(inputShapes, added, constants);
  // Constants are named in order of appearance: equal ones may be shared in one recording and apart in the other.
  const pairs = new Map<string, string>();
  const pair = (name: string, partner: string): void => {
    if (pairs.has(name) && pairs.get(name) !== partner) {
      throw new RecordingError(`"${name}" means two things at another size of ${[...probes.keys()].join(', ')}`);
    }
    pairs.set(name, partner);
  };
  for (const { name } of first.inputs) pair(name, name);
  first.nodes.forEach((node, i) => {
    const { inputs, outputs } = second.nodes[i]!;
    node.inputs.forEach((input, j) => void pair(input, inputs[j]!));
    node.outputs.forEach((output, j) => void pair(output, outputs[j]!));
  });
  for (const { name } of first.outputs) pair(name, name);
  const partners = new Map(second.initializers.map(initializer => [initializer.name, initializer]));
  const kept = first.initializers.filter(initializer => {
    const partner = partners.get(pairs.get(initializer.name) ?? initializer.name);
    if (partner && sameData(initializer, partner)) return true;
    const isList = initializer.type === 'int64' && partner?.type === 'int64' && initializer.shape.length === 1;
    if (!isList || !sameShape(initializer.shape, partner.shape)) {
      throw new RecordingError(
        `a constant of shape [${initializer.shape.join(', ')}] depends on the size of ${[...probes.keys()].join(', ')}; ` +
          'use an op that does not need the number (tf.mean instead of a division by the batch size)',
      );
    }
    const entries = Array.from(initializer.data, (value, i) => multipleOf(value, partner.data[i]!, probes));
    replaced.set(initializer.name, dimensions.vector(entries));
    return false;
  });
  const rename = (name: string): string => replaced.get(name) ?? name;
  const nodes = first.nodes.map(node => ({ ...node, inputs: node.inputs.map(rename) }));
  const symbolic = (values: readonly GraphValue[], others: readonly GraphValue[]): GraphValue[] =>
    values.map((value, i) => ({ ...value, shape: symbolicShape(value.shape, others[i]!.shape, probes) }));
  return {
    ...first,
    nodes: [...added, ...nodes],
    initializers: [...kept, ...constants],
    inputs: symbolic(first.inputs, second.inputs),
    outputs: symbolic(first.outputs, second.outputs),
  };
}

/** A node without the names that it reads and writes, as text. */
function signatureOf({ op, inputs, outputs, attributes }: GraphNode): string {
  return `${op} ${inputs.length} ${outputs.length} ${JSON.stringify(attributes)}`;
}

function sameData(a: Initializer, b: Initializer): boolean {
  if (!sameShape(a.shape, b.shape)) return false;
  if (a.data === b.data) return true;
  for (let i = 0; i < a.data.length; i++) if (!Object.is(a.data[i], b.data[i])) return false;
  return true;
}

/** The number where both recordings agree; otherwise the dimension, or product of two, of which it is a multiple. */
function multipleOf(x: number, y: number, probes: Probe): number | Multiple {
  if (x === y) return x;
  const names = [...probes.keys()];
  const products = names.flatMap((name, i) => names.slice(i).map(other => [name, other]));
  for (const dimensions of [...names.map(name => [name]), ...products]) {
    const [p, q] = [0, 1].map(which => dimensions.reduce((size, name) => size * probes.get(name)![which]!, 1));
    const factor = x / p!;
    if (Number.isInteger(factor) && factor * q! === y) return { dimensions, factor };
  }
  throw new RecordingError(`a size that is ${x} at one batch size and ${y} at another is no multiple of any dimension`);
}

function symbolicShape(a: readonly Dimension[], b: readonly Dimension[], probes: Probe): Dimension[] {
  return a.map((dimension, i) => {
    const entry = multipleOf(Number(dimension), Number(b[i]), probes);
    if (typeof entry === 'number') return entry;
    return [...(entry.factor === 1 ? [] : [entry.factor]), ...entry.dimensions].join('*');
  });
}

/** Emits nodes that read dimensions of the inputs at run time, each once. */
class DimensionReader {
  readonly #inputShapes: ReadonlyMap<string, readonly Dimension[]>;
  readonly #nodes: GraphNode[];
  readonly #constants: Initializer[];
  readonly #known = new Map<string, string>();

  constructor(inputShapes: ReadonlyMap<string, readonly Dimension[]>, nodes: GraphNode[], constants: Initializer[]) {
    this.#inputShapes = inputShapes;
    this.#nodes = nodes;
    this.#constants = constants;
  }

  /** The name of an int64 vector with these entries. */
  vector(entries: readonly (number | Multiple)[]): string {
    const parts = entries.map(entry => (typeof entry === 'number' ? this.#constant(entry) : this.#multiple(entry)));
    if (parts.length === 1) return parts[0]!;
    return this.#once(`shape_${parts.join('_')}`, name => ({
      op: 'Concat',
      inputs: parts,
      outputs: [name],
      attributes: { axis: 0 },
    }));
  }

  #constant(value: number): string {
    const name = `size_${value}`;
    if (!this.#known.has(name)) {
      this.#known.set(name, name);
      this.#constants.push({ name, type: 'int64', shape: [1], data: [value] });
    }
    return name;
  }

  #multiple({ dimensions, factor }: Multiple): string {
    const sizes = dimensions.map(dimension => this.#size(dimension));
    return (factor === 1 ? sizes : [this.#constant(factor), ...sizes]).reduce((product, size) =>
      this.#once(`${product}_times_${size}`, name => ({
        op: 'Mul',
        inputs: [product, size],
        outputs: [name],
        attributes: {},
      })),
    );
  }

  #size(dimension: string): string {
    return this.#once(`size_${dimension}`, name => {
      for (const [input, shape] of this.#inputShapes) {
        const axis = shape.indexOf(dimension);
        if (axis < 0) continue;
        return { op: 'Shape', inputs: [input], outputs: [name], attributes: { start: axis, end: axis + 1 } };
      }
      throw new RecordingError(`no input has the dimension ${dimension}`);
    });
  }

  #once(name: string, build: (name: string) => GraphNode): string {
    if (!this.#known.has(name)) {
      this.#nodes.push(build(name));
      this.#known.set(name, name);
    }
    return name;
  }
}
