/**
 * Cuts out the part of a model between given tensors, as a model of its own: the decoder, for example, lies between
 * `features` and `reconstruction`. Nodes, initializers and inputs that nothing needs are left out, so that they are
 * neither loaded nor computed.
 */
import { FileFormatError, InvalidValueError } from '../errors.ts';
import { elementType } from './element-type.ts';
import { requireSelfContained } from './every-tensor.ts';
import { type GraphMessage, type NodeMessage, onnx, type ValueInfoMessage } from './proto.ts';
import type { OnnxModel } from './read.ts';

/** The beginning and the end of a cut: names of any tensors of the graph. */
export interface Cut {
  /**
   * Names of the part's inputs. A graph input that the outputs need must be among them. Inputs that nothing needs are
   * left out.
   */
  readonly inputs: readonly string[];
  /** Names of the part's outputs, in this order. */
  readonly outputs: readonly string[];
}

/** Names that a node reads; a subgraph may read any name of the graph around it. */
export function namesRead(node: NodeMessage): string[] {
  const inside = (graph: GraphMessage): string[] => [
    ...(graph.node ?? []).flatMap(namesRead),
    ...(graph.output ?? []).map(value => value.name ?? ''),
  ];
  const graphs = (node.attribute ?? []).flatMap(({ g, graphs }) => [...(g ? [g] : []), ...(graphs ?? [])]);
  return [...(node.input ?? []), ...graphs.flatMap(inside)];
}

/** Every name that `outputs` depend on, walking back no further than `inputs`. */
function namesNeeded(graph: GraphMessage, { inputs, outputs }: Cut): Set<string> {
  const producer = new Map<string, NodeMessage>();
  for (const node of graph.node ?? []) for (const name of node.output ?? []) producer.set(name, node);
  const needed = new Set<string>();
  const pending = [...outputs];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || needed.has(name)) continue;
    needed.add(name);
    const node = inputs.includes(name) ? undefined : producer.get(name);
    if (node) for (const read of namesRead(node)) pending.push(read);
  }
  return needed;
}

/** Every tensor of the graph by name, with its type and shape as far as the file states them. */
function declaredValues(graph: GraphMessage): Map<string, ValueInfoMessage> {
  const declared = [...(graph.valueInfo ?? []), ...(graph.input ?? []), ...(graph.output ?? [])];
  return new Map(declared.map(value => [value.name ?? '', value]));
}

/**
 * Which of `inputs` the part needs, and which inputs of the whole graph it needs besides. The cut can be made where
 * `missing` is empty.
 */
export function analyseCut(
  { proto: { graph } }: OnnxModel,
  cut: Cut,
): { readonly used: string[]; readonly missing: string[] } {
  const needed = namesNeeded(graph, cut);
  const initialized = new Set((graph.initializer ?? []).map(tensor => tensor.name));
  const missing = (graph.input ?? [])
    .map(value => value.name ?? '')
    .filter(name => needed.has(name) && !initialized.has(name) && !cut.inputs.includes(name));
  return { used: cut.inputs.filter(name => needed.has(name)), missing };
}

/**
 * Encodes the part of `model` between `inputs` and `outputs`.
 * @throws InvalidValueError or FileFormatError as `cutGraph`
 */
export function cutModel(model: OnnxModel, cut: Cut): Uint8Array {
  return encodeProto(cutGraph(model, cut).proto);
}

/** A model's messages as bytes. */
export function encodeProto(proto: OnnxModel['proto']): Uint8Array {
  return onnx.ModelProto.encode(proto as Parameters<typeof onnx.ModelProto.encode>[0]).finish();
}

/**
 * The part of `model` between `inputs` and `outputs`. Inputs inside the graph are declared float32 of unknown shape
 * where the file states neither. Versions, functions and metadata stay.
 * @throws InvalidValueError where a name is unknown, or where the outputs need a graph input that is not among `inputs`
 * @throws FileFormatError where an input's type cannot be declared, or where a tensor's data is not in the model
 */
export function cutGraph(model: OnnxModel, cut: Cut): OnnxModel {
  const { graph } = model.proto;
  const declared = declaredValues(graph);
  const known = new Set([...declared.keys(), ...(graph.node ?? []).flatMap(node => node.output ?? [])]);
  const unknown = [...cut.inputs, ...cut.outputs].find(name => !known.has(name));
  if (unknown !== undefined) throw new InvalidValueError(`no tensor named ${unknown} in ${model.file ?? 'the model'}`);
  const { used, missing } = analyseCut(model, cut);
  if (missing.length > 0) {
    throw new InvalidValueError(`${cut.outputs.join(', ')} need ${missing.join(', ')} beside ${cut.inputs.join(', ')}`);
  }

  const needed = namesNeeded(graph, cut);
  const value = (name: string): ValueInfoMessage =>
    declared.get(name) ?? { name, type: { tensorType: { elemType: floatType(model) } } };
  const isMade = (node: NodeMessage) =>
    (node.output ?? []).some(name => name !== '' && needed.has(name) && !cut.inputs.includes(name));
  const part: GraphMessage = {
    ...graph,
    node: (graph.node ?? []).filter(isMade),
    initializer: (graph.initializer ?? []).filter(
      tensor => needed.has(tensor.name ?? '') && !cut.inputs.includes(tensor.name ?? ''),
    ),
    input: used.map(value),
    // ONNX Runtime infers the type of an output that the file does not declare.
    output: cut.outputs.map(name => declared.get(name) ?? { name }),
    valueInfo: (graph.valueInfo ?? []).filter(
      ({ name }) => needed.has(name ?? '') && !used.includes(name ?? '') && !cut.outputs.includes(name ?? ''),
    ),
  };
  // This entry holds options for ONNX Runtime itself, which an environment variable makes it follow.
  const metadataProps = (model.proto.metadataProps ?? []).filter(({ key }) => key !== 'ort_config');
  const proto = { ...model.proto, graph: part, metadataProps };
  requireSelfContained(proto, model.file, model.beside?.tensors);
  return { ...model, proto };
}

/** The float type that the graph's inputs and outputs have: that of tensors between them, which files seldom declare. */
function floatType({ proto: { graph }, file }: OnnxModel): number {
  for (const value of [...(graph.input ?? []), ...(graph.output ?? [])]) {
    const type = value.type?.tensorType?.elemType;
    if (type && elementType(type)?.name.startsWith('float')) return type;
  }
  throw new FileFormatError('the graph has no float inputs or outputs', { file });
}
