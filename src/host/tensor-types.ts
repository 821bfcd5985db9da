/**
 * Finds the type and shape of every tensor of a graph, which files seldom state. ONNX Runtime infers them while it
 * loads: all tensors are made outputs, and weights inputs, so that no weight has to be read.
 */

import { encodeProto } from '../onnx/cut.ts';
import { elementType } from '../onnx/element-type.ts';
import type { Dimension } from '../onnx/graph.ts';
import { describeInputs, describeValue, type TensorDescription } from '../onnx/inspect.ts';
import { type TensorMessage, toInteger, type ValueInfoMessage } from '../onnx/proto.ts';
import type { Session } from '../sessions/session.ts';
import { sizeOf } from '../tensor.ts';
import { makeValue, withGraph } from './graph-parts.ts';
import type { HostFile } from './weights-on-disk.ts';

/** Weights with more elements than this are not needed to infer shapes. */
const MOST_SHAPE_ELEMENTS = 64;

/** Opens a session without optimising the graph. */
export type OpenPlain = (bytes: Uint8Array) => Promise<Session>;

const sizesOf = ({ dims }: TensorMessage) => (dims ?? []).map(toInteger);

/**
 * Describes all tensors that nodes of the main graph compute, and the inputs. A tensor has no shape where ONNX Runtime
 * cannot infer it.
 */
export async function inferTensors({ model }: HostFile, open: OpenPlain): Promise<Map<string, TensorDescription>> {
  const { graph } = model.proto;
  const made = (graph.node ?? []).flatMap(node => (node.output ?? []).filter(name => name !== ''));
  const isWeight = (tensor: TensorMessage) => sizeOf(sizesOf(tensor)) > MOST_SHAPE_ELEMENTS;
  const declared = new Map<string, ValueInfoMessage>();
  for (const value of [...(graph.valueInfo ?? []), ...(graph.output ?? [])]) declared.set(value.name ?? '', value);
  const inputs = new Set((graph.input ?? []).map(({ name }) => name));

  const prepare = (withoutWeights: boolean): Uint8Array => {
    const weights = withoutWeights ? (graph.initializer ?? []).filter(isWeight) : [];
    return encodeProto(
      withGraph(model, {
        ...graph,
        initializer: (graph.initializer ?? []).filter(tensor => !weights.includes(tensor)),
        input: [
          ...(graph.input ?? []),
          ...weights
            .filter(({ name }) => !inputs.has(name))
            .map(tensor => makeValue(tensor.name ?? '', tensor.dataType ?? 0, sizesOf(tensor))),
        ],
        output: [...new Set(made)].map(name => declared.get(name) ?? { name }),
      }).proto,
    );
  };

  const session = await open(prepare(true)).catch(() => open(prepare(false)));
  try {
    const described = new Map(describeInputs(model).map(input => [input.name, input]));
    for (const value of session.outputMetadata) {
      const stated = declared.get(value.name);
      const known = stated && describeValue(stated);
      const inferred: readonly Dimension[] = value.isTensor
        ? value.shape.map(size => (typeof size === 'string' ? size || '?' : size >= 0 ? size : '?'))
        : [];
      described.set(value.name, {
        name: value.name,
        type: value.isTensor ? (TYPE_NAMES[value.type] ?? value.type) : 'not a tensor',
        // A shape without dimensions is a scalar's, or could not be inferred.
        shape: inferred.length > 0 ? merged(inferred, known?.shape) : known?.shape,
      });
    }
    return described;
  } finally {
    await session.dispose();
  }
}

/** ONNX Runtime's JavaScript names where they are not ONNX's. */
const TYPE_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: 24 }, (_, code) => elementType(code)?.name)
    .filter(name => name !== undefined)
    .map(name => [name, name]),
);

/** The inferred shape, with the file's names for dimensions that were left open. */
function merged(inferred: readonly Dimension[], stated: readonly Dimension[] | undefined): readonly Dimension[] {
  if (stated?.length !== inferred.length) return inferred;
  return inferred.map((size, i) => (size === '?' ? stated[i]! : size));
}
