/**
 * Makes one recording: runs a function on symbols of fixed shapes and gives its graph, without the nodes that no output
 * needs.
 */
import * as tf from '@tensorflow/tfjs';
import { RecordingError } from '../errors.ts';
import type { Graph, GraphNode, GraphValue } from '../onnx/graph.ts';
import type { HostTensors, Shape } from '../tensor.ts';
import { RECORDING_BACKEND, type RecordingOptions, recorder } from './recording-backend.ts';
import { explainRecordingFailure } from './rule.ts';
import { dataTypeOf, type TensorType } from './symbolic-value.ts';
import './rules/elementwise.ts';
import './rules/matrix.ts';
import './rules/reductions.ts';
import './rules/selection.ts';
import './rules/shapes.ts';

/** A function of named tensors. */
export type TensorFunction = (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>;

/** An input of a recorded function. */
export interface RecordedInput {
  readonly shape: Shape;
  readonly dtype: TensorType;
}

/** What is recorded. */
export interface RecordRequest {
  readonly name: string;
  readonly inputs: Readonly<Record<string, RecordedInput>>;
  /** Weights: initializers under their own names, passed to the function beside the inputs. */
  readonly constants: HostTensors;
  /** Results that become graph outputs; the others only lend their names to the tensors inside. All where absent. */
  readonly outputs?: readonly string[] | undefined;
}

/**
 * Records `fn`.
 * @throws RecordingError where it uses a kernel without a rule, reads a value, or lacks an output
 */
export function record(fn: TensorFunction, request: RecordRequest, options: RecordingOptions): Graph {
  const previous = tf.getBackend() as string | undefined;
  if (previous === RECORDING_BACKEND) {
    throw new RecordingError('a function that is being recorded called compile: record the inner function first');
  }
  tf.setBackend(RECORDING_BACKEND);
  recorder.begin(options);
  tf.engine().startScope();
  try {
    const results = fn(symbolicInputs(request));
    const graph = finish(request, results);
    // A function may have kept its results (tf.keep). A tensor of the caller's that it closes over and returns is not
    // disposed of.
    tf.dispose(Object.values(results).filter(tensor => recorder.value(tensor).kind === 'named'));
    return graph;
  } catch (error) {
    throw explainRecordingFailure(error);
  } finally {
    tf.engine().endScope();
    selectBackend(previous);
    // The graph holds what it needs: weights should not stay in memory until the next recording.
    recorder.begin({ fixedShapes: false });
  }
}

/**
 * Before its first op TensorFlow.js has no backend. This state is restored, so that it still chooses its best one then.
 */
function selectBackend(name: string | undefined): void {
  if (name !== undefined) tf.setBackend(name);
  else Object.assign(tf.engine(), { backendName: undefined, backendInstance: null });
}

function symbolicInputs({ inputs, constants }: RecordRequest): Record<string, tf.Tensor> {
  const symbols: Record<string, tf.Tensor> = {};
  for (const [name, { shape, dtype }] of Object.entries(inputs)) {
    symbols[name] = tf.engine().makeTensorFromTensorInfo(recorder.result(name, shape, dtype));
  }
  for (const [name, { shape, data }] of Object.entries(constants)) {
    if (name in symbols) throw new RecordingError(`"${name}" is both an input and a constant`);
    recorder.builder.initializers.push({ name, type: 'float32', shape, data });
    symbols[name] = tf.engine().makeTensorFromTensorInfo(recorder.result(name, shape, 'float32'));
  }
  return symbols;
}

function finish(request: RecordRequest, results: Record<string, tf.Tensor>): Graph {
  const reserved = new Set([...Object.keys(request.inputs), ...Object.keys(request.constants)]);
  const outputNames = request.outputs ?? Object.keys(results);
  if (outputNames.length === 0)
    throw new RecordingError('the function gave no tensors: expected a record of them, by name');
  for (const name of outputNames) {
    if (!results[name]) {
      throw new RecordingError(
        `the function gave no "${name}"; it gave ${Object.keys(results).join(', ') || 'nothing'}`,
      );
    }
  }
  const renamed = new Map<string, string>();
  for (const [name, tensor] of Object.entries(results)) {
    if (reserved.has(name)) throw new RecordingError(`"${name}" is both an output and an input or constant`);
    const source = recorder.full(tensor);
    // A graph input, a constant, or a tensor that already has a name of its own is copied; any other takes the name itself.
    if (renamed.has(source) || !recorder.builder.producerOf(source)) {
      recorder.builder.nodes.push({
        op: 'Identity',
        inputs: [renamed.get(source) ?? source],
        outputs: [name],
        attributes: {},
      });
    } else {
      renamed.set(source, name);
    }
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  const nodes = recorder.builder.nodes.map(node => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  const graph = {
    name: request.name,
    nodes,
    initializers: recorder.builder.initializers,
    inputs: Object.entries(request.inputs).map(([name, { shape, dtype }]) => ({
      name,
      type: dataTypeOf(dtype),
      shape,
    })),
    outputs: outputNames.map((name): GraphValue => {
      const { shape, dtype } = results[name]!;
      return { name, type: dataTypeOf(dtype), shape };
    }),
  };
  return prune(graph);
}

/** Drops nodes and initializers that no output depends on. Inputs stay: they are the signature. */
function prune(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(output => output.name));
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(output => needed.has(output))) continue;
    for (const input of node.inputs) needed.add(input);
    nodes.push(node);
  }
  return { ...graph, nodes: nodes.reverse(), initializers: graph.initializers.filter(({ name }) => needed.has(name)) };
}
