/**
 * What must be true of an ONNX model before ONNX Runtime sees it: every tensor's data fits its dimensions, every name has one
 * origin, nothing depends on itself, and nothing asks for more memory than a machine has. Stricter than `onnx.checker` on sizes,
 * and silent on what ONNX Runtime itself refuses with a plain error (operators, attributes, types).
 */
import { FileFormatError } from '../errors.ts';
import { elementType, fieldLength } from './element-type.ts';
import {
  type GraphMessage,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
  toInteger,
  type ValueInfoMessage,
} from './proto.ts';
import { readTensor } from './tensor-values.ts';

/** Most elements of one tensor: 8 GiB as float32. */
const MAX_ELEMENTS = 2 ** 31;
const MAX_RANK = 16;
/** Constants longer than this are data, not a shape. */
const MAX_SHAPE_CONSTANT = 64;
/** TensorProto.DataLocation. */
const EXTERNAL = 1;

/** Says what is wrong, and where in the model. */
type Refuse = (problem: string) => never;

/** Product of `dimensions`, refused where one is negative or the whole is absurd. */
function checkedSize(dimensions: readonly number[], refuse: Refuse): number {
  if (dimensions.length > MAX_RANK) refuse(`has ${dimensions.length} dimensions; at most ${MAX_RANK} are read`);
  const negative = dimensions.find(dimension => dimension < 0);
  if (negative !== undefined) refuse(`has a dimension of ${negative}`);
  // Zeros aside: [0, 2^60] holds nothing, but its strides overflow.
  const size = dimensions.reduce((product, dimension) => product * (dimension || 1), 1);
  if (size > MAX_ELEMENTS) {
    refuse(`has the shape [${dimensions.join(', ')}]: absurd, more than ${MAX_ELEMENTS} elements`);
  }
  return dimensions.includes(0) ? 0 : size;
}

/** Checks that a tensor's data is exactly what its dimensions and type ask for. */
function validateTensor(tensor: TensorMessage, refuse: Refuse): void {
  const type = elementType(tensor.dataType);
  if (!type) refuse(`has the element type ${tensor.dataType ?? 0}, which is not known`);
  if (tensor.segment) refuse('is stored in segments, which nothing reads');
  const dimensions = (tensor.dims ?? []).map(toInteger);
  const size = checkedSize(dimensions, refuse);
  if (tensor.dataLocation === EXTERNAL) {
    if (type.bits === undefined) refuse('is text and stored outside the file');
    return;
  }

  const bytes = tensor.rawData?.length ?? 0;
  const isRaw = bytes > 0;
  if (isRaw && type.bits === undefined) refuse('is text and stored as raw bytes');
  const stored = isRaw ? bytes : fieldLength(tensor, type);
  const expected = Math.ceil(isRaw ? (size * (type.bits ?? 0)) / 8 : size * type.entriesPerElement);
  if (stored !== expected) {
    const unit = isRaw ? 'bytes' : 'values';
    refuse(`has ${stored} ${unit}; ${type.name} of the shape [${dimensions.join(', ')}] takes ${expected}`);
  }
}

function validateValue(value: ValueInfoMessage, refuse: Refuse): void {
  const dimensions = value.type?.tensorType?.shape?.dim ?? [];
  // A named or open dimension counts as one; some exporters write an open one as -1.
  checkedSize(
    dimensions.map(dimension => Math.max(toInteger(dimension.dimValue), 1)),
    refuse,
  );
}

function subgraphs(node: NodeMessage): GraphMessage[] {
  return (node.attribute ?? []).flatMap(({ g, graphs }) => [...(g ? [g] : []), ...(graphs ?? [])]);
}

function validateAttributes(node: NodeMessage, refuse: Refuse): void {
  for (const attribute of node.attribute ?? []) {
    const inside: Refuse = problem => refuse(`attribute ${attribute.name} ${problem}`);
    for (const tensor of [...(attribute.t ? [attribute.t] : []), ...(attribute.tensors ?? [])]) {
      if (tensor.dataLocation === EXTERNAL) inside('is stored outside the file; only initializers may be');
      validateTensor(tensor, inside);
    }
    if (attribute.sparseTensor || attribute.sparseTensors?.length) inside('is a sparse tensor, which is not read');
  }
}

type Constants = ReadonlyMap<string, ArrayLike<number>>;

/** Short numeric initializers and Constant nodes: what can set the size of another tensor before anything runs. */
function shapeConstants(graph: GraphMessage): Constants {
  const constants = new Map<string, ArrayLike<number>>();
  const keep = (name: string | null | undefined, tensor: TensorMessage) => {
    const size = (tensor.dims ?? []).reduce<number>((product, dimension) => product * toInteger(dimension), 1);
    const type = elementType(tensor.dataType)?.name ?? '';
    if (!name || size > MAX_SHAPE_CONSTANT || tensor.dataLocation === EXTERNAL) return;
    if (/^(u?int(8|16|32|64)|float(32|64))$/.test(type)) constants.set(name, readTensor(tensor).data);
  };
  for (const tensor of graph.initializer ?? []) keep(tensor.name, tensor);
  for (const node of graph.node ?? []) {
    if (node.opType !== 'Constant') continue;
    for (const { name, t, ints } of node.attribute ?? []) {
      if (name === 'value' && t) keep(node.output?.[0], t);
      if (name === 'value_ints' && ints && node.output?.[0]) constants.set(node.output[0], ints.map(toInteger));
    }
  }
  return constants;
}

/** Refuses operators that would make an absurd tensor from constants alone; ONNX Runtime folds those while it loads. */
function validateMadeSize({ opType, input }: NodeMessage, constants: Constants, refuse: Refuse): void {
  const constant = (position: number): number[] => Array.from(constants.get(input?.[position] ?? '') ?? []);
  switch (opType) {
    case 'ConstantOfShape':
      checkedSize(constant(0), refuse);
      break;
    case 'Expand':
    case 'Tile':
      // In Reshape -1 means "what is left", and negative sizes here are ONNX Runtime's to refuse.
      checkedSize(
        constant(1).map(dimension => Math.max(dimension, 1)),
        refuse,
      );
      break;
    case 'Pad':
      checkedSize([constant(1).reduce((sum, padding) => sum + Math.max(padding, 0), 0)], refuse);
      break;
    case 'OneHot':
      checkedSize(
        constant(1).map(depth => Math.max(depth, 1)),
        refuse,
      );
      break;
    case 'Range': {
      const [start, limit, delta] = [constant(0)[0], constant(1)[0], constant(2)[0]];
      if (start === undefined || limit === undefined || !delta) break;
      checkedSize([Math.max(Math.ceil((limit - start) / delta), 0)], refuse);
      break;
    }
  }
}

/** Names that a node reads, those that its subgraphs take from outside included. */
function namesRead(node: NodeMessage): string[] {
  return [...(node.input ?? []), ...subgraphs(node).flatMap(freeNames)].filter(name => name !== '');
}

function freeNames(graph: GraphMessage): string[] {
  const nodes = graph.node ?? [];
  const defined = new Set([
    ...(graph.input ?? []).map(value => value.name),
    ...(graph.initializer ?? []).map(tensor => tensor.name),
    ...nodes.flatMap(node => node.output ?? []),
  ]);
  const read = [...nodes.flatMap(namesRead), ...(graph.output ?? []).map(value => value.name ?? '')];
  return read.filter(name => !defined.has(name));
}

/** Refuses nodes that need their own output; nodes may stand in any order. */
function validateOrder(nodes: readonly NodeMessage[], refuse: Refuse): void {
  const producer = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.output ?? []) if (name !== '') producer.set(name, index);
  });
  const waitingFor = nodes.map(() => 0);
  const consumers = nodes.map((): number[] => []);
  nodes.forEach((node, index) => {
    for (const name of new Set(namesRead(node))) {
      const source = producer.get(name);
      if (source === undefined) continue;
      consumers[source]!.push(index);
      waitingFor[index]!++;
    }
  });

  const ready = nodes.map((_, index) => index).filter(index => waitingFor[index] === 0);
  let ordered = 0;
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    ordered++;
    for (const consumer of consumers[index]!) if (--waitingFor[consumer]! === 0) ready.push(consumer);
  }
  if (ordered < nodes.length) {
    const stuck = nodes[waitingFor.findIndex(count => count > 0)];
    refuse(`has a cycle through the node ${stuck?.name || stuck?.opType}`);
  }
}

function validateGraph(graph: GraphMessage, outerNames: ReadonlySet<string>, refuse: Refuse): void {
  if (graph.sparseInitializer?.length) refuse('has sparse initializers, which are not read');
  const of =
    (what: string, name: string | null | undefined): Refuse =>
    problem =>
      refuse(`${what} ${name || '(without a name)'} ${problem}`);

  const defined = new Set<string>();
  const define = (name: string | null | undefined, complain: Refuse, isSecondAllowed = false) => {
    if (!name) complain('needs a name');
    if (!isSecondAllowed && defined.has(name)) complain('is defined twice');
    defined.add(name);
  };
  for (const value of graph.input ?? []) {
    define(value.name, of('input', value.name));
    validateValue(value, of('input', value.name));
  }
  const initializerNames = new Set<string>();
  for (const tensor of graph.initializer ?? []) {
    // IR 3 lists every initializer as an input as well.
    define(tensor.name, of('initializer', tensor.name), !initializerNames.has(tensor.name ?? ''));
    initializerNames.add(tensor.name ?? '');
    validateTensor(tensor, of('initializer', tensor.name));
  }
  const nodes = graph.node ?? [];
  for (const node of nodes) {
    for (const name of node.output ?? []) if (name !== '') define(name, of('tensor', name));
  }

  const visible = new Set([...outerNames, ...defined]);
  const constants = shapeConstants(graph);
  for (const node of nodes) {
    const complain = of('node', node.name || node.opType);
    if (!node.opType) complain('has no operator');
    const missing = (node.input ?? []).find(name => name !== '' && !visible.has(name));
    if (missing !== undefined) complain(`reads ${missing}, which nothing defines`);
    validateAttributes(node, complain);
    validateMadeSize(node, constants, complain);
    for (const subgraph of subgraphs(node)) validateGraph(subgraph, visible, complain);
  }
  for (const value of graph.output ?? []) {
    if (!value.name || !visible.has(value.name)) of('output', value.name)('is defined by nothing');
    validateValue(value, of('output', value.name));
  }
  for (const value of graph.valueInfo ?? []) validateValue(value, of('tensor', value.name));
  validateOrder(nodes, refuse);
}

/** Local functions are expanded while loading: one that calls itself would never end. */
function validateFunctions({ functions }: ModelMessage, refuse: Refuse): void {
  const callsOf = (nodes: readonly NodeMessage[]): string[] =>
    nodes.flatMap(node => [
      `${node.domain ?? ''}:${node.opType}`,
      ...subgraphs(node).flatMap(graph => callsOf(graph.node ?? [])),
    ]);
  const calls = new Map(
    (functions ?? []).map(({ domain, name, node }) => [`${domain ?? ''}:${name}`, callsOf(node ?? [])]),
  );
  const finished = new Set<string>();
  const open = new Set<string>();
  const visit = (name: string): void => {
    if (finished.has(name)) return;
    if (open.has(name)) refuse(`function ${name} calls itself`);
    open.add(name);
    for (const called of calls.get(name) ?? []) visit(called);
    open.delete(name);
    finished.add(name);
  };
  for (const name of calls.keys()) visit(name);

  for (const { name, node } of functions ?? []) {
    for (const inner of node ?? []) validateAttributes(inner, problem => refuse(`function ${name} ${problem}`));
    validateOrder(node ?? [], problem => refuse(`function ${name} ${problem}`));
  }
}

/**
 * Checks a decoded model, as the head of this file says; FileFormatError names what is wrong, and `file`.
 * External data is not looked at here but where it is brought in (`inlineExternalData`).
 */
export function validateModel(model: ModelMessage & { readonly graph: GraphMessage }, file?: string): void {
  const refuse: Refuse = problem => {
    throw new FileFormatError(`inconsistent or unsafe ONNX model: ${problem}`, { file });
  };
  validateGraph(model.graph, new Set(), problem =>
    refuse(problem.startsWith('has ') ? `the graph ${problem}` : problem),
  );
  if (model.graph.output?.length === 0 || !model.graph.output) refuse('the graph has no outputs');
  validateFunctions(model, refuse);
}
