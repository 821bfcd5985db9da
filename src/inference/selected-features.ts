/**
 * Checks that the features of a TopK graph are exactly the entries that it names. Only then may `feature_indices` and
 * `feature_values` be computed instead of `features`: a damaged or malicious file can show one thing and compute with
 * another.
 */
import { type AttributeMessage, type NodeMessage, toInteger } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { readTensor } from '../onnx/tensor-values.ts';

/** Names of the tensors of a TopK graph, and the width of its features. */
export interface SelectedFeatures {
  readonly input: string;
  readonly features: string;
  readonly indices: string;
  readonly values: string;
  readonly width: number;
}

/** AttributeProto.AttributeType. */
const INTEGER = 2;

/** Whether the node's attributes are these integers and no others. */
function hasOnly({ attribute }: NodeMessage, expected: Readonly<Record<string, number>>): boolean {
  const found = attribute ?? [];
  const isRight = ({ name, type, i }: AttributeMessage) =>
    name && Object.hasOwn(expected, name) && type === INTEGER && expected[name] === toInteger(i);
  return found.length === Object.keys(expected).length && found.every(isRight);
}

/**
 * Whether the graph makes its features as `freezeSae` writes them: zeros of the shape [batch, width], into which the
 * selected values are scattered at the selected indices.
 */
export function scattersSelected({ proto: { graph } }: OnnxModel, selected: SelectedFeatures): boolean {
  const { input, features, indices, values, width } = selected;
  const producers = new Map((graph.node ?? []).flatMap(node => (node.output ?? []).map(name => [name, node] as const)));
  /** The node that makes `name`; `undefined` unless it is of this operator and has this number of inputs. */
  const made = (name: string | undefined, operator: string, inputs: number): NodeMessage | undefined => {
    const node = producers.get(name ?? '');
    const isOurs = node?.opType === operator && !node.domain && node.input?.length === inputs;
    return isOurs && node.output?.length === 1 ? node : undefined;
  };
  const scatter = made(features, 'ScatterElements', 3);
  const zeros = made(scatter?.input?.[0], 'ConstantOfShape', 1);
  const shape = made(zeros?.input?.[0], 'Concat', 2);
  const batch = made(shape?.input?.[0], 'Shape', 1);
  const size = (graph.initializer ?? []).find(({ name }) => name === shape?.input?.[1]);
  // The width must be one int64 (data type 7).
  if (!scatter || !zeros || !shape || !batch || size?.dataType !== 7 || size.dims?.length !== 1) return false;
  const sizes = readTensor(size).data;
  return (
    scatter.input?.[1] === indices &&
    scatter.input[2] === values &&
    hasOnly(scatter, { axis: 1 }) &&
    hasOnly(zeros, {}) &&
    hasOnly(shape, { axis: 0 }) &&
    batch.input?.[0] === input &&
    hasOnly(batch, { start: 0, end: 1 }) &&
    sizes.length === 1 &&
    sizes[0] === width
  );
}
