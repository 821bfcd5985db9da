/**
 * Checks what must be true of an ONNX model before ONNX Runtime sees it: every tensor's data fits its dimensions, every
 * name has one origin, nothing depends on itself, and nothing asks for more memory than a machine has. Stricter than
 * `onnx.checker` on sizes, and silent on what ONNX Runtime itself refuses with a plain error (operators, attributes,
 * types).
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
const INTERNAL = 0;
const EXTERNAL = 1;

/**
 * Nodes of a model, each local function counted as often as it is called. ONNX Runtime takes 30 to 45 µs a node while it loads (100,000
 * Neg: 4.6 s on a 2-core EPYC), and the largest language models have some 20,000.
 */
const MAX_NODES = 2 ** 16;

/** Nodes that ONNX Runtime copies while it expands functions within functions: 14 levels of two calls each copy 2^18, in 2 s. */
const MAX_COPIED_NODES = 2 ** 18;

/** Functions that call functions. At 3,000 ONNX Runtime ends the process. */
const MAX_CALL_DEPTH = 64;

/** Elements of all tensors together that constants alone ask for, which ONNX Runtime makes while it loads: 1 GiB as float32. */
const MAX_MADE_ELEMENTS = 2 ** 28;

/** An operator that opens a file which its node names, for compiled models of a device. */
const OPENS_FILES = 'EPContext';

/** Says what is wrong, and where in the model. */
type Refuse = (problem: string) => never;

/** Product of `dimensions`, refused where one is negative or the whole is absurd. */
function checkedSize(dimensions: readonly number[], refuse: Refuse, most = MAX_ELEMENTS): number {
  if (dimensions.length > MAX_RANK) refuse(`has ${dimensions.length} dimensions; at most ${MAX_RANK} are read`);
  const negative = dimensions.find(dimension => dimension < 0);
  if (negative !== undefined) refuse(`has a dimension of ${negative}`);
  // Zeros aside: [0, 2^60] holds nothing, but its strides overflow.
  const size = dimensions.reduce((product, dimension) => product * (dimension || 1), 1);
  if (size > most) refuse(`has the shape [${dimensions.join(', ')}]: absurd, more than ${most} elements`);
  return dimensions.includes(0) ? 0 : size;
}

/** Checks that a tensor's data is exactly what its dimensions and type ask for. */
function validateTensor(tensor: TensorMessage, refuse: Refuse): void {
  const type = elementType(tensor.dataType);
  if (!type) refuse(`has the element type ${tensor.dataType ?? 0}, which is not known`);
  if (tensor.segment) refuse('is stored in segments, which nothing reads');
  const dimensions = (tensor.dims ?? []).map(toInteger);
  const size = checkedSize(dimensions, refuse);
  const location = tensor.dataLocation ?? INTERNAL;
  if (location !== INTERNAL && location !== EXTERNAL) refuse(`has the data location ${location}, which is not known`);
  if (location === EXTERNAL) {
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
    const complain = inside(refuse, 'attribute', attribute.name);
    for (const tensor of [...(attribute.t ? [attribute.t] : []), ...(attribute.tensors ?? [])]) {
      if (tensor.dataLocation === EXTERNAL) complain('is stored outside the file; only initializers may be');
      validateTensor(tensor, complain);
    }
    if (attribute.sparseTensor || attribute.sparseTensors?.length) complain('is a sparse tensor, which is not read');
  }
}

/** Short numeric initializers and Constant nodes by name: what can set the size of another tensor before anything runs. */
class Constants {
  readonly #values = new Map<string, readonly number[]>();
  readonly #outer: Constants | undefined;

  /**
   * The constants of a graph whose tensors were validated.
   * @param outer those of the graph around it
   */
  constructor({ initializer, node }: GraphMessage, outer?: Constants) {
    this.#outer = outer;
    for (const tensor of initializer ?? []) this.#keep(tensor.name, tensor);
    for (const { opType, output, attribute } of node ?? []) {
      if (opType !== 'Constant' || !output?.[0]) continue;
      for (const { name, t, ints, i } of attribute ?? []) {
        if (name === 'value' && t) this.#keep(output[0], t);
        if (name === 'value_ints' && ints)
          this.#values.set(output[0], ints.slice(0, MAX_SHAPE_CONSTANT).map(toInteger));
        if (name === 'value_int') this.#values.set(output[0], [toInteger(i)]);
      }
    }
  }

  #keep(name: string | null | undefined, tensor: TensorMessage): void {
    const size = (tensor.dims ?? []).reduce<number>((product, dimension) => product * toInteger(dimension), 1);
    const type = elementType(tensor.dataType)?.name ?? '';
    if (!name || size > MAX_SHAPE_CONSTANT || tensor.dataLocation === EXTERNAL) return;
    if (/^(u?int(8|16|32|64)|float(32|64))$/.test(type)) this.#values.set(name, Array.from(readTensor(tensor).data));
  }

  get(name: string | undefined): readonly number[] | undefined {
    return name ? (this.#values.get(name) ?? this.#outer?.get(name)) : undefined;
  }
}

/**
 * The number of elements of the tensor that a node makes from constants alone, 0 where they do not tell; ONNX Runtime
 * computes those while it loads. Absurd numbers are refused.
 */
function madeSize({ opType, input }: NodeMessage, constants: Constants, refuse: Refuse): number {
  const constant = (position: number): readonly number[] => constants.get(input?.[position]) ?? [];
  const size = (dimensions: readonly number[]) => checkedSize(dimensions, refuse, MAX_MADE_ELEMENTS);
  switch (opType) {
    case 'ConstantOfShape':
      return constants.get(input?.[0]) ? size(constant(0)) : 0;
    case 'Expand':
    case 'Tile':
    case 'OneHot':
      // In Reshape -1 means "what is left", and negative sizes here are ONNX Runtime's to refuse.
      return constants.get(input?.[1]) ? size(constant(1).map(dimension => Math.max(dimension, 1))) : 0;
    case 'Resize':
    case 'Upsample':
      // Scales, and sizes where they are given instead.
      return size(
        [...constant(opType === 'Resize' ? 2 : 1), ...constant(3)].map(scale => Math.max(Math.ceil(scale), 1)),
      );
    case 'Pad':
      return size([constant(1).reduce((sum, padding) => sum + Math.max(padding, 0), 0)]);
    case 'Range': {
      const [start, limit, delta] = [constant(0)[0], constant(1)[0], constant(2)[0]];
      if (start === undefined || limit === undefined || !delta) return 0;
      return size([Math.max(Math.ceil((limit - start) / delta), 0)]);
    }
    default:
      return 0;
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

/** Names that are visible in a graph: its own, and those of the graphs around it. */
class Scope {
  readonly #names = new Set<string>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  has(name: string): boolean {
    return this.#names.has(name) || (this.#outer?.has(name) ?? false);
  }

  define(name: string | null | undefined, refuse: Refuse, isSecondAllowed = false): void {
    if (!name) refuse('needs a name');
    // As a key of an object it would set the object's prototype.
    if (name === '__proto__') refuse('has a name that JavaScript cannot hold');
    if (!isSecondAllowed && this.#names.has(name)) refuse('is defined twice');
    this.#names.add(name);
  }
}

/** The refusal of something inside a graph or function. */
const inside =
  (refuse: Refuse, what: string, name: string | null | undefined): Refuse =>
  problem =>
    refuse(`${what} ${name || '(without a name)'} ${problem}`);

/** What has been counted so far of one model. */
interface Totals {
  nodes: number;
}

function validateNodes(nodes: readonly NodeMessage[], scope: Scope, totals: Totals, refuse: Refuse): void {
  totals.nodes += nodes.length;
  if (totals.nodes > MAX_NODES) refuse(`has more than ${MAX_NODES} nodes: absurd`);
  for (const node of nodes) {
    for (const name of node.output ?? []) if (name !== '') scope.define(name, inside(refuse, 'tensor', name));
  }
  for (const node of nodes) {
    const complain = inside(refuse, 'node', node.name || node.opType);
    if (!node.opType) complain('has no operator');
    if (node.opType === OPENS_FILES) complain(`is an ${OPENS_FILES}, which may open any file: refused`);
    const missing = (node.input ?? []).find(name => name !== '' && !scope.has(name));
    if (missing !== undefined) complain(`reads ${missing}, which nothing defines`);
    validateAttributes(node, complain);
    for (const subgraph of subgraphs(node)) validateGraph(subgraph, scope, totals, complain);
  }
  validateOrder(nodes, refuse);
}

function validateGraph(graph: GraphMessage, outer: Scope | undefined, totals: Totals, refuse: Refuse): void {
  if (graph.sparseInitializer?.length) refuse('has sparse initializers, which are not read');
  const scope = new Scope(outer);
  for (const value of graph.input ?? []) {
    scope.define(value.name, inside(refuse, 'input', value.name));
    validateValue(value, inside(refuse, 'input', value.name));
  }
  const initializerNames = new Set<string>();
  for (const tensor of graph.initializer ?? []) {
    const complain = inside(refuse, 'initializer', tensor.name);
    // IR 3 lists every initializer as an input as well.
    scope.define(tensor.name, complain, !initializerNames.has(tensor.name ?? ''));
    initializerNames.add(tensor.name ?? '');
    validateTensor(tensor, complain);
  }
  validateNodes(graph.node ?? [], scope, totals, refuse);
  for (const value of graph.output ?? []) {
    const complain = inside(refuse, 'output', value.name);
    if (!value.name || !scope.has(value.name)) complain('is defined by nothing');
    validateValue(value, complain);
  }
  for (const value of graph.valueInfo ?? []) validateValue(value, inside(refuse, 'tensor', value.name));
}

/** What ONNX Runtime does with nodes while it puts the bodies of local functions in the place of their calls. */
interface Expansion {
  /** Nodes that are there in the end. */
  readonly nodes: number;
  /** Nodes that are copied on the way: a function's inner calls are expanded before it is. */
  readonly copied: number;
  /** Elements that they make from constants. */
  readonly made: number;
  /** Calls within calls. */
  readonly depth: number;
}

const NOTHING: Expansion = { nodes: 0, copied: 0, made: 0, depth: 0 };

const functionKey = (domain: string | null | undefined, name: string | null | undefined): string =>
  `${domain === 'ai.onnx' ? '' : (domain ?? '')}:${name}`;

/** Refuses functions that call themselves, and a model that is small in its file and absurd once its functions are expanded. */
function validateExpansion({ graph, functions }: ModelMessage, refuse: Refuse): void {
  const bodies = new Map<string, readonly NodeMessage[]>();
  for (const { domain, name, node } of functions ?? []) {
    if (bodies.has(functionKey(domain, name))) refuse(`function ${name} is defined twice`);
    bodies.set(functionKey(domain, name), node ?? []);
  }
  const finished = new Map<string, Expansion>();
  const open = new Set<string>();

  const expand = (part: GraphMessage, outer: Constants | undefined, depth: number): Expansion => {
    const constants = new Constants(part, outer);
    let total = NOTHING;
    const add = ({ nodes, copied, made, depth }: Expansion): void => {
      total = {
        nodes: total.nodes + nodes,
        copied: total.copied + copied,
        made: total.made + made,
        depth: Math.max(total.depth, depth),
      };
    };
    for (const node of part.node ?? []) {
      const complain = inside(refuse, 'node', node.name || node.opType);
      const called = call(functionKey(node.domain, node.opType), depth);
      if (called) add({ ...called, copied: called.copied + called.nodes, depth: called.depth + 1 });
      else add({ ...NOTHING, nodes: 1, made: madeSize(node, constants, complain) });
      for (const subgraph of subgraphs(node)) add(expand(subgraph, constants, depth));

      const { nodes, copied, made } = total;
      if (nodes > MAX_NODES) complain(`and those before it are more than ${MAX_NODES} with functions expanded: absurd`);
      if (copied > MAX_COPIED_NODES) complain(`calls functions that call others ${copied} times: absurd`);
      if (made > MAX_MADE_ELEMENTS) complain(`and those before it make ${made} elements from constants: absurd`);
    }
    return total;
  };
  const call = (key: string, depth: number): Expansion | undefined => {
    const body = bodies.get(key);
    if (!body) return undefined;
    const name = key.slice(key.indexOf(':') + 1);
    if (open.has(key)) refuse(`function ${name} calls itself`);
    const known = finished.get(key);
    if (depth + (known?.depth ?? 0) >= MAX_CALL_DEPTH) {
      refuse(`function ${name} is called within others, more than ${MAX_CALL_DEPTH} deep: absurd`);
    }
    if (known) return known;
    open.add(key);
    const expansion = expand({ node: [...body] }, undefined, depth + 1);
    open.delete(key);
    finished.set(key, expansion);
    return expansion;
  };

  expand(graph ?? {}, undefined, 0);
  // ONNX Runtime expands those that nothing calls as well.
  for (const key of bodies.keys()) call(key, 0);
}

function validateFunctions(functions: NonNullable<ModelMessage['functions']>, totals: Totals, refuse: Refuse): void {
  for (const { name, node, input, opsetImport } of functions) {
    const complain = inside(refuse, 'function', name);
    const odd = (opsetImport ?? []).find(({ version }) => !(toInteger(version) >= 1 && toInteger(version) < 2 ** 31));
    if (odd) complain(`imports version ${toInteger(odd.version)} of the operators of ${odd.domain || 'ai.onnx'}`);
    const scope = new Scope();
    for (const parameter of input ?? []) scope.define(parameter, inside(complain, 'input', parameter));
    validateNodes(node ?? [], scope, totals, complain);
  }
}

/**
 * Checks a decoded model, as the head of this file says. External data is only looked at where it is brought in
 * (`inlineExternalData`).
 * @throws FileFormatError where the model is wrong; the message names what is wrong, and `file`
 */
export function validateModel(model: ModelMessage & { readonly graph: GraphMessage }, file?: string): void {
  const refuse: Refuse = problem => {
    throw new FileFormatError(`inconsistent or unsafe ONNX model: ${problem}`, { file });
  };
  if (!model.graph.output?.length) refuse('the graph has no outputs');
  const totals: Totals = { nodes: 0 };
  validateGraph(model.graph, undefined, totals, problem =>
    refuse(problem.startsWith('has ') ? `the graph ${problem}` : problem),
  );
  validateFunctions(model.functions ?? [], totals, refuse);
  validateExpansion(model, refuse);
}
