/**
 * `compile` records a TensorFlow.js function as an ONNX graph. One mechanism for two jobs: a frozen model is a model's `apply`
 * with its weights as initializers; a training step is compiled whole, gradients and optimizer included.
 */
import { RecordingError } from '../errors.ts';
import type { Dimension, Graph } from '../onnx/graph.ts';
import type { HostTensors } from '../tensor.ts';
import { type RecordedInput, record, type TensorFunction } from './record.ts';
import { chooseProbes, generalise, shapeAt } from './symbolic-dimensions.ts';
import type { TensorType } from './symbolic-value.ts';

export type { TensorFunction } from './record.ts';

/** An input's dimensions, as numbers or names; or its shape and dtype. Default dtype: float32. */
export type InputSpec = readonly Dimension[] | { readonly shape: readonly Dimension[]; readonly dtype?: TensorType };

/** The inputs, weights and outputs of the graph to be recorded. */
export interface CompileOptions {
  /** The graph's inputs. A named dimension (`'batch'`) is known only when the graph runs. */
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /**
   * Weights, which are passed to the function beside its inputs and written as initializers under these names. Default:
   * none.
   */
  readonly constants?: HostTensors;
  /**
   * Names of the results that become graph outputs; the others only name tensors inside, as cut points. Default: all.
   */
  readonly outputs?: readonly string[];
  /** Name of the graph. Default `graph`. */
  readonly name?: string;
  /**
   * Whether the graph is recorded for speed at these very shapes: small constants are expanded, short axes unrolled;
   * files become larger. Ignored with named dimensions. Default false.
   */
  readonly fixedShapes?: boolean;
}

/**
 * Records `fn`, a pure function of tensors made of TensorFlow.js ops (gradients too), as an ONNX graph.
 *
 * Tensors that `fn` closes over become constants. int32 tensors are int64 in the graph. The same function gives the same graph.
 * @throws RecordingError where an op has no rule (the message names the kernel), a value is read (`dataSync`), or a number depends on a
 *   named dimension
 *
 * @example
 * const graph = compile(({ x }) => ({ y: tf.relu(tf.matMul(x, w)) }), { inputs: { x: ['batch', 4] } });
 * await writeFile('relu.onnx', encodeModel(graph));
 */
export function compile(fn: TensorFunction, options: CompileOptions): Graph {
  const { constants = {}, outputs, name = 'graph', fixedShapes = false } = options;
  const specs = Object.entries(options.inputs).map(
    ([input, spec]) => [input, 'shape' in spec ? spec : { shape: spec }] as const,
  );
  const probes = chooseProbes(specs.map(([, { shape }]) => shape));
  const recordAt = (which: 0 | 1): Graph => {
    const inputs = Object.fromEntries(
      specs.map(([input, { shape, dtype = 'float32' }]): [string, RecordedInput] => [
        input,
        { shape: shapeAt(shape, probes, which), dtype },
      ]),
    );
    return record(fn, { name, inputs, constants, outputs }, { fixedShapes: fixedShapes && probes.size === 0 });
  };
  if (probes.size === 0) return requireDistinctNames(recordAt(0));
  const shapes = new Map(specs.map(([input, { shape }]) => [input, shape]));
  return requireDistinctNames(generalise([recordAt(0), recordAt(1)], probes, shapes));
}

/**
 * Checks the names of a graph: the caller's share it with those that a recording gives, such as `Add_3`, `constant_1`
 * and `size_batch`.
 */
function requireDistinctNames(graph: Graph): Graph {
  const seen = new Set<string>();
  const given = [...graph.inputs, ...graph.initializers].map(({ name }) => name);
  for (const name of [...given, ...graph.nodes.flatMap(({ outputs }) => outputs)]) {
    if (seen.has(name)) throw new RecordingError(`"${name}" names two tensors of the graph: choose another name`);
    seen.add(name);
  }
  return graph;
}
