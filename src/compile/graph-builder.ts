/** Collects the nodes and initializers of one recording. */
import type { Attribute, DataType, GraphNode, Initializer } from '../onnx/graph.ts';
import { type Shape, sizeOf } from '../tensor.ts';
import type { SymbolicValue } from './symbolic-value.ts';

/** Constants up to this many elements are looked up by content and shared. */
const SHARED_CONSTANT_SIZE = 64;

/** The nodes and initializers of one recording. */
export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly #sharedConstants = new Map<string, string>();
  readonly #constantNames = new Map<SymbolicValue, string>();
  #count = 0;

  /**
   * Appends a node.
   * @returns the names of its outputs
   */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputCount = 1,
  ): [string, ...string[]] {
    const outputs = Array.from({ length: outputCount }, () => `${op}_${this.#count++}`);
    this.nodes.push({ op, inputs, outputs, attributes });
    return outputs as [string, ...string[]];
  }

  /** The node that gives `name`, if any. */
  producerOf(name: string): GraphNode | undefined {
    return this.nodes.findLast(node => node.outputs.includes(name));
  }

  /** An initializer with these values. */
  constant(data: ArrayLike<number>, shape: Shape, type: DataType): string {
    const shareable = sizeOf(shape) <= SHARED_CONSTANT_SIZE;
    const key = shareable ? `${type}[${shape.join()}]${Array.from(data).join()}` : '';
    const shared = shareable ? this.#sharedConstants.get(key) : undefined;
    if (shared !== undefined) return shared;
    const name = `constant_${this.#count++}`;
    this.initializers.push({ name, type, shape, data });
    if (shareable) this.#sharedConstants.set(key, name);
    return name;
  }

  /** A one-dimensional int64 initializer: shapes, axes, repeats. */
  integers(values: readonly number[]): string {
    return this.constant(values, [values.length], 'int64');
  }

  /** A name under which nodes can read `value`, in its held shape. */
  nameOf(value: SymbolicValue): string {
    if (value.kind === 'named') return value.name;
    if (value.kind === 'uniform') return this.constant([value.value], [], value.type);
    let name = this.#constantNames.get(value);
    if (name === undefined) {
      name = this.constant(value.values, value.shape, value.type);
      this.#constantNames.set(value, name);
    }
    return name;
  }
}
