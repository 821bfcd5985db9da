/**
 * A graph as this package holds it: plain data between the rooms that make graphs (compile, export) and those that
 * write, cut or read them. It mirrors the parts of ONNX's GraphProto that this package writes; default domain only.
 */
import type { Shape } from '../tensor.ts';

/** Types of numbers that recorded graphs have, and those of products of bytes. */
export type DataType = 'float32' | 'int64' | 'bool' | 'uint8' | 'int8' | 'int32';

/** A dimension: a number, or a name for one that is known only when the graph runs (`batch`). */
export type Dimension = number | string;

/** An input or output of a graph: name, type, shape. */
export interface GraphValue {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly Dimension[];
}

/** A weight of a graph. */
export interface Initializer {
  readonly name: string;
  readonly type: DataType;
  readonly shape: Shape;
  /** Row-major; bool as 0 and 1; integers as safe integers. */
  readonly data: ArrayLike<number>;
}

/**
 * An integer, a float (`{float}`, so that 1 does not count as an integer), text, a list of integers, or a body graph.
 */
export type Attribute = number | { readonly float: number } | string | readonly number[] | { readonly graph: Graph };

/** One ONNX operator with the names of its inputs and outputs. */
export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A recorded computation: nodes, weights, inputs and outputs, as ONNX has them. */
export interface Graph {
  readonly name: string;
  /** In topological order. */
  readonly nodes: readonly GraphNode[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  /**
   * Inner tensors whose type and shape the file states, so that the graph can be cut there; written as `value_info`.
   */
  readonly named?: readonly GraphValue[];
}
