/**
 * Rewrites nodes of one version of the default domain's operators in another version: a model has one version for all
 * its nodes, so those of a spliced autoencoder must have the host's. Operators that are not known to mean the same are
 * refused by name. https://github.com/onnx/onnx/blob/main/docs/Changelog.md
 */
import { FileFormatError } from '../errors.ts';
import { type AttributeMessage, type NodeMessage, type TensorMessage, toInteger } from '../onnx/proto.ts';
import { readTensor } from '../onnx/tensor-values.ts';
import { int64Tensor, integerAttribute, makeNode, subgraphsOf, takeName } from './graph-parts.ts';

/** The oldest version in which nodes are written. */
const OLDEST_OPSET = 9;

/** Operators whose attribute `axes` became an input, with the version in which it did. */
const AXES_AS_INPUT: Readonly<Record<string, number>> = {
  ReduceSum: 13,
  Squeeze: 13,
  Unsqueeze: 13,
  ReduceL1: 18,
  ReduceL2: 18,
  ReduceLogSum: 18,
  ReduceLogSumExp: 18,
  ReduceMax: 18,
  ReduceMean: 18,
  ReduceMin: 18,
  ReduceProd: 18,
  ReduceSumSquare: 18,
};

/** Operators whose meaning for float32 and integers has not changed since the named version. */
const SINCE: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    (
      'Abs Add And Ceil Concat Constant Div Exp Floor Gather Identity LeakyRelu Log MatMul Mul Neg Not Or Pow PRelu Reciprocal ' +
      'Relu Shape Sigmoid Sqrt Sub Sum Tanh Tile Transpose Max Min Expand Cast Softplus Sin Cos'
    )
      .split(' ')
      .map(name => [name, 8]),
  ),
  ConstantOfShape: 9,
  Erf: 9,
  Gemm: 9,
  Greater: 9,
  IsNaN: 9,
  Less: 9,
  NonZero: 9,
  OneHot: 9,
  Reshape: 9,
  Sign: 9,
  Where: 9,
  Mod: 10,
  Slice: 9,
  CumSum: 11,
  Equal: 11,
  GatherElements: 11,
  GatherND: 11,
  Pad: 11,
  Range: 11,
  Round: 11,
  ScatterND: 11,
  Einsum: 12,
  GreaterOrEqual: 12,
  LessOrEqual: 12,
  Hardmax: 13,
  LogSoftmax: 13,
  Softmax: 13,
  LayerNormalization: 17,
};

/** Attributes that were added later, with a default that keeps the earlier meaning; by operator and attribute. */
const LATER_DEFAULTS: Readonly<
  Record<string, { readonly since: number; readonly harmless: (value: AttributeMessage) => boolean }>
> = {
  'Reshape.allowzero': { since: 14, harmless: ({ i }) => toInteger(i) === 0 },
  'Cast.saturate': { since: 19, harmless: () => true },
  'Cast.round_mode': { since: 24, harmless: () => true },
  'ScatterElements.reduction': { since: 16, harmless: ({ s }) => new TextDecoder().decode(s ?? undefined) === 'none' },
  'ScatterND.reduction': { since: 16, harmless: ({ s }) => new TextDecoder().decode(s ?? undefined) === 'none' },
  'TopK.largest': { since: 11, harmless: ({ i }) => toInteger(i) === 1 },
  'TopK.sorted': { since: 11, harmless: () => true },
};

/** Nodes and their constants. */
export interface Converted {
  readonly nodes: readonly NodeMessage[];
  readonly initializers: readonly TensorMessage[];
}

/**
 * Rewrites `nodes` of version `from` in version `to`.
 * @param names names that are taken; those of new constants are added
 * @throws FileFormatError where an operator is not known in both versions
 */
export function convertOpset(
  { nodes, initializers }: Converted,
  from: number,
  to: number,
  names: Set<string>,
  file?: string,
): Converted {
  if (from === to) return { nodes, initializers };
  const refuse = (problem: string): never => {
    throw new FileFormatError(`the autoencoder is written in opset ${from}, the model in ${to}: ${problem}`, { file });
  };
  if (to < OLDEST_OPSET)
    refuse(`models older than ${OLDEST_OPSET} cannot be spliced; onnx.version_converter brings them up`);
  const added: TensorMessage[] = [];
  const constant = (name: string | undefined, what: string): number[] => {
    const tensor = initializers.find(candidate => candidate.name === name);
    const node = nodes.find(({ opType, output }) => opType === 'Constant' && output?.[0] === name);
    const value = tensor ?? node?.attribute?.find(attribute => attribute.name === 'value')?.t ?? undefined;
    return value ? Array.from(readTensor(value, file).data) : refuse(`${what} are not constant`);
  };

  const convert = (node: NodeMessage): NodeMessage | NodeMessage[] => {
    const op = node.opType ?? '';
    if (node.domain && node.domain !== 'ai.onnx') return node;
    if (subgraphsOf(node).length > 0) refuse(`${op} holds a graph of its own`);
    const kept = (node.attribute ?? []).filter(attribute => {
      const later = LATER_DEFAULTS[`${op}.${attribute.name}`];
      if (!later || to >= later.since) return true;
      if (!later.harmless(attribute)) refuse(`${op} has no ${attribute.name} there`);
      return false;
    });
    const plain: NodeMessage = { ...node, attribute: kept };

    const axesSince = AXES_AS_INPUT[op];
    if (axesSince !== undefined) return movedAxes(plain, axesSince);
    if (op === 'Shape' && to < 15 && kept.some(({ name }) => name === 'start' || name === 'end')) {
      return slicedShape(plain);
    }
    if (op === 'Slice' && to < 10) {
      if (from < 10) return plain;
      const [data, starts, ends, axes, steps] = node.input!;
      if (steps && constant(steps, 'the steps of Slice').some(step => step !== 1)) refuse('Slice has no steps there');
      return sliceByAttributes(data!, node.output![0]!, {
        starts: constant(starts, 'the starts of Slice'),
        ends: constant(ends, 'the ends of Slice'),
        ...(axes && { axes: constant(axes, 'the axes of Slice') }),
      });
    }
    if (op === 'TopK') {
      if (from < 10 === to < 10) return plain;
      if (from < 10) return refuse('TopK is older than 10');
      const [k] = constant(node.input?.[1], 'the k of TopK');
      return {
        ...plain,
        input: [node.input![0]!],
        attribute: [...kept, ...makeNode('', [], [], { k: k! }).attribute!],
      };
    }
    if (op === 'ScatterElements') return to < 11 ? { ...plain, opType: 'Scatter' } : plain;
    if (op === 'Clip') {
      if (from < 11 || to >= 11) return from < 11 ? refuse('Clip is older than 11') : plain;
      const bound = (name: 'min' | 'max', position: number): AttributeMessage[] =>
        node.input?.[position] ? [{ name, type: 1, f: constant(node.input[position], 'the bounds of Clip')[0]! }] : [];
      return { ...plain, input: [node.input![0]!], attribute: [...bound('min', 1), ...bound('max', 2)] };
    }
    if (op === 'Split') {
      if (from < 13 || to < 13) return refuse('Split changed in 13');
      const isEven = !node.input?.[1];
      const hasCount = kept.some(({ name }) => name === 'num_outputs');
      if (to >= 18 && isEven && !hasCount) {
        return {
          ...plain,
          attribute: [...kept, ...makeNode('', [], [], { num_outputs: node.output!.length }).attribute!],
        };
      }
      return to < 18 ? { ...plain, attribute: kept.filter(({ name }) => name !== 'num_outputs') } : plain;
    }
    const since = SINCE[op];
    if (since === undefined) return refuse(`the operator ${op} is not known to mean the same in both`);
    if (from < since || to < since) return refuse(`${op} is only known from ${since} on`);
    return plain;
  };

  /** Shape with `start` and `end`, which the operator itself takes only from version 15 on. */
  const slicedShape = (node: NodeMessage): NodeMessage[] => {
    const start = integerAttribute(node, 'start', 0);
    const end = integerAttribute(node, 'end', 2 ** 31 - 1);
    const whole = takeName(names, `${node.output![0]}/whole`);
    const shape = { ...node, output: [whole], attribute: [] };
    if (to < 10) return [shape, sliceByAttributes(whole, node.output![0]!, { starts: [start], ends: [end] })];
    const bounds = [start, end].map(bound => {
      const tensor = int64Tensor(takeName(names, `${node.output![0]}/bound`), [bound]);
      added.push(tensor);
      return tensor.name!;
    });
    return [shape, makeNode('Slice', [whole, ...bounds], [node.output![0]!])];
  };

  const sliceByAttributes = (
    input: string,
    output: string,
    attributes: Readonly<Record<string, readonly number[]>>,
  ): NodeMessage => makeNode('Slice', [input], [output], attributes);

  const movedAxes = (node: NodeMessage, since: number): NodeMessage => {
    const rest = (node.attribute ?? []).filter(({ name }) => name !== 'axes');
    if (from >= since === to >= since) return node;
    if (to >= since) {
      const axes = (node.attribute ?? []).find(({ name }) => name === 'axes')?.ints;
      if (!axes?.length) return node;
      const tensor = int64Tensor(takeName(names, `${node.output?.[0]}/axes`), axes.map(toInteger));
      added.push(tensor);
      return { ...node, input: [node.input![0]!, tensor.name!], attribute: rest };
    }
    const isNoop = (node.attribute ?? []).some(({ name, i }) => name === 'noop_with_empty_axes' && toInteger(i) !== 0);
    const attributes = rest.filter(({ name }) => name !== 'noop_with_empty_axes');
    if (!node.input?.[1]) return isNoop ? refuse(`${node.opType} without axes`) : { ...node, attribute: attributes };
    const axes = constant(node.input[1], `the axes of ${node.opType}`);
    return {
      ...node,
      input: [node.input[0]!],
      attribute: [...attributes, ...makeNode('', [], [], { axes }).attribute!],
    };
  };

  const converted = nodes.flatMap(convert);
  return { nodes: converted, initializers: [...initializers, ...added] };
}
