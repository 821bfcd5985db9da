/** All tensors of a model, wherever they are: in the graph, in graphs within its nodes and in local functions. */
import { FileFormatError } from '../errors.ts';
import type { GraphMessage, ModelMessage, NodeMessage, TensorMessage } from './proto.ts';

/** A list of nodes and their graph; the body of a local function has no graph. */
interface Body {
  readonly nodes: readonly NodeMessage[];
  readonly graph?: GraphMessage;
}

function* bodiesFrom(body: Body): Generator<Body> {
  yield body;
  for (const { attribute } of body.nodes) {
    for (const { g, graphs } of attribute ?? []) {
      for (const graph of [...(g ? [g] : []), ...(graphs ?? [])]) yield* bodiesFrom({ graph, nodes: graph.node ?? [] });
    }
  }
}

function* everyBody({ graph, functions, trainingInfo }: ModelMessage): Generator<Body> {
  const trained = (trainingInfo ?? []).flatMap(({ initialization, algorithm }) => [initialization, algorithm]);
  for (const one of [graph, ...trained]) if (one) yield* bodiesFrom({ graph: one, nodes: one.node ?? [] });
  for (const { node } of functions ?? []) yield* bodiesFrom({ nodes: node ?? [] });
}

/** Every initializer at every depth. The messages are the model's own. */
export function* everyInitializer(model: ModelMessage): Generator<TensorMessage> {
  for (const { graph } of everyBody(model)) yield* graph?.initializer ?? [];
}

/** Every tensor that a model can hold: initializers, sparse ones and attributes. */
function* everyTensor(model: ModelMessage): Generator<TensorMessage | null | undefined> {
  for (const { graph, nodes } of everyBody(model)) {
    yield* graph?.initializer ?? [];
    for (const { values, indices } of graph?.sparseInitializer ?? []) yield* [values, indices];
    for (const { attribute } of nodes) {
      for (const { t, tensors, sparseTensor, sparseTensors } of attribute ?? []) {
        yield* [t, ...(tensors ?? [])];
        for (const sparse of [sparseTensor, ...(sparseTensors ?? [])]) yield* [sparse?.values, sparse?.indices];
      }
    }
  }
}

/**
 * The last check before a model goes to ONNX Runtime, which opens whatever path a tensor names and takes some names for
 * addresses in memory: nothing lies outside the model but what was `checked`.
 * @throws FileFormatError where something does
 */
export function requireSelfContained(
  model: ModelMessage,
  file?: string,
  checked: ReadonlySet<TensorMessage> = new Set(),
): void {
  for (const tensor of everyTensor(model)) {
    if (!tensor || checked.has(tensor) || (!tensor.dataLocation && !tensor.externalData?.length)) continue;
    const { name } = tensor;
    throw new FileFormatError(`the data of tensor ${name || '(without a name)'} is outside the model: refused`, {
      file,
    });
  }
}
