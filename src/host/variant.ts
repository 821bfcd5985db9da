/**
 * Makes variants of a host model: other tensors as outputs, tensors replaced by inputs, cut down to the nodes that this
 * needs.
 */
import { InvalidValueError } from '../errors.ts';
import { cutGraph } from '../onnx/cut.ts';
import type { TensorDescription } from '../onnx/inspect.ts';
import type { GraphMessage } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { inRunningOrder, makeNode, makeValue, namesOf, TYPES, takeName, withGraph } from './graph-parts.ts';
import { channelsLast, inverse, type Layout } from './layout.ts';
import { codeOf, openSeam } from './seam.ts';

/** A tensor that a variant reads or replaces. */
export interface TensorUse {
  readonly tensor: string;
  /** Where a layout is given, the caller's values have the channels last: [batch, ...positions, d]. */
  readonly layout?: Layout;
}

/** Which tensors a variant gives and replaces. */
export interface VariantRequest {
  /**
   * The tensors that are returned; floats as float32. For a tensor that is also replaced, the value that the model
   * itself computes.
   */
  readonly outputs: readonly TensorUse[];
  /** The tensors whose values the caller gives instead of the model, as float32. */
  readonly replace?: readonly TensorUse[];
}

/** A variant of a host model. */
export interface Variant {
  readonly model: OnnxModel;
  /** Names of the outputs, in the order of the request. */
  readonly outputs: readonly string[];
  /** Names of the inputs that replace, in the order of the request. */
  readonly overrides: readonly string[];
  readonly notes: readonly string[];
}

/** Types of tensors by name. */
export type TensorTypes = ReadonlyMap<string, TensorDescription>;

/**
 * Makes a variant.
 * @throws InvalidValueError where a tensor cannot be replaced: see `openSeam`
 */
export function makeVariant(host: OnnxModel, types: TensorTypes, { outputs, replace = [] }: VariantRequest): Variant {
  let model = host;
  const notes: string[] = [];
  const originals = new Map<string, string>();
  for (const { tensor } of replace) {
    if (originals.has(tensor)) throw new InvalidValueError(`${tensor} is replaced twice`);
    const seam = openSeam(model, tensor);
    model = seam.model;
    originals.set(tensor, seam.original);
    notes.push(...seam.notes);
  }
  const { graph } = model.proto;
  const names = namesOf(graph);
  const nodes = [...(graph.node ?? [])];
  const inputs = [...(graph.input ?? [])];

  const overrides = replace.map(({ tensor, layout }) => {
    const type = types.get(tensor)?.type ?? 'float32';
    const override = takeName(names, `${tensor}/override`);
    const shape = types.get(tensor)?.shape;
    inputs.push(makeValue(override, TYPES.float32, new Array(shape?.length ?? layout?.rank ?? 0).fill(undefined)));
    const permutation = layout && channelsLast(layout);
    let value = override;
    if (permutation) {
      const turned = takeName(names, `${tensor}/turned`);
      nodes.push(makeNode('Transpose', [value], [turned], { perm: inverse(permutation) }));
      value = turned;
    }
    nodes.push(
      type === 'float32'
        ? makeNode('Identity', [value], [tensor])
        : makeNode('Cast', [value], [tensor], { to: codeOf(type) }),
    );
    return override;
  });

  const inputNames = new Set(inputs.map(({ name }) => name ?? ''));
  const given = outputs.map(({ tensor, layout }) => {
    const type = types.get(tensor)?.type;
    let value = originals.get(tensor) ?? tensor;
    const permutation = layout && channelsLast(layout);
    if (permutation) {
      const turned = takeName(names, `${tensor}/rows`);
      nodes.push(makeNode('Transpose', [value], [turned], { perm: permutation }));
      value = turned;
    }
    if (type === 'float16' || type === 'bfloat16' || type === 'float64') {
      const cast = takeName(names, `${tensor}/float32`);
      nodes.push(makeNode('Cast', [value], [cast], { to: TYPES.float32 }));
      value = cast;
    }
    if (inputNames.has(value)) {
      const copy = takeName(names, `${tensor}/copy`);
      nodes.push(makeNode('Identity', [value], [copy]));
      value = copy;
    }
    return value;
  });

  const declared = new Map((graph.output ?? []).map(value => [value.name ?? '', value]));
  const whole: GraphMessage = {
    ...graph,
    node: inRunningOrder(nodes),
    input: inputs,
    output: [...new Set(given)].map(name => declared.get(name) ?? { name }),
  };
  const cut = cutGraph(withGraph(model, whole), {
    inputs: inputs.map(({ name }) => name ?? '').filter(name => !isInitialised(graph, name)),
    outputs: [...new Set(given)],
  });
  return { model: cut, outputs: given, overrides, notes };
}

function isInitialised(graph: GraphMessage, name: string): boolean {
  return (graph.initializer ?? []).some(tensor => tensor.name === name);
}
