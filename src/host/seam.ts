/**
 * Opens a seam at a tensor: what the model computes gets a new name, and the tensor's own name, which everything reads
 * (also subgraphs and the model's outputs), is left to be filled by something else. No reader can be missed, because
 * none changes.
 *
 * The exception is a reader inside the node that computes the tensor. ONNX Runtime's optimizer fuses a residual sum
 * with the norm after it (SkipLayerNormalization): the sum is output 3, and output 0 is the norm of the sum *inside the
 * node*. Such a node is divided into the sum and a norm of the replaced tensor; where it is not known how, the tensor
 * is refused. https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 */
import { InvalidValueError } from '../errors.ts';
import { elementType } from '../onnx/element-type.ts';
import type { GraphMessage, NodeMessage } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { makeNode, namesOf, subgraphsOf, takeName, withGraph } from './graph-parts.ts';

/** A model with a seam at a tensor. */
export interface Seam {
  /** The model. Nothing computes `tensor` until a node or an input gives it. */
  readonly model: OnnxModel;
  readonly tensor: string;
  /** The new name of the tensor that the model computes. */
  readonly original: string;
  /** What was done besides renaming, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * A norm with a fused sum: the output of the sum, the inputs of the norm's weights, and the operator of the norm alone.
 */
interface FusedNorm {
  readonly sum: number;
  readonly gamma: number;
  readonly beta: number | undefined;
  readonly norm: 'SkipLayerNormalization' | 'SkipSimplifiedLayerNormalization';
}

const FUSED_NORMS: Readonly<Record<string, FusedNorm>> = {
  SkipLayerNormalization: { sum: 3, gamma: 2, beta: 3, norm: 'SkipLayerNormalization' },
  SkipSimplifiedLayerNormalization: { sum: 3, gamma: 2, beta: undefined, norm: 'SkipSimplifiedLayerNormalization' },
  EmbedLayerNormalization: { sum: 2, gamma: 5, beta: 6, norm: 'SkipLayerNormalization' },
};

/** Operators with several outputs of which none is computed from another. */
const INDEPENDENT_OUTPUTS = new Set(['Split', 'Dropout', 'TopK', 'MaxPool', 'BatchNormalization', 'SplitToSequence']);

/** Operators whose first output is their result; their other outputs do not depend on it. */
const FIRST_IS_RESULT = new Set([
  'LayerNormalization',
  'SimplifiedLayerNormalization',
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
  'EmbedLayerNormalization',
  'GroupQueryAttention',
  'MultiHeadAttention',
  'DecoderMaskedMultiHeadAttention',
  'DecoderMaskedSelfAttention',
  'PagedAttention',
  'SparseAttention',
  'Attention',
  'QAttention',
]);

/** Operators whose result is different each time. */
const RANDOM = /^(Random|Bernoulli|Multinomial)/;

/** The names that are read: by a node, a subgraph or from outside. */
function readNames(graph: GraphMessage): Set<string> {
  const read = new Set<string>();
  const visit = (part: GraphMessage): void => {
    for (const value of part.output ?? []) read.add(value.name ?? '');
    for (const node of part.node ?? []) {
      for (const name of node.input ?? []) read.add(name);
      for (const inner of subgraphsOf(node)) visit(inner);
    }
  };
  visit(graph);
  return read;
}

/** Why there can be no seam at `tensor`, where no node of the main graph computes it. */
export function whyNotParted(model: OnnxModel, tensor: string): string {
  const { graph } = model.proto;
  if ((graph.initializer ?? []).some(({ name }) => name === tensor)) {
    return `${tensor} is a weight of the model, not something that it computes from its inputs`;
  }
  if ((graph.input ?? []).some(({ name }) => name === tensor)) {
    return `${tensor} is an input of the model: change what is fed instead`;
  }
  const holder = (graph.node ?? []).find(node => subgraphsOf(node).some(inner => namesOf(inner).has(tensor)));
  if (holder) {
    return (
      `${tensor} is inside a branch or loop (the ${holder.opType} node ${holder.name || holder.output?.[0]}), ` +
      'whose course is known only when it runs: it can be neither read nor replaced'
    );
  }
  return `no tensor named ${tensor}`;
}

/** The text of a node without its own name and outputs: equal texts compute equal values. */
function computation(node: NodeMessage): string {
  const bytes = (value: unknown) => (value instanceof Uint8Array ? Array.from(value) : value);
  return JSON.stringify([node.domain ?? '', node.opType, node.input, node.attribute ?? []], (_, value) => bytes(value));
}

/**
 * Opens a seam at `tensor`.
 * @throws InvalidValueError where no node of the main graph computes it, or where the node that does also uses it
 *   inside for another output in a way that is not known
 */
export function openSeam(model: OnnxModel, tensor: string): Seam {
  const { graph } = model.proto;
  const nodes = graph.node ?? [];
  const index = nodes.findIndex(node => (node.output ?? []).includes(tensor));
  if (index < 0) throw new InvalidValueError(whyNotParted(model, tensor));
  const producer = nodes[index]!;
  const names = namesOf(graph);
  const original = takeName(names, `${tensor}/original`);
  const notes: string[] = [];
  const replaced = new Map<number, readonly NodeMessage[]>();

  const position = producer.output!.indexOf(tensor);
  const read = readNames(graph);
  const others = producer.output!.filter((name, i) => name !== '' && i !== position && read.has(name));
  let output = producer.output!.map(name => (name === tensor ? original : name));
  const behind: NodeMessage[] = [];
  if (others.length > 0) {
    const { opType = '', domain } = producer;
    const isFunction = (model.proto.functions ?? []).some(
      ({ name, domain: where }) => name === opType && (where ?? '') === (domain ?? ''),
    );
    const fused = isFunction ? undefined : FUSED_NORMS[opType ?? ''];
    if (fused && position === fused.sum) {
      const isStatistic = (name: string) => producer.output!.indexOf(name) !== 0;
      if (others.some(isStatistic)) {
        throw new InvalidValueError(
          `${tensor} is the sum inside the ${opType} node ${producer.name}, whose ${others.filter(isStatistic).join(', ')} is read as well: it cannot be parted`,
        );
      }
      const [norm] = others;
      // The sum stays the node's own, to the bit; the node's norm of it is no longer read.
      output = output.map(name => (name === norm ? takeName(names, `${norm}/unread`) : name));
      const zero = takeName(names, `${tensor}/zero`);
      behind.push(makeNode('Sub', [tensor, tensor], [zero]), {
        ...makeNode(
          fused.norm,
          [
            tensor,
            zero,
            producer.input![fused.gamma]!,
            ...(fused.beta === undefined ? [] : [producer.input![fused.beta]!]),
          ],
          [norm!],
        ),
        domain: 'com.microsoft',
        attribute: (producer.attribute ?? []).filter(({ name }) => name === 'epsilon'),
      });
      notes.push(`${opType} holds the sum and its norm in one node: it was parted at the sum`);
    } else if (
      isFunction ||
      !(INDEPENDENT_OUTPUTS.has(opType ?? '') || (position === 0 && FIRST_IS_RESULT.has(opType ?? '')))
    ) {
      throw new InvalidValueError(
        `${tensor} comes from the ${opType} node ${producer.name || ''}, which also gives ${others.join(', ')}: whether those are computed from it is not known, so it cannot be replaced safely`,
      );
    }
  }
  replaced.set(index, [{ ...producer, output }, ...behind]);

  // QDQ graphs repeat a DequantizeLinear for each reader, and exporters repeat what they compute twice: all of them are this tensor.
  if (!RANDOM.test(producer.opType ?? '') && producer.output!.length === 1 && subgraphsOf(producer).length === 0) {
    const same = computation(producer);
    nodes.forEach((node, at) => {
      if (at === index || node.opType !== producer.opType || node.output?.length !== 1) return;
      if (computation(node) !== same) return;
      replaced.set(at, [makeNode('Identity', [tensor], [node.output[0]!])]);
      notes.push(`${node.output[0]} repeats the same computation: it now reads ${tensor}`);
    });
  }

  const node = nodes.flatMap((candidate, at) => replaced.get(at) ?? [candidate]);
  const declared = (graph.valueInfo ?? []).find(({ name }) => name === tensor);
  return {
    model: withGraph(model, {
      ...graph,
      node,
      ...(declared && { valueInfo: [...(graph.valueInfo ?? []), { ...declared, name: original }] }),
    }),
    tensor,
    original,
    notes,
  };
}

/** Types of tensors that hold numbers an SAE can take. */
const FLOATS = ['float32', 'float16', 'float64', 'bfloat16'];

/**
 * Checks that a tensor has a float type.
 * @param type the name of its element type
 * @throws InvalidValueError for any other type
 */
export function requireFloat(tensor: string, type: string): void {
  if (FLOATS.includes(type)) return;
  throw new InvalidValueError(
    `${tensor} is ${type}; expected floats. Of a quantised model take the tensor behind a DequantizeLinear, of token ids their embedding`,
  );
}

/** ONNX's code of an element type. */
export function codeOf(type: string): number {
  for (let code = 1; code < 32; code++) if (elementType(code)?.name === type) return code;
  throw new InvalidValueError(`${type} is no element type of ONNX`);
}
