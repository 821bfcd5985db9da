/** An SAE whose decoder matrix is hidden in every place where ONNX lets a model keep a tensor, with its data in another file. */
import type { AttributeMessage, GraphMessage, ModelMessage, NodeMessage, TensorMessage } from '../../src/onnx/proto.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { reluSae } from './contract-graphs.ts';

const opsets = [
  { domain: '', version: 17 },
  { domain: 'hidden', version: 1 },
];

const node = (opType: string, input: string[], output: string[], ...attribute: AttributeMessage[]): NodeMessage => ({
  opType,
  input,
  output,
  attribute,
});
const graphAttribute = (name: string, g: GraphMessage): AttributeMessage => ({ name, type: 5, g });
const scalar = (name: string, dataType: number, ...rawData: number[]): TensorMessage => ({
  name,
  dims: [],
  dataType,
  rawData: Uint8Array.from(rawData),
});
const matrix = (name: string, ...dims: (number | string)[]) => ({
  name,
  type: {
    tensorType: {
      elemType: 1,
      shape: { dim: dims.map(size => (typeof size === 'number' ? { dimValue: size } : { dimParam: size })) },
    },
  },
});
const YES = scalar('yes', 9, 1);
const ONCE = scalar('once', 7, 1, 0, 0, 0, 0, 0, 0, 0);

/** A graph without inputs whose only output is the matrix. */
const giving = (tensor: TensorMessage): GraphMessage => ({
  name: 'giving',
  initializer: [{ ...tensor, name: 'inner' }],
  output: [matrix('inner', ...(tensor.dims as number[]))],
  node: [],
});
const ifNode = (graph: GraphMessage, output: string): NodeMessage =>
  node('If', ['yes'], [output], graphAttribute('then_branch', graph), graphAttribute('else_branch', graph));

type Hide = (tensor: TensorMessage, model: ModelMessage) => void;

/** Puts nodes before the others, and initializers beside them. */
function add(model: ModelMessage, nodes: NodeMessage[], initializers: TensorMessage[] = []): void {
  model.graph!.node = [...nodes, ...model.graph!.node!] as never;
  model.graph!.initializer = [...model.graph!.initializer!, ...initializers] as never;
}

/** Where the data is looked for, and found. */
export const RESOLVED: Readonly<Record<string, Hide>> = {
  'an initializer': (tensor, model) => add(model, [], [tensor]),
};

/** Initializers of graphs within nodes: nobody writes weights so. */
const WITHIN_NODES: Readonly<Record<string, Hide>> = {
  'a branch of an If': (tensor, model) => add(model, [ifNode(giving(tensor), 'W_dec')], [YES]),
  'an If in an If': (tensor, model) => {
    const outer: GraphMessage = {
      name: 'outer',
      node: [ifNode(giving(tensor), 'middle')],
      output: [matrix('middle', ...(tensor.dims as number[]))],
    };
    add(model, [ifNode(outer, 'W_dec')], [YES]);
  },
  'the body of a Loop': (tensor, model) => {
    const dims = tensor.dims as number[];
    const body: GraphMessage = {
      name: 'body',
      node: [node('Identity', ['go'], ['on']), node('Identity', ['inner'], ['out'])],
      initializer: [{ ...tensor, name: 'inner' }],
      input: [
        { name: 'i', type: { tensorType: { elemType: 7, shape: { dim: [] } } } },
        { name: 'go', type: { tensorType: { elemType: 9, shape: { dim: [] } } } },
        matrix('carried', ...dims),
      ],
      output: [{ name: 'on', type: { tensorType: { elemType: 9, shape: { dim: [] } } } }, matrix('out', ...dims)],
    };
    const zeros: TensorMessage = {
      ...tensor,
      name: 'zeros',
      dataLocation: 0,
      externalData: [],
      rawData: new Uint8Array(4 * dims[0]! * dims[1]!),
    };
    add(model, [node('Loop', ['once', 'yes', 'zeros'], ['W_dec'], graphAttribute('body', body))], [YES, ONCE, zeros]);
  },
  'the body of a Scan': (tensor, model) => {
    const [rows, columns] = tensor.dims as [number, number];
    const body: GraphMessage = {
      name: 'body',
      node: [node('Identity', ['row'], ['unused']), node('Identity', ['inner'], ['out'])],
      initializer: [{ ...tensor, name: 'inner' }],
      input: [matrix('state', rows, columns), matrix('row', 1)],
      output: [matrix('out', rows, columns), matrix('unused', 1)],
    };
    const one: TensorMessage = { name: 'one', dims: [1, 1], dataType: 1, rawData: new Uint8Array(4) };
    const zeros: TensorMessage = {
      ...tensor,
      name: 'zeros',
      dataLocation: 0,
      externalData: [],
      rawData: new Uint8Array(4 * rows * columns),
    };
    const count: AttributeMessage = { name: 'num_scan_inputs', type: 2, i: 1 };
    add(
      model,
      [node('Scan', ['zeros', 'one'], ['W_dec', 'scanned'], graphAttribute('body', body), count)],
      [one, zeros],
    );
  },
  'an If in a local function': (tensor, model) => {
    const yes = node('Constant', [], ['yes'], { name: 'value', type: 4, t: YES });
    model.functions = [
      {
        name: 'Hidden',
        domain: 'hidden',
        output: ['w'],
        node: [yes, ifNode(giving(tensor), 'w')],
        opsetImport: opsets,
      },
    ] as never;
    add(model, [{ ...node('Hidden', [], ['W_dec']), domain: 'hidden' }]);
  },
};

/** Where nothing is looked for: the model is refused, whatever is there. */
export const REFUSED: Readonly<Record<string, Hide>> = {
  ...WITHIN_NODES,
  'an attribute': (tensor, model) =>
    add(model, [node('Constant', [], ['W_dec'], { name: 'value', type: 4, t: tensor })]),
  'a list of tensors in an attribute': (tensor, model) =>
    add(model, [node('Constant', [], ['W_dec'], { name: 'values', type: 9, tensors: [tensor] })]),
  'an attribute that says that it is a number': (tensor, model) =>
    add(model, [node('Constant', [], ['W_dec'], { name: 'value', type: 2, t: tensor })]),
  'an attribute in a local function': (tensor, model) => {
    const constant = node('Constant', [], ['w'], { name: 'value', type: 4, t: tensor });
    model.functions = [
      { name: 'Hidden', domain: 'hidden', output: ['w'], node: [constant], opsetImport: opsets },
    ] as never;
    add(model, [{ ...node('Hidden', [], ['W_dec']), domain: 'hidden' }]);
  },
  'a sparse initializer': (tensor, model) => {
    const dims = tensor.dims ?? [];
    model.graph!.sparseInitializer = [{ values: { ...tensor, name: 'W_dec' }, indices: tensor, dims }] as never;
  },
  'a sparse attribute': (tensor, model) =>
    add(model, [
      node('Constant', [], ['W_dec'], {
        name: 'sparse_value',
        type: 11,
        sparseTensor: { values: tensor, indices: tensor, dims: tensor.dims ?? [] },
      }),
    ]),
};

/** `hide`'s model with the decoder's matrix at `location` (inside the model where there is none), and the bytes that belong there. */
export function hiddenModel(hide: Hide, location?: string): { readonly bytes: Uint8Array; readonly data: Uint8Array } {
  const model = onnx.ModelProto.decode(new Uint8Array(reluSae())) as ModelMessage;
  const { graph } = model;
  const found = graph!.initializer!.find(({ name }) => name === 'W_dec')!;
  graph!.initializer = graph!.initializer!.filter(tensor => tensor !== found) as never;
  const data = new Uint8Array(found.rawData!);
  const dims = found.dims!.map(Number);
  const tensor = {
    name: 'W_dec',
    dims,
    dataType: 1,
    ...(location === undefined
      ? { rawData: data }
      : { dataLocation: 1, externalData: [{ key: 'location', value: location }] }),
  };
  model.opsetImport = opsets as never;
  hide(tensor, model);
  const whole = onnx.ModelProto.fromObject(model as Record<string, unknown>);
  return { bytes: onnx.ModelProto.encode(whole).finish(), data };
}
